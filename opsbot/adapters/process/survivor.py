"""Finds what a program left running, by its process group and by its environment. Blocking: called in a thread.

A process that begins a session of its own leaves the group, but not its environment: the tag in it is how it is found.
"""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
_ENDED = (b"Z", b"X")  # zombie, dead


def group_lives(group: int) -> bool:
    """Tell whether a process group has members that are not just waiting to be reaped.

    `killpg(group, 0)` would answer yes for ever where no init reaps orphans.
    """
    return any(fields and fields[0] not in _ENDED and int(fields[2]) == group for fields in map(_fields, _pids()))


def are_gone(pids: Iterable[int]) -> bool:
    """Tell whether none of the processes runs any more."""
    return all(not fields or fields[0] in _ENDED for fields in map(_fields, pids))


def kill_tagged(tag: str) -> list[int]:
    """Kill every process whose environment has the entry `tag`; gives the pids of those that could be."""
    entry = tag.encode()
    killed = []
    for pid in _pids():
        if entry in _read(pid, "environ").split(b"\0"):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
    return killed


def _pids() -> Iterator[int]:
    with suppress(OSError):  # no /proc: nothing can be found
        yield from (int(path.name) for path in PROC.iterdir() if path.name.isdigit())


def _fields(pid: int) -> list[bytes]:
    """Give state, parent, group … of a process; nothing for one that is gone."""
    # "pid (name) state ppid pgrp …"; the name may hold anything, so count from its last parenthesis (proc(5))
    return _read(pid, "stat").rpartition(b")")[2].split()


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:  # gone, or not ours to read
        return b""
