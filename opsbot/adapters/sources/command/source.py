"""The `Source` port for what a command prints."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Protocol, Self

import structlog

from opsbot.adapters.sources.command.plain import Plain
from opsbot.adapters.sources.command.remote import Remote
from opsbot.adapters.sources.command.wire import positions_line
from opsbot.core.errors import CommandError, SourceUnavailableError
from opsbot.core.invocation import invocation
from opsbot.core.log import Batch, Checkpoint, SourceFigures
from opsbot.core.ports import Clock, Matcher, Pipe, Runner

_log = structlog.get_logger(__name__)

STOP_S = 4.5
REASON_CHARS = 300
GREETING_S = 60.0
"""A `tail --json --resume` says at once that it is there; after so long without a word something is in its way."""

SILENCE_S = 2.0
"""So long any other command must live without a word to count as running: most that fail do so at once."""


class Intake(Protocol):
    """Makes batches of bytes. Called in a thread, one call at a time."""

    @property
    def fault(self) -> str:
        """Why nothing more is taken, "" while all is well."""
        ...

    @property
    def files(self) -> int:
        """How many files are followed, 0 if nobody knows."""
        ...

    @property
    def is_waiting(self) -> bool:
        """Whether `quiet` would have something to give."""
        ...

    def feed(self, chunk: bytes) -> Sequence[Batch]:
        """Take bytes."""
        ...

    def quiet(self) -> Sequence[Batch]:
        """Take note that nothing came for a while."""
        ...

    def end(self) -> Sequence[Batch]:
        """Give what is left when nothing can come any more."""
        ...


@dataclass(slots=True)
class _Run:
    """One run of the command, and what came of it."""

    stack: AsyncExitStack
    pipe: Pipe
    intake: Intake
    first: bytes
    read_bytes: int
    records: int = 0
    gaps: int = 0
    lost_bytes: int = 0

    def count(self, batch: Batch) -> None:
        self.records += len(batch.records)
        self.gaps += len(batch.gaps)
        self.lost_bytes += sum(gap.lost_bytes or 0 for gap in batch.gaps)


class CommandSource:
    """Listens to a command: to opsbot's `tail --json` on another machine, or to whatever prints lines.

    A `tail --json` is told on its stdin where to go on, and says how far it came: nothing is lost when the connection breaks,
    and what comes twice is dropped. Of other commands every line is a record, and what they print while nobody listens is
    lost.

    Entering starts the command and returns when it printed something or lived for a while. The stream raises
    SourceUnavailableError when the command ends, whatever its status.

    Args:
        name: the source's key in the configuration.
        argv: the program and its arguments.
        matcher: all rules on this source; called in a thread.
        checkpoints: what was committed of this source.
        runner: starts the command.
        clock: tells the time.
        env: what the command gets besides the allow-listed environment.
        settle_s: after so long without another line a record of several lines is complete; of a `tail --json` the remote decides.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        matcher: Matcher,
        checkpoints: Sequence[Checkpoint] = (),
        *,
        runner: Runner,
        clock: Clock,
        env: Mapping[str, str] | None = None,
        settle_s: float = 1.0,
    ) -> None:
        """Start nothing."""
        self._name = name
        self._invocation = invocation(argv)
        self._matcher = matcher
        self._checkpoints = tuple(checkpoints)
        self._runner = runner
        self._clock = clock
        self._env = env
        self._settle_s = settle_s
        self._run: _Run | None = None

    @property
    def name(self) -> str:
        """The source's key in the configuration."""
        return self._name

    async def __aenter__(self) -> Self:
        """Start the command.

        Raises:
            SourceUnavailableError: it cannot be started, or ended at once.
        """
        said = positions_line(self._checkpoints) if self._invocation.resumes else b""
        intake = self._intake()
        async with AsyncExitStack() as stack:
            try:
                pipe = await stack.enter_async_context(self._runner.pipe(self._invocation.argv, env=self._env, said=said))
            except CommandError as exc:
                raise SourceUnavailableError(str(exc)) from exc
            first = await self._first_sign(pipe)
            self._run = _Run(stack.pop_all(), pipe, intake, first, len(first))
        return self

    def _intake(self) -> Intake:
        if self._invocation.is_protocol:
            return Remote(self._name, self._matcher, self._checkpoints, self._clock, resumes=self._invocation.resumes)
        return Plain(self._name, self._invocation.argv[0], self._matcher, self._clock)

    async def _first_sign(self, pipe: Pipe) -> bytes:
        """Wait until it says something, or lives for a while without a word."""
        resumes = self._invocation.resumes
        try:
            async with asyncio.timeout(GREETING_S if resumes else SILENCE_S):
                return await anext(aiter(pipe))
        except TimeoutError:
            if resumes:
                raise SourceUnavailableError(
                    f"{self._invocation.argv[0]} does not answer: {pipe.last_words or 'no word'}"
                ) from None
            return b""
        except StopAsyncIteration:
            raise SourceUnavailableError(self._reason(pipe)) from None

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the command, within 5 s."""
        run, self._run = self._run, None
        if run is None:
            return
        try:
            async with asyncio.timeout(STOP_S):
                await run.stack.aclose()
        except TimeoutError:
            _log.warning("command stuck", source=self._name)

    async def batches(self) -> AsyncIterator[Batch]:
        """Give what matched; see `opsbot.core.ports.Source`.

        Raises:
            SourceUnavailableError: the command ended, or does not speak as it should.
        """
        run = self._run
        if run is None:
            return
        async for call in self._calls(run):
            for batch in await asyncio.to_thread(call):
                run.count(batch)
                yield batch
            if run.intake.fault:
                raise SourceUnavailableError(run.intake.fault)
        if self._run is run:
            raise SourceUnavailableError(self._reason(run.pipe))

    async def _calls(self, run: _Run) -> AsyncIterator[Callable[[], Sequence[Batch]]]:
        """Give what is to be done with what comes, in order, until nothing comes any more."""
        yield partial(run.intake.feed, run.first)
        while True:
            try:
                async with asyncio.timeout(self._settle_s if run.intake.is_waiting else None):
                    chunk = await anext(aiter(run.pipe))
            except TimeoutError:
                yield run.intake.quiet
            except StopAsyncIteration:
                yield run.intake.end
                return
            else:
                run.read_bytes += len(chunk)
                yield partial(run.intake.feed, chunk)

    def _reason(self, pipe: Pipe) -> str:
        """Say why it ended, as it said itself."""
        program = self._invocation.argv[0]
        ended = f"{program} ended with exit status {pipe.exit_status}"
        words = pipe.last_words[:REASON_CHARS]
        return f"{words} ({ended})" if words else ended

    def figures(self) -> SourceFigures:
        """Say where it stands; see `opsbot.core.ports.Source`."""
        rules = tuple(self._matcher.figures())
        run = self._run
        if run is None:
            return SourceFigures(watch="pipe", rules=rules)
        return SourceFigures(
            files=run.intake.files,
            read_bytes=run.read_bytes,
            records=run.records,
            gaps=run.gaps,
            lost_bytes=run.lost_bytes,
            watch="pipe",
            rules=rules,
        )
