"""A time limit that the injected clock keeps, so that a test need not wait for it."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import Any, Generic, TypeVar

from opsbot.core.ports import Clock

T = TypeVar("T")


class TimeLimitError(Exception):
    """The time was over; what was awaited has been cancelled. Not a TimeoutError: those belong to whoever was awaited."""


class Limit:
    """One limit over several waits, with anything between them: a generator's `yield` may stand between two steps.

    `watch` must run beside the steps, and be cancelled after the last one.
    """

    def __init__(self, clock: Clock, limit_s: float) -> None:
        """Begin nothing; the time runs from the start of `watch`."""
        self._clock = clock
        self._limit_s = limit_s
        self._scope: asyncio.Timeout | None = None
        self._is_over = False

    async def watch(self) -> None:
        """Wait for the end of the time, then end the step that is under way."""
        await self._clock.sleep(self._limit_s)
        self._is_over = True
        if self._scope is not None:
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def step(self, waiting: Awaitable[T]) -> T:
        """Wait for something within what is left of the time.

        Raises:
            TimeLimitError: the time was over.
        """
        try:
            async with asyncio.timeout(0 if self._is_over else None) as self._scope:
                return await waiting
        except TimeoutError:
            if self._is_over:
                raise TimeLimitError from None
            raise
        finally:
            self._scope = None


class _Begun(Generic[T]):
    """Something to wait for, whose first step has been taken: to its end, or to where it waits itself."""

    def __init__(self, waiting: Awaitable[T]) -> None:
        """Take the first step, in the current task."""
        self._steps = waiting.__await__()
        self.outcome: list[T] = []
        self._waits_for: object = None
        self._take(partial(next, self._steps))

    @property
    def is_done(self) -> bool:
        """Whether it came to its end."""
        return bool(self.outcome)

    def __await__(self) -> Generator[Any, Any, T]:
        """Go on."""
        while not self.is_done:
            try:
                yield self._waits_for
            except BaseException as exc:  # noqa: BLE001 - whoever is waited for decides about it
                self._take(partial(self._steps.throw, exc))
            else:
                self._take(partial(next, self._steps))
        return self.outcome[0]

    def _take(self, step: Callable[[], object]) -> None:
        try:
            self._waits_for = step()
        except StopIteration as end:
            self.outcome.append(end.value)


async def within(clock: Clock, limit_s: float, waiting: Awaitable[T]) -> T:
    """Wait for something, at most so long.

    Raises:
        TimeLimitError: the time was over.
    """
    begun = _Begun(waiting)
    if begun.is_done:  # most hooks never wait, and need no task that watches them
        return begun.outcome[0]
    limit = Limit(clock, limit_s)
    outcome: list[T] = []
    failure: Exception | None = None
    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(limit.watch(), name="limit:wait")
        try:
            outcome.append(await limit.step(begun))
        except Exception as exc:  # noqa: BLE001 - raised below: a task group would wrap it
            failure = exc
        watcher.cancel()
    if failure is not None:
        raise failure
    return outcome[0]
