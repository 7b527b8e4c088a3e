"""A log in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

from opsbot.core.errors import SourceUnavailableError
from opsbot.core.log import MARKER_BYTES, Batch, Checkpoint, Disabled, Gap, Record, SourceFigures, marker_of
from opsbot.core.ports import Clock, Matcher

PATH = "/var/log/fake.log"
DEVICE, INODE = 1, 1


class FakeLog:
    """A log file that a test writes; it outlives the sources that read it."""

    def __init__(self, path: str = PATH) -> None:
        """Begin empty."""
        self.path = path
        self.content = b""
        self.gaps: list[Gap] = []
        self.disabled: list[Disabled] = []
        self.failure = ""
        self.changed = asyncio.Event()

    def writes(self, *lines: str) -> None:
        """Append lines."""
        self.content += "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        self.changed.set()

    def loses(self, reason: str, lost_bytes: int | None = None) -> None:
        """Let the source report that some of the log could not be read."""
        self.gaps.append(Gap(self.path, reason, lost_bytes))
        self.changed.set()

    def gives_up(self, rule: int, reason: str) -> None:
        """Let the source report that a rule, by its place, is searched no longer."""
        self.disabled.append(Disabled(rule, reason))
        self.changed.set()

    def breaks(self, reason: str) -> None:
        """Let the source fail; it can be read again afterwards."""
        self.failure = reason
        self.changed.set()


class FakeSource:
    """Reads a FakeLog from its checkpoint on, with whatever matcher the real one would use."""

    def __init__(self, name: str, log: FakeLog, matcher: Matcher, checkpoints: Sequence[Checkpoint], clock: Clock) -> None:
        """Prepare to read from the last of `checkpoints`, or from the beginning."""
        self._name, self._log, self._matcher, self._clock = name, log, matcher, clock
        self._offset = checkpoints[-1].offset if checkpoints else 0
        self._is_open = False

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return self._name

    async def __aenter__(self) -> Self:
        """Start reading."""
        self._is_open = True
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop reading."""
        self._is_open = False
        self._log.changed.set()

    async def batches(self) -> AsyncIterator[Batch]:
        """See `Source.batches`."""
        while self._is_open:
            self._log.changed.clear()
            if self._log.failure:
                reason, self._log.failure = self._log.failure, ""
                raise SourceUnavailableError(reason)
            end = self._log.content.rfind(b"\n") + 1
            if end > self._offset or self._log.gaps or self._log.disabled:
                yield self._batch(end)
                continue
            await self._log.changed.wait()

    def _batch(self, end: int) -> Batch:
        begin, self._offset = self._offset, end
        gaps, self._log.gaps = tuple(self._log.gaps), []
        disabled, self._log.disabled = tuple(self._log.disabled), []
        records = tuple(self._records(self._log.content[begin:end], begin))
        return Batch(
            source=self._name,
            records=records,
            checkpoints=(self._checkpoint(end),),
            gaps=gaps,
            disabled=disabled,
            observed_at=self._clock.now(),
        )

    def _records(self, block: bytes, begin: int) -> Sequence[Record]:
        return [
            Record(
                path=self._log.path,
                offset=begin + match.start,
                text=match.text,
                hits=match.hits,
                checkpoint=self._checkpoint(begin + block.find(b"\n", match.start) + 1),
            )
            for match in self._matcher.scan(block).matches
        ]

    def figures(self) -> SourceFigures:
        """See `Source.figures`."""
        return SourceFigures(files=1, read_bytes=self._offset, lag_bytes=len(self._log.content) - self._offset, watch="pipe")

    def _checkpoint(self, offset: int) -> Checkpoint:
        marker = marker_of(self._log.content[max(0, offset - MARKER_BYTES) : offset])
        return Checkpoint(source=self._name, path=self._log.path, device=DEVICE, inode=INODE, offset=offset, marker=marker)
