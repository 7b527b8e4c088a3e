"""The check-up of a source that is a command: nothing is started."""

import os
import shutil
from collections.abc import Sequence

from opsbot.adapters.sources.file.acquaintance import is_note
from opsbot.adapters.sources.file.shelf import is_end
from opsbot.core.finding import Finding, Level
from opsbot.core.invocation import invocation
from opsbot.core.log import Checkpoint

SHOWN = 5

_RESUMES = "opsbot's tail --json: goes on where it was, nothing is lost while it is away"
_REMEMBERS = "opsbot's tail --json with --state: it remembers by itself; what is on its way when the connection breaks is lost"
_PLAIN = "plain lines: what is printed while it is not running, or nobody listens, is lost"


def command_finding(name: str, argv: Sequence[str], checkpoints: Sequence[Checkpoint]) -> Finding:
    """Say whether the program is there, what will come out of it, and how far that was read. Blocking."""
    check, program = f"source.{name}", argv[0]
    found = shutil.which(program)
    if found is None:
        there = shutil.which(program, mode=os.F_OK)
        if there is not None:
            return Finding(check, Level.FAIL, f"{there} may not be run by this user", f"chmod +x {there}")
        return Finding(check, Level.FAIL, f"{program} is not installed", "install it, or put it on the PATH")
    said = [found, *_what_comes(argv, [each for each in checkpoints if not is_end(each) and not is_note(each)])]
    return Finding(check, Level.OK, "; ".join(said), "run the command by hand: it must print, and ask for nothing")


def _what_comes(argv: Sequence[str], checkpoints: Sequence[Checkpoint]) -> list[str]:
    invoked = invocation(argv)
    if not invoked.is_protocol:
        return [_PLAIN]
    if not invoked.resumes:
        return [_REMEMBERS]
    if not checkpoints:
        return [_RESUMES, "never read yet"]
    positions = [f"{each.path} to byte {each.offset}" for each in checkpoints[:SHOWN]]
    more = f" and {len(checkpoints) - SHOWN} more" if len(checkpoints) > SHOWN else ""
    return [_RESUMES, f"read {', '.join(positions)}{more}"]
