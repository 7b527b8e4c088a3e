"""How long a record of several lines may go on."""

from opsbot.adapters.sources.file.tracked import Tracked
from opsbot.core.log import Multiline
from opsbot.core.ports import Clock


class OpenRecords:
    """The files whose last record may go on, and until when that is waited for."""

    def __init__(self, multiline: Multiline | None, clock: Clock) -> None:
        """Wait for nothing."""
        self._timeout_s = multiline.timeout_s if multiline else 0.0
        self._clock = clock
        self._until_s: dict[Tracked, float] = {}  # in order: all wait for the same time

    def wait(self, tracked: Tracked) -> None:
        """Wait for the next line of a file's last record, anew."""
        self._until_s.pop(tracked, None)
        tracked.open_until_s = self._clock.monotonic_s() + self._timeout_s
        self._until_s[tracked] = tracked.open_until_s

    def is_over(self, tracked: Tracked) -> bool:
        """Say whether a file has an open record for which nothing came in time."""
        return bool(tracked.open_record) and self._clock.monotonic_s() >= tracked.open_until_s

    def due(self) -> list[Tracked]:
        """Give, once, the files whose time is over; they are to be read once more."""
        due: list[Tracked] = []
        if not self._until_s:
            return due
        now_s = self._clock.monotonic_s()
        for tracked, until_s in self._until_s.items():
            if until_s > now_s:
                break
            due.append(tracked)
        for tracked in due:
            del self._until_s[tracked]
        return [tracked for tracked in due if tracked.open_record]

    def due_in_s(self) -> float | None:
        """Say when the first is due, None when nothing is waited for."""
        first = next(iter(self._until_s.values()), None)
        return None if first is None else max(0.0, first - self._clock.monotonic_s())
