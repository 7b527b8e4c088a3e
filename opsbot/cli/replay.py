"""`opsbot replay`: what a scene would have said about an old log."""

import textwrap
from pathlib import Path

import click

from opsbot.app.replay import Said
from opsbot.app.replay import replay as play
from opsbot.cli.logging import set_up_logging
from opsbot.cli.options import config_option
from opsbot.config.load import load
from opsbot.core.redact import Redactor

STEP = "    "


@click.command()
@config_option
@click.argument("scene")
@click.argument("file", type=click.Path(path_type=Path))
def replay(config_path: Path, scene: str, file: Path) -> None:
    """Print what SCENE of the configuration would have said about FILE, a log that may be compressed (.gz).

    The operation, its rules and its settings are the real ones. Nothing is sent, no state is read or written, and the daemon may
    run meanwhile. Each message stands below the record that led to it, with its severity and whom it would have reached.

    What differs from reality: messages are not grouped, superseded, capped or slowed down, open alerts are not repeated. Nobody
    answers. Programs are not run: they are shown, and the operation is told that they cannot be started. @every methods do not
    run. Since opsbot does not know when a record was written, each counts as one second later than the one before it, unless the
    partner signed it; timers fire in that time, and those that are set at the end of the log fire then.

    Exit status 2 when there is no such scene or file.
    """
    configuration = load(config_path)
    redactor = Redactor(configuration.secrets())
    set_up_logging("warning", lambda: redactor)
    printed = _Printed()
    found = play(configuration, scene, file, printed.show)
    print(f"records found by the rules of {scene}: {found}; messages: {printed.count}")


class _Printed:
    """What was printed: the cause once, below it all that it led to."""

    def __init__(self) -> None:
        self.count = 0
        self._cause = ""

    def show(self, said: Said) -> None:
        """Print one thing."""
        if said.cause != self._cause:
            self._cause = said.cause
            print(said.cause)
        if said.to or said.fallback:
            self.count += 1
            then = f"; if nobody is reached: {', '.join(said.fallback)}" if said.fallback else ""
            print(f"{STEP}{said.severity} to {', '.join(said.to)}{then}")
        print(textwrap.indent(said.text, f"{STEP}  " if said.to or said.fallback else STEP))
