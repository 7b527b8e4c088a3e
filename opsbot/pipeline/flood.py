"""Keeps floods away from people: what is over the limit is counted, and the number is told."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from opsbot.core.change import Change
from opsbot.core.dispatch import merge
from opsbot.core.errors import StateError
from opsbot.core.flood import CALM_S, Flood
from opsbot.core.ports import Clock
from opsbot.pipeline.hooks import Hooks

Words = Callable[[int, int, int], Change]
"""Gives the change that tells of so many, in so many seconds, with so many bytes."""


class Gate:
    """Lets one kind of thing through as long as it does not flood."""

    def __init__(self, flood: Flood, words: Words, opened: Callable[["Gate"], None]) -> None:
        """`opened` is called when there is something to tell that was not there before."""
        self._words = words
        self._opened = opened
        self.flood = flood

    def passes(self, now_s: float, lost_bytes: int = 0) -> bool:
        """Decide about one more."""
        flood = self.flood
        if flood.lets_through(now_s):
            return True
        flood.lost_bytes += lost_bytes
        if flood.untold == 1:
            self._opened(self)
        return False

    def counted(self, now_s: float) -> tuple[int, int, Change]:
        """Give what is untold: how many, how many bytes, and the change that tells it."""
        count, lost_bytes = self.flood.untold, self.flood.lost_bytes
        return count, lost_bytes, self._words(count, self.flood.seconds(now_s), lost_bytes)


class Floods:
    """The gates of one source, and the numbers that are to be told.

    A number is in memory until it is told: an orderly end tells it, a kill loses that of the last minute.
    """

    def __init__(self, hooks: Hooks, clock: Clock) -> None:
        """Begin without gates."""
        self._hooks = hooks
        self._clock = clock
        self._open: dict[Gate, None] = {}
        self._changed = asyncio.Event()

    def gate(self, flood: Flood, words: Words) -> Gate:
        """Make a gate."""
        return Gate(flood, words, self._note)

    def _note(self, gate: Gate) -> None:
        self._open[gate] = None
        self._changed.set()

    async def say(self) -> None:
        """Tell each number when it is due, whether anything else happens or not. Runs until cancelled."""
        while True:
            self._changed.clear()
            now_s = self._clock.monotonic_s()
            await self._tell([gate for gate in self._open if gate.flood.due_at_s <= now_s], now_s)
            if self._open:
                # What is opened meanwhile may be due sooner than what is waited for, but not sooner than this.
                await self._clock.sleep(min(CALM_S, *(gate.flood.due_at_s - now_s for gate in self._open)))
            else:
                await self._changed.wait()

    async def say_all(self) -> None:
        """Tell all numbers now: nobody will wait for their time. Where the state cannot be written they stay for later."""
        with suppress(StateError):
            await self._tell(list(self._open), self._clock.monotonic_s())

    async def _tell(self, gates: list[Gate], now_s: float) -> None:
        counted = {gate: gate.counted(now_s) for gate in gates}
        await self._hooks.commit(merge(*(change for _, _, change in counted.values())))
        for gate, (count, lost_bytes, _) in counted.items():
            gate.flood.tell(count, lost_bytes, now_s)
            if not gate.flood.untold:
                self._open.pop(gate, None)
