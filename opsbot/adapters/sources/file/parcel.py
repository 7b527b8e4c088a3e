"""What the next batch will hold."""

from opsbot.adapters.sources.file.cursor import Cursor
from opsbot.adapters.sources.file.place import Identity
from opsbot.adapters.sources.file.tracked import Tracked
from opsbot.adapters.sources.file.tuning import Tuning
from opsbot.core.log import Batch, Checkpoint, Disabled, Gap, Record
from opsbot.core.ports import Clock

_LINGER_S = 0.001
_LINGER_BEHIND_S = 0.005
"""Each batch is a transaction. What is older than the megabyte behind it is not in so great a hurry."""


class Parcel:
    """Gathers records and progress until they are worth a batch.

    Records leave at the end of the turn that found them, or soon. Progress without records, which only spares work after a
    restart, leaves after `flush_s` or `flush_bytes`.
    """

    def __init__(self, source: str, tuning: Tuning, clock: Clock) -> None:
        """Start empty."""
        self._source = source
        self._tuning = tuning
        self._clock = clock
        self._records: list[Record] = []
        self._reached: dict[Identity, Checkpoint | tuple[Tracked, Cursor]] = {}
        self._forgotten: dict[Identity, None] = {}
        self._gaps: list[Gap] = []
        self._disabled: list[Disabled] = []
        self._progress_bytes = 0
        self._since_s: float | None = None
        self._found_at_s = 0.0

    def record(self, record: Record) -> None:
        """Take a record, and that its file was consumed up to the end of it."""
        if not self._records:
            self._found_at_s = self._clock.monotonic_s()
        self._records.append(record)
        self.keep(record.checkpoint)

    def advance(self, tracked: Tracked, cursor: Cursor, size: int = 0) -> None:
        """Note that the file was consumed up to the cursor, `size` bytes further than before."""
        self._progress_bytes += size
        # Written out once it leaves: a file may go on a thousand times until then.
        self._note(tracked.identity, (tracked, cursor))

    def keep(self, checkpoint: Checkpoint) -> None:
        """Note a checkpoint."""
        self._note((checkpoint.device, checkpoint.inode), checkpoint)

    def _note(self, identity: Identity, reached: Checkpoint | tuple[Tracked, Cursor]) -> None:
        self._reached[identity] = reached
        if self._forgotten:
            self._forgotten.pop(identity, None)
        self._start()

    def forget(self, identity: Identity) -> None:
        """Note that the file is gone and was consumed."""
        self._reached.pop(identity, None)
        self._forgotten[identity] = None
        self._start()

    def gap(self, gap: Gap) -> None:
        """Note that something could not be read."""
        self._gaps.append(gap)
        self._start()

    def disable(self, disabled: Disabled) -> None:
        """Note that a rule is searched no longer."""
        self._disabled.append(disabled)
        self._start()

    def _start(self) -> None:
        if self._since_s is None:
            self._since_s = self._clock.monotonic_s()

    @property
    def is_full(self) -> bool:
        """Whether it must leave in the middle of a file's turn."""
        return len(self._records) >= self._tuning.batch_records

    def is_urgent(self, *, is_behind: bool) -> bool:
        """Say whether it must leave before other files have their turn: a record should not wait for a thousand files."""
        linger_s = _LINGER_BEHIND_S if is_behind else _LINGER_S
        return bool(self._records) and self._clock.monotonic_s() - self._found_at_s >= linger_s

    def due_in_s(self, *, is_behind: bool = False) -> float | None:
        """Say when it should leave, None when there is nothing in it; `is_behind` when more is found at once."""
        if self._since_s is None:
            return None
        has_news = bool(self._gaps or self._disabled) or (bool(self._records) and not is_behind)
        if has_news or self._progress_bytes >= self._tuning.flush_bytes:
            return 0.0
        return max(0.0, self._since_s + self._tuning.flush_s - self._clock.monotonic_s())

    def close(self) -> Batch | None:
        """Make the batch, None when there is nothing to say; the next parcel starts empty."""
        if self._since_s is None:
            return None
        batch = Batch(
            source=self._source,
            records=tuple(self._records),
            checkpoints=tuple(self._checkpoint(each) for each in self._reached.values()),
            forgotten=tuple(self._forgotten),
            gaps=tuple(self._gaps),
            disabled=tuple(self._disabled),
            observed_at=self._clock.now(),
        )
        self._records, self._gaps, self._disabled, self._reached, self._forgotten = [], [], [], {}, {}
        self._progress_bytes, self._since_s = 0, None
        return batch

    def _checkpoint(self, reached: Checkpoint | tuple[Tracked, Cursor]) -> Checkpoint:
        return reached if isinstance(reached, Checkpoint) else reached[0].checkpoint(self._source, reached[1])
