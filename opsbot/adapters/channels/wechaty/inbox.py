"""What has arrived and waits for its one consumer, in order."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
WAITING_ITEMS = 1000


class Inbox(Generic[Item]):
    """Tasks in the order in which their causes arrived; the stream gives their results in that order.

    Several may be at work at once, which matters with a gateway far away. A result of None is left out. Bounded.
    """

    def __init__(self, limit: int = WAITING_ITEMS) -> None:
        self._limit = limit
        self._waiting: deque[asyncio.Task[Item | None]] = deque()
        self._change = asyncio.Event()
        self._failure: Exception | None = None
        self.has_ended = False

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be added now."""
        return len(self._waiting) >= self._limit

    def put(self, task: asyncio.Task[Item | None]) -> None:
        """Add what will be known when the task is done."""
        self._waiting.append(task)
        self._change.set()

    def end(self, failure: Exception | None = None) -> None:
        """End the stream behind what has arrived; with a failure, by raising it. Only the first call counts."""
        if not self.has_ended:
            self.has_ended = True
            self._failure = failure
            self._change.set()

    async def items(self) -> AsyncIterator[Item]:
        """Stream the results; a consumer that is cancelled while it waits loses none."""
        while True:
            while self._waiting:
                task = self._waiting[0]
                await asyncio.wait({task})  # neither raises nor cancels the task with its consumer
                self._waiting.popleft()
                item = None if task.cancelled() else task.result()
                if item is not None:
                    yield item
            if self.has_ended:
                break
            self._change.clear()
            await self._change.wait()
        if self._failure is not None:
            raise self._failure
