"""From the reader's thread to the event loop: bounded, and nobody waits for a lock."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from opsbot.core.log import Batch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class StoppedError(Exception):
    """Nobody wants more batches: the loop is closed."""


class Handover:
    """Carries batches over; when it is full, the thread should read no more until `on_room` was called.

    Made on the event loop. Each side counts for itself, so that the thread never waits in here: while the consumer is slow it
    still has to see files come and go.
    """

    def __init__(self, slots: int, on_room: Callable[[], None] = lambda: None) -> None:
        """Let so many batches wait; `on_room` is called on the loop."""
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[Batch | BaseException | None] = asyncio.Queue()
        self._slots = slots
        self._on_room = on_room
        self._given = 0
        self._taken = 0

    @property
    def is_full(self) -> bool:
        """Whether the consumer has enough for now."""
        return self._given - self._taken >= self._slots

    def put(self, batch: Batch) -> None:
        """Hand a batch over; what one block gave is taken even if that is too much. Called from the thread.

        Raises:
            StoppedError: the loop is closed.
        """
        self._given += 1
        self._call(batch)

    def end(self, reason: BaseException | None) -> None:
        """End the stream, with an error if there is one. Called from the thread.

        Raises:
            StoppedError: the loop is closed.
        """
        self._call(reason)

    def _call(self, item: Batch | BaseException | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._arrived.put_nowait, item)
        except RuntimeError as error:
            raise StoppedError from error

    def abandon(self) -> None:
        """End the stream although the thread has not. Called on the loop."""
        self._arrived.put_nowait(None)

    async def batches(self) -> "AsyncIterator[Batch]":
        """Give what arrives; ends when the other side does, for every later caller too.

        Raises whatever the thread ended with.
        """
        while True:
            item = await self._arrived.get()
            if item is None:
                self._arrived.put_nowait(None)
                return
            if isinstance(item, BaseException):
                self._arrived.put_nowait(None)
                raise item
            try:
                yield item
            finally:
                self._taken += 1
                if self._given - self._taken == self._slots - 1:
                    self._on_room()
