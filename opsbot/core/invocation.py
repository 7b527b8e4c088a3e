"""What a command line says about what will come out of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_TAIL, _JSON, _RESUME, _STATE = "tail", "--json", "--resume", "--state"


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command as it will be run.

    `is_protocol` says that it prints the JSON lines of opsbot's `tail`, `resumes` that it is told where to go on and says how
    far it came.
    """

    argv: tuple[str, ...]
    is_protocol: bool
    resumes: bool


def invocation(argv: Sequence[str]) -> Invocation:
    """Read a command, and let a `tail --json` in it resume, unless it keeps its own state.

    The words may be arguments, or stand in one argument that a shell (ssh's, say) takes apart.

    >>> invocation(["ssh", "bob", "opsbot", "tail", "--json", "a.log"]).argv
    ('ssh', 'bob', 'opsbot', 'tail', '--json', '--resume', 'a.log')
    >>> invocation(["ssh", "bob", "opsbot tail --json 'a b.log'"]).argv
    ('ssh', 'bob', "opsbot tail --json --resume 'a b.log'")
    """
    whole = tuple(argv)
    place = _json_behind_tail(whole)
    if place is None:
        return Invocation(whole, is_protocol=False, resumes=False)
    words = {word.partition("=")[0] for argument in whole for word in argument.split()}
    if words & {_STATE, _RESUME}:
        return Invocation(whole, is_protocol=True, resumes=_STATE not in words)
    number, end = place
    argument = whole[number]
    parts = (argument, _RESUME) if argument == _JSON else (f"{argument[:end]} {_RESUME}{argument[end:]}",)
    return Invocation((*whole[:number], *parts, *whole[number + 1 :]), is_protocol=True, resumes=True)


def _json_behind_tail(argv: Sequence[str]) -> tuple[int, int] | None:
    """Find the first --json that comes after tail: the number of its argument, and where it ends in it."""
    is_behind = False
    for number, argument in enumerate(argv):
        for word in re.finditer(r"\S+", argument):
            if is_behind and word[0] == _JSON:
                return number, word.end()
            is_behind = is_behind or word[0] == _TAIL
    return None
