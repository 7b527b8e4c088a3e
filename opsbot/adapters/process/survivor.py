"""Finds what a program left running, by its process group and by its environment. Blocking: called in a thread.

A process that begins a session of its own leaves the group, but not its environment: the tag in it is how it is found.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def group_lives(group: int) -> bool:
    """Tell whether a process group has members that are not just waiting to be reaped.

    `killpg(group, 0)` would answer yes for ever where no init reaps orphans.
    """
    return any(state not in "ZX" and pgrp == group for state, pgrp in _states())


def kill_tagged(tag: str) -> int:
    """Kill every process whose environment has the entry `tag`; gives how many there were."""
    entry = tag.encode()
    killed = 0
    for pid in _pids():
        if entry in _read(pid, "environ").split(b"\0"):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    return killed


def _pids() -> Iterator[int]:
    with suppress(OSError):  # no /proc: nothing can be found
        yield from (int(path.name) for path in PROC.iterdir() if path.name.isdigit())


def _states() -> Iterator[tuple[str, int]]:
    for pid in _pids():
        # "pid (name) state ppid pgrp …"; the name may hold anything, so count from its last parenthesis (proc(5))
        fields = _read(pid, "stat").rpartition(b")")[2].split()
        if len(fields) > 2:  # noqa: PLR2004 the two that are read
            yield fields[0].decode(), int(fields[2])


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:  # gone, or not ours to read
        return b""
