"""The `Source` port for log files."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Self

import structlog

from opsbot.adapters.sources.file.bell import Bell
from opsbot.adapters.sources.file.handover import Handover
from opsbot.adapters.sources.file.place import Identity
from opsbot.adapters.sources.file.task import ReadFrom, Task, Until
from opsbot.adapters.sources.file.thread import ReaderThread
from opsbot.adapters.sources.file.tuning import Tuning
from opsbot.core.errors import SourceUnavailableError
from opsbot.core.log import Batch, Checkpoint, Multiline, SourceFigures
from opsbot.core.ports import Clock, Matcher

_log = structlog.get_logger(__name__)

_STOP_S = 4.5


class FileSource:
    """Follows the files behind one path or glob pattern.

    A file that has a checkpoint goes on from there; one that is there when the source is entered is read from its end or its
    beginning; one that appears later, or between two readings of the same pattern, is read from its beginning. Rotated
    files are read to their end under whatever name they have. Entering returns when all files are open: every line that is
    written from then on is seen.

    Args:
        name: the source's key in the configuration.
        pattern: an absolute path; `*`, `?`, `[…]` in any part, `**` for directories at any depth. Or several of them: a file that
            more than one names is read once.
        matcher: all rules on these files; called from the reader's thread.
        checkpoints: what was committed of this source.
        clock: tells the time, also in the reader's thread.
        read_from: where to begin a file without a checkpoint that is there at the start.
        multiline: how the matcher makes records of lines; None: each line is one.
        encoding: "utf-8", "gb18030" or "utf-16"; the matcher gets UTF-16 with the low byte first, and no byte order mark.
        until: when the stream ends: when it is left ("stopped"); or when each file that is there was read to its last whole line
            ("last_line"), or to its very end, an unfinished line included ("end"): a checkpoint then may stand inside of a line.
        is_own: says by path (behind all links) and (device, inode) which files opsbot writes itself: they are never read. Asked
            in the reader's thread, before a file is opened.
        tuning: the numbers.
    """

    def __init__(  # noqa: PLR0913 what they mean stands above, and most are given by name
        self,
        name: str,
        pattern: str | Sequence[str],
        matcher: Matcher,
        checkpoints: Sequence[Checkpoint] = (),
        *,
        clock: Clock,
        read_from: ReadFrom = "end",
        multiline: Multiline | None = None,
        encoding: str = "utf-8",
        until: Until = "stopped",
        is_own: Callable[[str, Identity], bool] = lambda *_: False,
        tuning: Tuning | None = None,
    ) -> None:
        """Touch nothing."""
        self._task = Task(
            source=name,
            pattern=pattern,
            matcher=matcher,
            checkpoints=checkpoints,
            clock=clock,
            read_from=read_from,
            multiline=multiline,
            encoding=encoding,
            until=until,
            is_own=is_own,
            tuning=tuning or Tuning(),
        )
        self._handover: Handover | None = None
        self._thread: ReaderThread | None = None
        self._bell = Bell()
        self._ended = asyncio.Event()

    @property
    def name(self) -> str:
        """The source's key in the configuration."""
        return self._task.source

    async def __aenter__(self) -> Self:
        """Start the reader's thread and wait until it has opened what is there."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        self._ended = asyncio.Event()

        def end() -> None:
            self._ended.set()
            ready.set()

        bell = self._hang_up()
        self._handover = Handover(self._task.tuning.queued_batches, bell.ring)
        self._thread = ReaderThread(
            self._task, self._handover, bell, lambda: loop.call_soon_threadsafe(ready.set), lambda: loop.call_soon_threadsafe(end)
        )
        self._thread.start()
        try:
            await ready.wait()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the thread, within 5 s."""
        thread, self._thread = self._thread, None
        if thread is None or self._handover is None:
            return
        thread.stop()
        try:
            await asyncio.wait_for(self._ended.wait(), _STOP_S)
        except TimeoutError:
            # Its bell stays: the descriptor's number may not come to mean something else as long as the thread waits on it.
            _log.warning("reader_stuck", source=self.name)
            self._handover.abandon()
        else:
            self._bell.__exit__(exc_type, exc, traceback)

    def _hang_up(self) -> Bell:
        try:
            self._bell = Bell().__enter__()
        except OSError as error:
            raise SourceUnavailableError(f"source {self.name}: {error.strerror}; raise the limit (LimitNOFILE)") from error
        return self._bell

    def finish(self) -> None:
        """Read no further: the stream ends with what was read. Does not wait, and need not be called."""
        if self._thread is not None:
            self._thread.finish()

    async def batches(self) -> AsyncIterator[Batch]:
        """Give what matched; see `opsbot.core.ports.Source`."""
        if self._handover is None:
            return
        async for batch in self._handover.batches():
            yield batch

    def figures(self) -> SourceFigures:
        """Say where it stands; see `opsbot.core.ports.Source`."""
        rules = self._task.matcher.figures()
        return SourceFigures(rules=tuple(rules)) if self._thread is None else self._thread.standing.figures(rules)
