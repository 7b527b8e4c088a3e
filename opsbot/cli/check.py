"""`opsbot check`: is this configuration right?"""

import sys
from pathlib import Path

import click

from opsbot.cli.options import config_option
from opsbot.config.load import load
from opsbot.core.errors import ConfigError


@click.command()
@config_option
def check(config_path: Path) -> None:
    """Check the configuration and its operations; list every problem as FILE:LINE: KEY: what is wrong; what is allowed.

    Exit status 0 when there is none, 2 otherwise.
    """
    from opsbot.app.house import verify  # noqa: PLC0415 - loads everything that runs

    failures = verify(load(config_path))
    if failures:
        raise ConfigError(*failures)
    print(f"{config_path}: all right")
    sys.exit(0)
