"""The hub's end of one daemon's connection."""

import asyncio
import contextlib
import json
from collections.abc import Callable

import aiohttp
from aiohttp import web

from opsbot.adapters.channels.simulated.wire import Frame
from opsbot.core.errors import ChannelUnavailableError, MessageRejectedError

WAITING_FRAMES = 500
KICKED = 4001


class Gateway:
    """Writes frames to one daemon in order, and answers its requests.

    `answer` carries out a request: it gives the fields of the answer, or raises a ChannelError. `abort` cuts the
    connection without a word.
    """

    def __init__(self, socket: web.WebSocketResponse, answer: Callable[[Frame], Frame], abort: Callable[[], None]) -> None:
        self._socket = socket
        self._answer = answer
        self._abort = abort
        self._frames: asyncio.Queue[Frame | None] = asyncio.Queue(WAITING_FRAMES)
        self._last_word = (1000, "")

    def push(self, frame: Frame) -> None:
        """Queue a frame; a daemon that does not take its frames is cut off, since memory is bounded."""
        self._put(frame)

    def end(self, code: int, reason: str) -> None:
        """End the connection, once what is queued has left."""
        self._last_word = (code, reason)
        self._put(None)

    async def serve(self) -> None:
        """Carry frames both ways until the connection ends."""
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write(), name="write:gateway")
            async for received in self._socket:
                if received.type is aiohttp.WSMsgType.TEXT:
                    self.push(self._obey(received.data))
            writer.cancel()

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while (frame := await self._frames.get()) is not None:
                await self._socket.send_json(frame)
            code, reason = self._last_word
            await self._socket.close(code=code, message=reason.encode())

    def _put(self, frame: Frame | None) -> None:
        try:
            self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            self._abort()

    def _obey(self, text: str) -> Frame:
        number: object = None
        try:
            request: Frame = json.loads(text)
            number = request["id"]
            return {"re": number, **self._answer(request)}
        except MessageRejectedError as error:
            return {"re": number, "error": "rejected", "reason": str(error)}
        except ChannelUnavailableError as error:
            return {"re": number, "error": "unavailable", "reason": str(error)}
        except (KeyError, TypeError, ValueError):
            return {"re": number, "error": "rejected", "reason": "the hub does not understand this request"}
