"""What is read becomes records and progress, and leaves."""

from collections import OrderedDict
from collections.abc import Callable

from opsbot.adapters.sources.file.block import Block
from opsbot.adapters.sources.file.open_record import OpenRecords
from opsbot.adapters.sources.file.parcel import Parcel
from opsbot.adapters.sources.file.standing import Standing
from opsbot.adapters.sources.file.task import Task
from opsbot.adapters.sources.file.tracked import Tracked
from opsbot.core.log import Batch, Match, Record

_RECENT_FILES = 64
_TOO_LONG = 2
"""UTF-16 takes up to twice the bytes that the matcher counts."""


class Intake:
    """Searches blocks, gathers what is found, and emits it in batches; `recent` are the files that were read last."""

    def __init__(
        self, task: Task, parcel: Parcel, open_records: OpenRecords, standing: Standing, emit: Callable[[Batch], None]
    ) -> None:
        """Have nothing yet."""
        self._task = task
        self._parcel = parcel
        self._open = open_records
        self._standing = standing
        self._emit = emit
        self.recent: OrderedDict[Tracked, None] = OrderedDict()

    def take(self, tracked: Tracked, block: Block) -> int:
        """Search a block of a file, and move on behind it; gives how many bytes that was."""
        before = tracked.cursor.offset
        multiline = self._task.multiline
        # A matcher ends a record at its bounds; if it does not, it is made to.
        is_end = multiline is None or block.is_end or len(tracked.open_record) > _TOO_LONG * multiline.max_bytes
        scan = self._task.matcher.scan(block.data, is_end=is_end)
        for match in scan.matches:
            self._parcel.record(self._record(tracked, block, match))
            if self._parcel.is_full:
                self.flush()
        for disabled in scan.disabled:
            self._parcel.disable(disabled)
        tracked.consume(block, len(block.data) if is_end else scan.consumed)
        if tracked.open_record:
            self._open.wait(tracked)
        tracked.grown_at_s = self._task.clock.monotonic_s()
        self._remember(tracked)
        read_bytes = tracked.cursor.offset - before
        if read_bytes:
            self._standing.read_bytes += read_bytes
            self._parcel.advance(tracked, tracked.cursor, read_bytes)
        return read_bytes

    def conclude(self, tracked: Tracked) -> None:
        """Take an open record, if there is one, as it is."""
        if tracked.open_record:
            self.take(tracked, tracked.open_block())

    def due_in_s(self) -> float | None:
        """Say when something has to leave, or a record has to end, although nothing happens; None: never."""
        delays = [delay_s for delay_s in (self._parcel.due_in_s(), self._open.due_in_s()) if delay_s is not None]
        return min(delays, default=None)

    def flush_urgent(self, *, is_behind: bool) -> None:
        """Hand over records that have waited for others for long enough; while a file is caught up with they wait longer."""
        if self._parcel.is_urgent(is_behind=is_behind):
            self.flush()

    def flush_due(self, *, is_behind: bool) -> None:
        """Hand over what is due."""
        if self._parcel.due_in_s(is_behind=is_behind) == 0.0:
            self.flush()

    def flush(self) -> None:
        """Hand over everything now."""
        batch = self._parcel.close()
        if batch is not None:
            self._standing.handed_over(batch)
            self._emit(batch)

    def _remember(self, tracked: Tracked) -> None:
        self.recent[tracked] = None
        self.recent.move_to_end(tracked)
        if len(self.recent) > _RECENT_FILES:
            self.recent.popitem(last=False)[0].trail.shorten()

    def _record(self, tracked: Tracked, block: Block, match: Match) -> Record:
        return Record(
            path=tracked.shown,
            offset=block.offset + match.start,
            text=match.text,
            hits=match.hits,
            checkpoint=tracked.checkpoint(self._task.source, block.cursor_after(match.end)),
        )
