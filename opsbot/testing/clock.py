"""A clock that stands still until a test moves it."""

import asyncio
import heapq
import itertools
import math
from datetime import UTC, datetime, timedelta

from opsbot.testing.quiet import settled

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class FakeClock:
    """Time that passes only when `advance` or `jump` says so.

    It counts whole microseconds, so that a sleep never ends a rounding error too early.
    """

    def __init__(self, now: datetime = NOON) -> None:
        """Stand at `now` (aware UTC)."""
        self._started_at = now
        self._elapsed_us = 0
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """Give the wall clock."""
        return self._started_at + timedelta(microseconds=self._elapsed_us)

    def monotonic_s(self) -> float:
        """Give the seconds since the clock was made."""
        return self._elapsed_us / 1e6

    async def sleep(self, delay_s: float) -> None:
        """Wait until the clock has been moved so far."""
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed_us + math.ceil(delay_s * 1e6), next(self._order), future))
        await future

    async def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0) -> None:
        """Move on: those whose sleep is over wake one after the other, at their time, and everything runs in between."""
        until_us = self._elapsed_us + round((seconds + 60 * minutes + 3600 * hours) * 1e6)
        await settled()
        while (due_us := self._next_us()) is not None and due_us <= until_us:
            await self._wake(due_us)
        self._elapsed_us = until_us
        await settled()

    async def jump(self) -> bool:
        """Move to the next moment at which somebody wakes; False when nobody sleeps."""
        await settled()
        due_us = self._next_us()
        if due_us is None:
            return False
        await self._wake(due_us)
        return True

    def set_back(self, seconds: float) -> None:
        """Change the wall clock alone, as an operator or NTP does; negative moves it forward."""
        self._started_at -= timedelta(seconds=seconds)

    async def _wake(self, due_us: int) -> None:
        self._elapsed_us = due_us
        _, _, future = heapq.heappop(self._sleepers)
        future.set_result(None)
        await settled()

    def _next_us(self) -> int | None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)  # whoever slept was cancelled
        return self._sleepers[0][0] if self._sleepers else None
