"""A runner that runs nothing: a test says which programs may be run and what they do."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from opsbot.core.errors import CommandError
from opsbot.core.ports import Clock
from opsbot.pipeline.limit import TimeLimitError, within

TERMINATED = -15


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One program as it was asked for."""

    argv: tuple[str, ...]
    cwd: str | None
    env: Mapping[str, str]
    run_as: str
    timeout_s: float
    job_id: str


class UnexpectedRunError(AssertionError):
    """An operation ran a program that the test said nothing about."""


class Script:
    """What one program does when it is run; the calls are its steps, in order."""

    def __init__(self) -> None:
        """Print nothing and exit with 0."""
        self.steps: list[str | float | asyncio.Event] = []
        self.exit_status = 0
        self.refusal = ""
        self.complaint = ""

    def prints(self, *lines: str) -> Self:
        """Print lines."""
        self.steps += lines
        return self

    def takes(self, seconds: float) -> Self:
        """Let time pass, by the test's clock."""
        self.steps.append(float(seconds))
        return self

    def hangs(self) -> Self:
        """Wait here until `release`, the end of the time, or the end of whoever runs it."""
        self.steps.append(asyncio.Event())
        return self

    def release(self) -> None:
        """Let a program that hangs go on."""
        for step in self.steps:
            if isinstance(step, asyncio.Event):
                step.set()

    def exits(self, status: int) -> Self:
        """Exit with a status."""
        self.exit_status = status
        return self

    def complains(self, complaint: str) -> Self:
        """Say something last on stderr, which only a pipe tells from what was printed."""
        self.complaint = complaint
        return self

    def fails_to_start(self, refusal: str) -> Self:
        """Be missing, or not allowed: the text is what a person reads."""
        self.refusal = refusal
        return self


@dataclass(slots=True)
class FakeProcess:
    """A program that a FakeRunner runs."""

    script: Script
    clock: Clock
    ends_at_s: float
    hanging: list[Script]
    timed_out: bool = False
    _exit_status: int | None = field(default=None)

    @property
    def exit_status(self) -> int:
        """See `Process.exit_status`."""
        if self._exit_status is None:
            raise RuntimeError("the lines have not ended yet")
        return self._exit_status

    async def __aiter__(self) -> AsyncIterator[str]:
        """See `Process`."""
        for step in self.script.steps:
            if isinstance(step, str):
                await asyncio.sleep(0)
                yield step
            elif not await self._is_in_time(step):
                self.timed_out, self._exit_status = True, TERMINATED
                return
        self._exit_status = self.script.exit_status

    async def _is_in_time(self, step: float | asyncio.Event) -> bool:
        waiting = step.wait() if isinstance(step, asyncio.Event) else self.clock.sleep(step)
        is_hanging = isinstance(step, asyncio.Event)
        if is_hanging:
            self.hanging.append(self.script)
        try:
            await within(self.clock, self.ends_at_s - self.clock.monotonic_s(), waiting)
        except TimeLimitError:
            return False
        finally:
            if is_hanging:
                self.hanging.remove(self.script)
        return True


class FakePipe:
    """A program that a FakeRunner runs and somebody listens to; what a step of its script prints is a line."""

    def __init__(self, script: Script, clock: Clock, hanging: list[Script]) -> None:
        """Begin with the first step."""
        self._script = script
        self._clock = clock
        self._hanging = hanging
        self._steps = deque(script.steps)

    @property
    def exit_status(self) -> int:
        """See `Pipe.exit_status`."""
        if self._steps:
            raise RuntimeError("the output has not ended yet")
        return self._script.exit_status

    @property
    def last_words(self) -> str:
        """See `Pipe.last_words`."""
        return "" if self._steps else self._script.complaint

    def __aiter__(self) -> Self:
        """See `Pipe`."""
        return self

    async def __anext__(self) -> bytes:
        """Go on to the next line; a step that was given up is begun again."""
        while self._steps:
            step = self._steps[0]
            if isinstance(step, asyncio.Event):
                await self._hang(step)
            else:
                await self._clock.sleep(0 if isinstance(step, str) else step)
            self._steps.popleft()
            if isinstance(step, str):
                return f"{step}\n".encode()
        raise StopAsyncIteration

    async def _hang(self, step: asyncio.Event) -> None:
        self._hanging.append(self._script)
        try:
            await step.wait()
        finally:
            self._hanging.remove(self._script)


class FakeRunner:
    """Runs what a test foresaw, and refuses everything else.

    `ran` is everything that was asked for, `unexpected` what the test said nothing about, `said` what was written to pipes.
    """

    def __init__(self, clock: Clock) -> None:
        """Let programs take their time by `clock`."""
        self._clock = clock
        self._scripts: dict[tuple[str, ...], list[Script]] = {}
        self._hanging: list[Script] = []
        self.ran: list[Run] = []
        self.said: list[bytes] = []
        self.unexpected: list[tuple[str, ...]] = []

    def runs(self, *argv: str) -> Script:
        """Foresee a program with exactly these arguments; said again, it is what the next run of it does.

        The last script serves all further runs.
        """
        script = Script()
        self._scripts.setdefault(argv, []).append(script)
        return script

    def _foreseen(self, run: Run) -> Script:
        """Note the run and give what it does.

        Raises:
            CommandError: it shall not start.
            UnexpectedRunError: the test said nothing about it.
        """
        self.ran.append(run)
        scripts = self._scripts.get(run.argv)
        if not scripts:
            self.unexpected.append(run.argv)
            raise UnexpectedRunError(f"ran {run.argv!r}, which the test did not foresee; foreseen: {sorted(self._scripts)!r}")
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        if script.refusal:
            raise CommandError(script.refusal)
        return script

    @asynccontextmanager
    async def pipe(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, said: bytes = b""
    ) -> AsyncIterator[FakePipe]:
        """See `Runner.pipe`; what was `said` is only noted.

        Raises:
            UnexpectedRunError: the test said nothing about it.
        """
        self.said.append(said)
        script = self._foreseen(Run(argv=tuple(argv), cwd=None, env=dict(env or {}), run_as="", timeout_s=math.inf, job_id=""))
        yield FakePipe(script, self._clock, self._hanging)

    @property
    def is_hanging(self) -> bool:
        """Whether a program hangs and only the test can release it."""
        return bool(self._hanging)

    @asynccontextmanager
    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        run_as: str = "",
        timeout_s: float,
        job_id: str = "",
    ) -> AsyncIterator[FakeProcess]:
        """See `Runner.run`.

        Raises:
            UnexpectedRunError: the test said nothing about it.
        """
        script = self._foreseen(
            Run(argv=tuple(argv), cwd=cwd, env=dict(env or {}), run_as=run_as, timeout_s=timeout_s, job_id=job_id)
        )
        yield FakeProcess(script, self._clock, self._clock.monotonic_s() + timeout_s, self._hanging)
