"""What opsbot's `tail --json` on another machine says, as batches."""

from collections.abc import Iterator, Sequence

import structlog

from opsbot.adapters.sources.command.lines import Block, Lines
from opsbot.adapters.sources.command.wire import Progress, Received, WireError, parse
from opsbot.core.coverage import Coverage
from opsbot.core.log import Batch, Checkpoint, Disabled, Gap, Record
from opsbot.core.ports import Clock, Matcher

_log = structlog.get_logger(__name__)

MAX_LINE_BYTES = 8 * 1024 * 1024
"""A line of a log (1 MiB) whose characters are all escaped fits, and so do the positions of ten thousand files."""

HELD_RECORDS = 10_000
HELD_BYTES = 8 * 1024 * 1024
"""So many records wait for the positions that cover them; more are handed over without any, and may come again."""

MAX_FILES = 100_000


class Remote:
    """Makes batches of what one run of a remote says.

    The records before a line of positions and those positions are one batch. The same record comes once per rule of the
    remote, and again after a connection that broke: it is taken once, and not at all when a position covers it.

    Args:
        source: the name the checkpoints are stored under.
        matcher: our rules; those of the remote only spare traffic.
        checkpoints: where the remote was told to go on.
        clock: tells the time.
        resumes: whether positions come; without them records are handed over as they come.
    """

    def __init__(self, source: str, matcher: Matcher, checkpoints: Sequence[Checkpoint], clock: Clock, *, resumes: bool) -> None:
        self.fault = ""
        self._source = source
        self._matcher = matcher
        self._clock = clock
        self._resumes = resumes
        self._lines = Lines(MAX_LINE_BYTES)
        self._coverage = Coverage(checkpoints)
        self._held: dict[tuple[str, str, int], Received] = {}
        self._held_bytes = 0
        self._last: tuple[str, str, int] | None = None
        self._gaps: list[Gap] = []
        self._has_noise = False

    @property
    def is_waiting(self) -> bool:
        """Never: it is the remote that knows when a record is complete."""
        return False

    @property
    def files(self) -> int:
        """How many files the remote follows, as far as is known."""
        return self._coverage.files

    def feed(self, chunk: bytes) -> Sequence[Batch]:
        """Take what came; what follows a line that breaks the protocol is not looked at, and `fault` says so."""
        batches: list[Batch] = []
        try:
            for block in self._lines.feed(b"" if self.fault else chunk):
                batches.extend(self._read(block))  # keeps what came before the fault
        except WireError as exc:
            self.fault = f"the remote does not speak as opsbot's tail --json does: {exc}"
        if self._held and not self._resumes:
            batches.append(self._batch())
        return batches

    def quiet(self) -> Sequence[Batch]:
        """Give nothing; see `is_waiting`."""
        return ()

    def end(self) -> Sequence[Batch]:
        """Give nothing: what no position covers comes again."""
        return ()

    def _read(self, block: Block) -> Iterator[Batch]:
        if block.is_cut:
            self._gaps.append(Gap(self._source, f"a line of more than {MAX_LINE_BYTES >> 20} MiB was skipped"))
            return
        for line in block.data.splitlines():
            item = parse(line, self._source)
            if isinstance(item, Received):
                self._take(item)
            elif isinstance(item, Progress):
                yield self._batch(item)
                if self._coverage.files > MAX_FILES:
                    raise WireError(f"positions of more than {MAX_FILES} files")
            elif line.strip():
                self._note_noise()
            if len(self._held) >= HELD_RECORDS or self._held_bytes >= HELD_BYTES:
                yield self._batch()

    def _note_noise(self) -> None:
        """Say once that there is something else than records: a banner, a profile that prints."""
        if not self._has_noise:
            _log.info("lines that are no records are skipped", source=self._source)
        self._has_noise = True

    def _take(self, item: Received) -> None:
        key = (item.path, item.content, item.offset)
        is_known = key in self._held or key == self._last or self._coverage.covers(item.content, item.offset)
        if not is_known:
            self._held[key] = item
            self._held_bytes += len(item.text) + len(item.path)

    def _batch(self, progress: Progress | None = None) -> Batch:
        """Close what was taken until now."""
        told = progress or Progress((), (), ())
        disabled: list[Disabled] = []
        records = tuple(self._records(told.positions, disabled))
        self._last = next(reversed(self._held), self._last)
        gaps, self._gaps = (*self._gaps, *told.gaps), []
        self._held, self._held_bytes = {}, 0
        self._coverage.note(told.positions, told.forgotten)
        return Batch(
            source=self._source,
            records=records,
            checkpoints=told.positions,
            forgotten=told.forgotten,
            gaps=gaps,
            disabled=tuple(disabled),
            observed_at=self._clock.now(),
        )

    def _records(self, positions: Sequence[Checkpoint], disabled: list[Disabled]) -> Iterator[Record]:
        """Search the records that are held; each gets the position that it came with."""
        behind = {each.generation or str(each.inode): each for each in positions}
        for item in self._held.values():
            scan = self._matcher.search(item.text)
            disabled += scan.disabled
            checkpoint = behind.get(item.content) or self._checkpoint(item)
            for match in scan.matches:
                yield Record(path=item.path, offset=item.offset, text=item.text, hits=match.hits, checkpoint=checkpoint)

    def _checkpoint(self, item: Received) -> Checkpoint:
        """Give a stand-in where the remote told no position: it names the content, and nobody commits it."""
        return Checkpoint(source=self._source, path=item.path, device=0, inode=0, offset=item.offset, generation=item.content)
