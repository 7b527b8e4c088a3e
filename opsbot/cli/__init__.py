"""The command line. Each command lives in a module of its own, which is imported when the command runs."""

import importlib
import sys

import click

from opsbot import __version__

COMMANDS = {
    "run": "opsbot.cli.run",
    "demo": "opsbot.cli.demo",
    "demo-restart": "opsbot.cli.demo",
    "check": "opsbot.cli.check",
    "chat": "opsbot.cli.chat",
    "operations": "opsbot.cli.operations",
    "new": "opsbot.cli.new",
    "contacts": "opsbot.cli.contacts",
    "doctor": "opsbot.cli.doctor",
}
EXIT_CONFIG = 2


class LazyGroup(click.Group):
    """Imports a command's module only when it is asked for: `opsbot chat` loads no web server."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands in the order in which a new user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name])
        found: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return found


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="opsbot")
def opsbot() -> None:
    r"""Tail logs, listen to chats, and hand both to small operations.

    \b
    New here:        opsbot demo
    With a config:   opsbot check -c config.yaml && opsbot run -c config.yaml
    """


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
