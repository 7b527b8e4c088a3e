"""Where a reader stands: written by its thread, asked from any."""

from collections.abc import Collection, Sequence

from opsbot.adapters.sources.file.tracked import Tracked
from opsbot.core.log import Batch, RuleFigures, SourceFigures
from opsbot.core.ports import Clock

_MEASURE_S = 0.25
_MEASURE_RATIO = 50
"""Thousands of files take a while to measure: at most a fiftieth of the time is spent so."""


class Standing:
    """Plain numbers, each replaced as a whole: no lock, and asking costs the reader nothing."""

    def __init__(self, clock: Clock) -> None:
        """Begin with zeros."""
        self._clock = clock
        self._measure_at_s = 0.0
        self._marks: dict[Tracked, tuple[int, float]] = {}
        self._behind_since_s: float | None = None
        self._lag_bytes = 0
        self._records = 0
        self._gaps = 0
        self._lost_bytes = 0
        self.files = 0
        self.open_files = 0
        self.read_bytes = 0
        self.watch = ""
        self.watch_reason = ""

    def figures(self, rules: Sequence[RuleFigures]) -> SourceFigures:
        """Give the numbers as of now. Called from any thread."""
        behind_since_s = self._behind_since_s
        return SourceFigures(
            files=self.files,
            open_files=self.open_files,
            read_bytes=self.read_bytes,
            lag_bytes=self._lag_bytes,
            lag_s=0.0 if behind_since_s is None else max(0.0, self._clock.monotonic_s() - behind_since_s),
            records=self._records,
            gaps=self._gaps,
            lost_bytes=self._lost_bytes,
            watch=self.watch,
            watch_reason=self.watch_reason,
            rules=tuple(rules),
        )

    def handed_over(self, batch: Batch) -> None:
        """Count what left."""
        self._records += len(batch.records)
        self._gaps += len(batch.gaps)
        self._lost_bytes += sum(gap.lost_bytes or 0 for gap in batch.gaps)

    def count(self, files: Collection[Tracked]) -> None:
        """Count the files that are followed."""
        self.files = len(files)
        self.open_files = sum(1 for each in files if each.fd is not None)

    def measure(self, waiting: Collection[Tracked]) -> None:
        """Measure how far behind the reader is; `waiting` are the files that may have something new.

        The age of the oldest unread byte is known as well as looks are frequent: when a size was seen and the reader has not come
        so far, everything from there on was written later.
        """
        if not waiting:
            self._marks, self._lag_bytes, self._behind_since_s = {}, 0, None
            return
        now_s = self._clock.monotonic_s()
        if now_s < self._measure_at_s:
            return
        before, self._marks = self._marks, {}
        lag_bytes = 0
        for tracked in waiting:
            size = tracked.size
            if size > tracked.reached:
                lag_bytes += size - tracked.reached
                mark = before.get(tracked)
                self._marks[tracked] = mark if mark and mark[0] > tracked.reached else (size, now_s)
        self._lag_bytes = lag_bytes
        self._behind_since_s = min((at_s for _, at_s in self._marks.values()), default=None)
        took_s = self._clock.monotonic_s() - now_s
        self._measure_at_s = now_s + max(_MEASURE_S, _MEASURE_RATIO * took_s)
