"""Lines that are nothing but lines: searched like those of a file, but nobody can go on where they stopped."""

from collections.abc import Sequence
from secrets import token_hex

from opsbot.adapters.sources.command.lines import Block, Lines
from opsbot.core.log import Batch, Checkpoint, Disabled, Record, Scan
from opsbot.core.ports import Clock, Matcher

MAX_LINE_BYTES = 1024 * 1024
"""Of a longer line only so much is searched."""

BATCH_RECORDS = 500


class Plain:
    """Makes batches of the lines that one run of a command prints. Their records have keys that no other run has."""

    fault = ""
    files = 0

    def __init__(self, source: str, path: str, matcher: Matcher, clock: Clock) -> None:
        """Begin a run; records stand in `path`, which need not be one."""
        self._source = source
        self._path = path
        self._matcher = matcher
        self._clock = clock
        self._lines = Lines(MAX_LINE_BYTES)
        self._run = token_hex(8)
        self._pending = b""
        self._begin = 0

    @property
    def is_waiting(self) -> bool:
        """Whether a record of several lines may go on."""
        return bool(self._pending)

    def feed(self, chunk: bytes) -> Sequence[Batch]:
        """Search what this chunk ends."""
        return [batch for block in self._lines.feed(chunk) for batch in self._search(block, is_end=block.is_cut)]

    def quiet(self) -> Sequence[Batch]:
        """Take a record of several lines as complete: nothing came for a while."""
        return self._search(Block(0, b""), is_end=True)

    def end(self) -> Sequence[Batch]:
        """Search what is left."""
        blocks = self._lines.end() or [Block(0, b"")]
        return [batch for block in blocks for batch in self._search(block, is_end=True)]

    def _search(self, block: Block, *, is_end: bool) -> Sequence[Batch]:
        """Search a block together with what was left of the one before."""
        data = self._pending + block.data
        if not data:
            return ()
        begin = block.offset - len(self._pending) if block.data else self._begin
        is_end = is_end or len(data) > MAX_LINE_BYTES
        scan = self._matcher.scan(data, is_end=is_end)
        self._pending = b"" if is_end else data[scan.consumed :]
        self._begin = begin + scan.consumed
        return self._batches(self._records(scan, begin), scan.disabled)

    def _records(self, scan: Scan, begin: int) -> list[Record]:
        return [
            Record(
                path=self._path,
                offset=begin + match.start,
                text=match.text,
                hits=match.hits,
                checkpoint=Checkpoint(
                    source=self._source, path=self._path, device=0, inode=0, offset=begin + match.end, generation=self._run
                ),
            )
            for match in scan.matches
        ]

    def _batches(self, records: Sequence[Record], disabled: tuple[Disabled, ...]) -> Sequence[Batch]:
        parts = [tuple(records[at : at + BATCH_RECORDS]) for at in range(0, len(records), BATCH_RECORDS)]
        return [
            Batch(source=self._source, records=part, disabled=() if number else disabled, observed_at=self._clock.now())
            for number, part in enumerate(parts or ([()] if disabled else []))
        ]
