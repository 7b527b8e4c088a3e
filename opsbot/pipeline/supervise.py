"""Keeps parts running.

What is expected to fail comes back after growing pauses; what is not expected is a bug and ends the daemon.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from opsbot.core.context import PartState
from opsbot.core.delivery import retry_after
from opsbot.core.errors import ChannelUnavailableError, OpsbotError, SourceUnavailableError
from opsbot.core.ports import Clock
from opsbot.pipeline.parts import Parts

EXPECTED = (ChannelUnavailableError, SourceUnavailableError)


@dataclass(slots=True)
class Attempt:
    """Handed to the part: it reports the first sign of life, which resets the pauses."""

    failures: int = 0

    def lives(self) -> None:
        """Note that the connection does what it is for."""
        self.failures = 0


async def supervise(
    kind: str,
    name: str,
    serve: Callable[[Attempt], Awaitable[None]],
    *,
    clock: Clock,
    parts: Parts,
    jitter: Callable[[], float] = random.random,
) -> None:
    """Run `serve` again and again; it raises when the part is lost.

    Pauses grow from 0.5 to 30 s while nothing lives in between. Runs until cancelled, or until `serve` raises a bug.
    """
    attempt = Attempt()
    reason = ""
    try:
        while True:
            parts.set(kind, name, PartState.STARTING, reason)
            try:
                await serve(attempt)
                reason, asked_s = "ended", None
            except* EXPECTED as group:
                first = first_of(group)
                reason, asked_s = str(first), getattr(first, "retry_after_s", None)
            attempt.failures += 1
            parts.set(kind, name, PartState.BACKOFF, reason)
            await clock.sleep(retry_after(attempt.failures, jitter(), asked_s).total_seconds())
    except asyncio.CancelledError:
        parts.set(kind, name, PartState.STOPPED)
        raise
    except BaseException as exc:
        first = first_of(exc)
        reason = str(first) if isinstance(first, OpsbotError) else f"{type(first).__name__}: a bug"
        parts.set(kind, name, PartState.FATAL, f"{reason}; the daemon ends")
        raise


def first_of(exc: BaseException) -> BaseException:
    """Give one of the errors in a group of groups, or the error itself: people mend one thing at a time."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc
