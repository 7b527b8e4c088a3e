"""A program while it runs: its lines, its end, and how it is ended."""

import asyncio
import math
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, Protocol, Self, TypeVar, cast

import structlog

from opsbot.adapters.process.survivor import are_gone, group_lives, kill_tagged

log = structlog.get_logger(__name__)

TERM_GRACE_S = 2.0
KILL_GRACE_S = 1.0
LINGER_S = 0.2
"""How long lines are awaited after the end of the program while something it left behind holds the pipe."""

CHUNK_BYTES = 16 * 1024
DRAIN_BYTES = 1024 * 1024  # the largest pipe an ordinary user can have (pipe(7), pipe-max-size)
QUEUE_LINES = 1000
POLL_FIRST_S = 0.002
POLL_MAX_S = 0.1
SWEEPS = 5

Piece = TypeVar("Piece")


class Stream(Protocol[Piece]):
    """Makes pieces (lines, say) of bytes that come as they like."""

    def feed(self, chunk: bytes) -> list[Piece]:
        """Give the pieces that this chunk ends."""
        ...

    def end(self) -> list[Piece]:
        """Give what is left."""
        ...


class RunningProcess(asyncio.SubprocessProtocol, Generic[Piece]):
    """Reads a pipe of our own, not asyncio's: asyncio's end of process waits for whoever else holds the pipe.

    The reader stops while `queued` pieces wait, so that a flood stops at the program and not in our memory.
    """

    def __init__(self, read_fd: int, timeout_s: float, tag: str, stream: Stream[Piece], queued: int = QUEUE_LINES) -> None:
        """Own `read_fd` (non-blocking) from now on; `tag` is in the program's environment and in no other's."""
        self.timed_out = False
        self._fd = read_fd
        self._timeout_s = timeout_s
        self._tag = tag
        self._loop = asyncio.get_running_loop()
        self._stream = stream
        self._queued = queued
        self._pieces: deque[Piece] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self._is_left = False
        self._is_reading = False
        self._transport: asyncio.SubprocessTransport | None = None
        self._pid = 0
        self._exit_status: int | None = None
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def exit_status(self) -> int:
        """See `Process.exit_status`."""
        if self._exit_status is None:
            raise RuntimeError("the lines have not ended yet")
        return self._exit_status

    def __aiter__(self) -> Self:
        """See `Process`."""
        return self

    async def __anext__(self) -> Piece:
        """Wait for the next piece."""
        while not self._pieces:
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        piece = self._pieces.popleft()
        if len(self._pieces) <= self._queued // 2:
            self._read_on()
        return piece

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note that the program runs."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._pid = self._transport.get_pid()
        if self._timeout_s < math.inf:
            self._timers.append(self._loop.call_later(self._timeout_s, self._time_is_over))
        self._read_on()

    def process_exited(self) -> None:
        """Take what is in the pipe, and a little later what comes still from whoever else holds it."""
        assert self._transport is not None  # noqa: S101 asyncio says so
        self._exit_status = self._transport.get_returncode()
        self._forget_timers()
        drained = 0
        while not self._ended and drained < DRAIN_BYTES and (n_bytes := self._read()):
            drained += n_bytes
        if not self._is_left:
            self._timers.append(self._loop.call_later(LINGER_S, self.end))

    # Reading

    def _read_on(self) -> None:
        if not self._is_reading and not self._ended and self._fd >= 0:
            self._loop.add_reader(self._fd, self._read)
            self._is_reading = True

    def _pause(self) -> None:
        if self._is_reading:
            self._loop.remove_reader(self._fd)
            self._is_reading = False

    def _read(self) -> int:
        try:
            chunk = os.read(self._fd, CHUNK_BYTES) if self._fd >= 0 else b""
        except BlockingIOError:
            return 0
        if not self._is_left:
            self._pieces += self._stream.feed(chunk)
        if not chunk:
            self._close_pipe()
            if self._exit_status is not None:
                self.end()
        elif len(self._pieces) >= self._queued:
            self._pause()
        self._news.set()
        return len(chunk)

    def _close_pipe(self) -> None:
        self._pause()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def end(self) -> None:
        """End the lines."""
        if self._ended:
            return
        self._close_pipe()
        if not self._is_left:
            self._pieces += self._stream.end()
        self._ended = True
        self._forget_timers()
        self._news.set()

    # Ending

    async def aclose(self) -> None:
        """End the program's group if any of it still runs, and what left the group if the program did not end by itself.

        What a program started in a session of its own and left running when it ended in peace is a service, and stays.
        """
        is_cut_short = self._exit_status is None or self.timed_out
        self._forget_timers()
        self._discard()
        try:
            if self._transport is not None:
                await self._end_group()
                if is_cut_short:
                    await self._sweep()
        except asyncio.CancelledError:  # whoever waits for us is in a hurry
            self._signal(signal.SIGKILL)
            raise
        finally:
            self.end()
            if self._transport is not None:
                self._transport.close()

    def _discard(self) -> None:
        """Read on for nobody: a program that says something while it cleans up must not die of a closed pipe."""
        self._is_left = True
        self._pieces.clear()
        if self._transport is not None:
            self._read_on()

    async def _end_group(self) -> None:
        for number, grace_s in ((signal.SIGTERM, TERM_GRACE_S), (signal.SIGKILL, KILL_GRACE_S)):
            if not self._signal(number) or await self._is_so_within(grace_s, self._is_group_gone):
                return
        log.warning("process group left behind", group=self._pid)

    async def _sweep(self) -> None:
        for _ in range(SWEEPS):  # what was forked while we looked is found by the next one
            pids = await asyncio.to_thread(kill_tagged, self._tag)
            if not pids:
                return
            await self._is_so_within(KILL_GRACE_S, partial(asyncio.to_thread, are_gone, pids))

    async def _is_so_within(self, limit_s: float, is_so: Callable[[], Awaitable[bool]]) -> bool:
        deadline_s = self._loop.time() + limit_s
        delay_s = POLL_FIRST_S
        while not await is_so():
            if self._loop.time() >= deadline_s:
                return False
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, POLL_MAX_S)
        return True

    async def _is_group_gone(self) -> bool:
        if self._exit_status is None:
            return False
        return not self._signal(0) or not await asyncio.to_thread(group_lives, self._pid)

    def _signal(self, number: int) -> bool:
        """Signal the group; False when there is none any more."""
        if self._exit_status is not None and self._is_recycled():
            return False
        try:
            os.killpg(self._pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:  # it became another user (sudo)
            return True
        return True

    def _is_recycled(self) -> bool:
        """Tell whether our number, free since the program was reaped, is a stranger's: while our group lives, it cannot be."""
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def _time_is_over(self) -> None:
        self.timed_out = True
        self._signal(signal.SIGTERM)
        self._timers.append(self._loop.call_later(TERM_GRACE_S, self._signal, signal.SIGKILL))

    def _forget_timers(self) -> None:
        while self._timers:
            self._timers.pop().cancel()
