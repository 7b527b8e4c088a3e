"""Compressed rotations that somebody is still writing."""

from collections.abc import Iterable

from opsbot.adapters.sources.file.archive import is_cut
from opsbot.adapters.sources.file.complaint import Complaints
from opsbot.adapters.sources.file.place import Entry
from opsbot.adapters.sources.file.task import Task

_LONGEST_S = 60.0
"""No log is kept waiting for longer: somebody compresses for hours, and nobody would follow it meanwhile."""


class Unfinished:
    """Tells which compressed files are worth waiting for: they end in the middle, and were changed a moment ago.

    Here alone the time of change is held against the clock: a file that was damaged long ago shall not keep its log waiting. If
    one of the two is wrong, the file is taken as it is.
    """

    def __init__(self, task: Task, complaints: Complaints) -> None:
        """Know none."""
        self._task = task
        self._complaints = complaints
        self._seen: dict[str, tuple[int, int] | None] = {}
        self._since_s: dict[str, float] = {}

    def holds_up(self, rotations: Iterable[Entry]) -> bool:
        """Say whether one of the compressed rotations of a log is still being written.

        They are decompressed to find out, unless they grow; once nobody has changed them for a while, they no longer count.
        """
        return any(self._is_waited_for(entry) for entry in rotations)

    def _is_waited_for(self, entry: Entry) -> bool:
        since_s = self._since_s.setdefault(entry.path, self._task.clock.monotonic_s())
        is_over = self._task.clock.monotonic_s() - since_s > _LONGEST_S
        is_waited_for = not is_over and self._is_recent(entry) and (self._grows(entry) or self._is_cut(entry))
        if is_waited_for:
            self._complaints.lost(entry.path, "is still being compressed; its log waits for it")
        elif self._seen.pop(entry.path, None) is not None:
            self._complaints.back(entry.path)
        return is_waited_for

    def _is_recent(self, entry: Entry) -> bool:
        now_s = self._task.clock.now().timestamp()
        return entry.seen is not None and abs(now_s - entry.seen[1] / 1e9) < self._task.tuning.rotate_wait_s

    def _grows(self, entry: Entry) -> bool:
        before = self._seen.get(entry.path)
        self._seen[entry.path] = entry.seen
        return before is not None and before != entry.seen

    def _is_cut(self, entry: Entry) -> bool:
        try:
            return is_cut(entry.path, self._task.tuning.archive_bytes, self._task.goes_on)
        except OSError:
            return False
