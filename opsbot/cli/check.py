"""`opsbot check`: is this configuration right?"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from opsbot.cli.options import config_option
from opsbot.config.load import load
from opsbot.config.read import read
from opsbot.core.errors import ConfigError, Problem


@click.command()
@config_option
def check(config_path: Path) -> None:
    """Check the configuration and its operations; list every problem as FILE:LINE: KEY: what is wrong; what is allowed.

    Exit status 0 when there is none, 2 otherwise.
    """
    from opsbot.app.preparation import verify  # noqa: PLC0415 - loads everything that runs

    try:
        failures = verify(load(config_path))
    except ConfigError as exc:
        raise ConfigError(*_in_order([*exc.problems, *_problems_of_settings(config_path)])) from exc
    if failures:
        raise ConfigError(*failures)
    print(f"{config_path}: all right")
    sys.exit(0)


def _problems_of_settings(config_path: Path) -> list[Problem]:
    """Look at the operations' settings even where the rest of the file is wrong; a file that is no YAML has none."""
    from opsbot.app.scenes import problems_of_settings  # noqa: PLC0415 - loads operations

    try:
        return problems_of_settings(read(config_path, os.environ).document)
    except ConfigError:
        return []


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.line, problem.key))
