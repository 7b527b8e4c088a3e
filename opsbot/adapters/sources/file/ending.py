"""What is done at the end of a file: for now, or for good."""

from opsbot.adapters.sources.file import naming, retirement
from opsbot.adapters.sources.file.block import Buffer
from opsbot.adapters.sources.file.intake import Intake
from opsbot.adapters.sources.file.ledger import Ledger
from opsbot.adapters.sources.file.tracked import RewrittenError, Tracked


class Ending:
    """Takes the last lines of files that nobody goes on with, and closes them."""

    def __init__(self, ledger: Ledger, intake: Intake, buffer: Buffer) -> None:
        """Touch nothing."""
        self._ledger = ledger
        self._intake = intake
        self._buffer = buffer
        self._max_line_bytes = ledger.task.tuning.max_line_bytes

    def drained(self, tracked: Tracked) -> None:
        """Take note that a file was read to its end; of an archive that is all."""
        tracked.is_drained = True
        tracked.is_settled = not tracked.is_live
        self._ledger.dirty.pop(tracked, None)
        if tracked.is_archive:
            self.retire(tracked)

    def retire(self, tracked: Tracked) -> None:
        """Close a rotated file; nobody will finish its last line any more, so that is taken as it is."""
        if self._ends_here(tracked):
            self.take_rest(tracked)
        self._intake.conclude(tracked)
        retirement.retire(self._ledger, tracked)

    def take_rest(self, tracked: Tracked) -> None:
        """Take the open record and the last line, finished or not."""
        try:
            is_there = tracked.original is None and (tracked.fd is not None or tracked.reopen(tracked.path))
            block = tracked.rest(self._buffer, self._max_line_bytes) if is_there else None
        except (OSError, RewrittenError):
            block = None
        if block is not None:
            naming.announce(self._ledger, self._intake, tracked, is_over=True)
            self._intake.take(tracked, block)
        self._intake.conclude(tracked)

    def _ends_here(self, tracked: Tracked) -> bool:
        is_log_of_its_own = tracked.is_found and tracked.is_matched and tracked.shown == tracked.path
        return tracked.original is None and not is_log_of_its_own
