"""`opsbot run`: the daemon."""

import asyncio
import sys
from pathlib import Path

import click
import structlog

from opsbot.app.daemon import run as run_daemon
from opsbot.app.house import House
from opsbot.app.preparation import verify
from opsbot.cli.logging import LEVELS, set_up_logging
from opsbot.cli.options import config_option
from opsbot.config.load import load
from opsbot.config.model import Configuration
from opsbot.core.errors import ConfigError, OpsbotError
from opsbot.core.redact import Redactor


@click.command()
@config_option
@click.option("--log-level", type=click.Choice(list(LEVELS)), default="info", show_default=True, help="What goes to stderr.")
def run(config_path: Path, log_level: str) -> None:
    """Run the daemon until SIGTERM or Ctrl-C; SIGHUP reloads the configuration.

    The daemon's own log goes to stderr. The account's records for the partner go to log.file of the configuration.
    """
    configuration = load(config_path)
    current = {"redactor": Redactor(configuration.secrets())}
    set_up_logging(log_level, lambda: current["redactor"])

    log = structlog.get_logger(__name__)

    def reload() -> Configuration | None:
        try:
            fresh = load(config_path)
            failures = verify(fresh)
            if failures:
                raise ConfigError(*failures)  # what runs now is better than less of it
        except OpsbotError as exc:
            log.error("configuration not reloaded", problems=str(exc))  # noqa: TRY400 - the operator's problem, not a bug's trace
            return None
        if fresh.state_dir != configuration.state_dir:
            log.error("configuration not reloaded", problems="state_dir cannot change while the daemon runs; restart it")
            return None
        # The old secrets stay masked: the old configuration may have to go on.
        current["redactor"] = Redactor(fresh.secrets() | configuration.secrets())
        return fresh

    def ready(house: House) -> None:
        for name, url in house.pages.items():
            log.info("page ready", channel=name, url=url)
            _print_links(house, name)
        log.info("ready", bot=house.configuration.name)

    verify(configuration)
    asyncio.run(run_daemon(configuration, reload, ready))


def _print_links(house: House, channel: str) -> None:
    """Show a person at a terminal how to get in; a log that is kept must not hold the tokens."""
    if not sys.stderr.isatty():
        return
    for person, url in house.personal_links(channel):
        print(f"  {person}: {url}", file=sys.stderr)
