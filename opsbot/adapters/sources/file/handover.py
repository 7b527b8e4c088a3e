"""From the reader's thread to the event loop: bounded, and without a lock that the loop could wait for."""

import asyncio
import queue
from typing import TYPE_CHECKING

from opsbot.core.log import Batch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class StoppedError(Exception):
    """Nobody wants more batches."""


class Handover:
    """Carries batches over; when the consumer is slow, the thread waits.

    Made on the event loop. Whoever puts needs a token; the consumer gives it back when it asks for the next batch.
    """

    def __init__(self, slots: int) -> None:
        """Let so many batches wait."""
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[Batch | BaseException | None] = asyncio.Queue()
        self._tokens: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._is_stopped = False
        for _ in range(slots):
            self._tokens.put(True)

    def put(self, batch: Batch) -> None:
        """Hand a batch over; waits for a free place. Called from the thread.

        Raises:
            StoppedError: it was stopped while waiting.
        """
        if not self._is_stopped:
            self._tokens.get()
        if self._is_stopped:
            raise StoppedError
        self._call(batch)

    def put_last(self, batch: Batch) -> None:
        """Hand over what is left, although there may be no free place. Called from the thread."""
        self._call(batch)

    def end(self, reason: BaseException | None) -> None:
        """End the stream, with an error if there is one. Called from the thread."""
        self._call(reason)

    def _call(self, item: Batch | BaseException | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._arrived.put_nowait, item)
        except RuntimeError as error:  # the loop is closed
            raise StoppedError from error

    def stop(self) -> None:
        """Let a waiting `put` give up. Called on the loop."""
        self._is_stopped = True
        self._tokens.put(False)

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
                self._tokens.put(True)
