"""The command line. Each command lives in a module of its own, which is imported when the command runs."""

import importlib
import sys

import click

from opsbot import __version__

COMMANDS = {
    "demo": "Two paired bots on a simulated platform, in the browser; nothing to configure.",
    "run": "Run the daemon.",
    "check": "Check a configuration; lists every problem with its line.",
    "doctor": "Check gateways, sources, rules, pm2, permissions, limits and the clock.",
    "tail": "Follow logs and print the records that match.",
    "replay": "Print what a scene would have said about an old log; nothing is sent.",
    "contacts": "List the ids, handles and names the accounts know.",
    "chat": "Talk to a running daemon in the terminal.",
    "operations": "List the operations, or the settings of one.",
    "new": "Write a new operation with its test.",
}
HIDDEN = {"demo-restart": "opsbot.cli.demo"}
EXIT_CONFIG = 2


class LazyGroup(click.Group):
    """Imports a command's module only when it runs: `opsbot chat` loads no web server, and `--help` loads nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands in the order in which a new user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import one command."""
        if cmd_name not in COMMANDS and cmd_name not in HIDDEN:
            return None
        module = importlib.import_module(HIDDEN.get(cmd_name, f"opsbot.cli.{cmd_name}"))
        found: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="opsbot")
def opsbot() -> None:
    """Tail logs, listen to chats, and hand both to small operations.

    \b
    New here:        opsbot demo
    With a config:   opsbot check -c config.yaml && opsbot run -c config.yaml
    """  # noqa: D301 - click reads the escape


def main() -> None:
    """Run the command line; what opsbot raises on purpose is one line per problem on stderr and exit status 2."""
    from opsbot.core.errors import OpsbotError  # noqa: PLC0415 - `--version` needs none of it

    try:
        opsbot(prog_name="opsbot")
    except OpsbotError as exc:
        print(exc, file=sys.stderr)
        sys.exit(EXIT_CONFIG)
    except KeyboardInterrupt:
        sys.exit(130)
