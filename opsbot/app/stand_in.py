"""What stands in for the world while a log is replayed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from opsbot.core.errors import CommandError
from opsbot.core.ports import Pipe, Process


class SimulatedClock:
    """Time that passes from record to record; who sleeps makes it pass."""

    def __init__(self, at: datetime) -> None:
        """Stand at `at` (aware UTC)."""
        self.at = at

    def now(self) -> datetime:
        """Give the simulated time."""
        return self.at

    def monotonic_s(self) -> float:
        """Give it as seconds."""
        return self.at.timestamp()

    async def sleep(self, delay_s: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=max(0.0, delay_s))
        await asyncio.sleep(0)


class PatientClock:
    """The same time for who waits beside somebody, in real time: a hook that hangs is ended."""

    def __init__(self, simulated: SimulatedClock) -> None:
        """Show the time of another clock."""
        self.now = simulated.now
        self.monotonic_s = simulated.monotonic_s

    async def sleep(self, delay_s: float) -> None:
        """Wait in real time."""
        await asyncio.sleep(delay_s)


class NoRunner:
    """Runs nothing: every program is shown, and cannot be started."""

    def __init__(self, shown: Callable[[str], None]) -> None:
        """Show programs."""
        self._shown = shown

    @asynccontextmanager
    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,  # noqa: ARG002 - the port's shape, here and below
        env: Mapping[str, str] | None = None,  # noqa: ARG002
        run_as: str = "",  # noqa: ARG002
        timeout_s: float,  # noqa: ARG002
        job_id: str = "",  # noqa: ARG002
    ) -> AsyncIterator[Process]:
        """Refuse, as `Runner.run` does where a program is not there."""
        raise self._refusal(argv)
        yield  # what makes it a generator

    @asynccontextmanager
    async def pipe(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,  # noqa: ARG002
        said: bytes = b"",  # noqa: ARG002
    ) -> AsyncIterator[Pipe]:
        """Refuse, as `run` does."""
        raise self._refusal(argv)
        yield

    def _refusal(self, argv: Sequence[str]) -> CommandError:
        self._shown(f"would run: {' '.join(argv)}")
        return CommandError(f"{argv[0]} is not run: this is a replay")


class NoPicture:
    """Draws nothing: that there would be a picture is enough."""

    def png(self, payload: str) -> bytes:  # noqa: ARG002 - the port's shape
        """See `QrRenderer.png`."""
        return b""
