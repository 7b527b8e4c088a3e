"""A program that is listened to: what it prints is data, what it complains about is kept apart, its stdin stays open."""

import asyncio
import math
import os
from collections.abc import AsyncIterator, Iterable

from opsbot.adapters.process.running import RunningProcess
from opsbot.adapters.process.stream import LineStream

QUEUED_CHUNKS = 64
WORDS_BYTES = 8 * 1024
"""So much of the end of stderr is kept; a flood of complaints must not fill the memory."""

REST_S = 0.05
"""So long a stderr that had WORDS_BYTES to say is left alone: nobody reads them all, and the loop has other work."""


class Chunks:
    """Takes bytes as they come and gives them as they are."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Give the chunk; an empty one is the end."""
        return [chunk] if chunk else []

    def end(self) -> list[bytes]:
        """Give nothing: nothing is kept back."""
        return []


class LastWords:
    """Reads stderr and keeps its end."""

    def __init__(self, read_fd: int) -> None:
        """Own `read_fd` (non-blocking) from now on."""
        self._fd = read_fd
        self._kept = b""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._listen()

    def _listen(self) -> None:
        self._timer = None
        self._loop.add_reader(self._fd, self._read)

    def _read(self) -> None:
        try:
            chunk = os.read(self._fd, WORDS_BYTES)
        except BlockingIOError:
            return
        if not chunk:
            self.close()
            return
        self._kept = (self._kept + chunk)[-WORDS_BYTES:]
        if len(chunk) == WORDS_BYTES and self._timer is None:
            self._loop.remove_reader(self._fd)
            self._timer = self._loop.call_later(REST_S, self._listen)

    def close(self) -> None:
        """Read no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def last(self) -> str:
        """Give the last line that is not empty, of what was said until now."""
        if self._fd >= 0:
            self._read()
        stream = LineStream()
        lines = [line.strip() for line in (*stream.feed(self._kept), *stream.end())]
        return next((line for line in reversed(lines) if line), "")


class Inlet:
    """Writes to stdin as fast as the program takes it, and holds it open then."""

    def __init__(self, write_fd: int, said: bytes) -> None:
        """Own `write_fd` (non-blocking) from now on."""
        self._fd = write_fd
        self._left = memoryview(said)
        self._loop = asyncio.get_running_loop()
        if said:
            self._loop.add_writer(write_fd, self._write)

    def _write(self) -> None:
        try:
            self._left = self._left[os.write(self._fd, self._left) :]
        except BlockingIOError:
            return
        except OSError:  # nobody reads it any more: how the program ended says why
            self.close()
            return
        if not self._left:
            self._loop.remove_writer(self._fd)

    def close(self) -> None:
        """Let the program see the end of its stdin."""
        if self._fd >= 0:
            self._loop.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = -1


class RunningPipe:
    """See `Pipe`."""

    def __init__(self, process: RunningProcess[bytes], words: LastWords, inlet: Inlet) -> None:
        """Join the three pipes of one program."""
        self.process = process
        self._words = words
        self._inlet = inlet

    @property
    def exit_status(self) -> int:
        """See `Pipe.exit_status`."""
        return self.process.exit_status

    @property
    def last_words(self) -> str:
        """See `Pipe.last_words`."""
        return self._words.last()

    def __aiter__(self) -> AsyncIterator[bytes]:
        """See `Pipe`."""
        return self.process

    async def aclose(self) -> None:
        """End the program, first by the end of its stdin."""
        self._inlet.close()
        try:
            await self.process.aclose()
        finally:
            self._words.close()


def open_pipe(tag: str, said: bytes) -> tuple[RunningPipe, tuple[int, int, int]]:
    """Make what a program is listened to with, and the stdin, stdout and stderr to give to it and to close then.

    Raises:
        OSError: there are no file descriptors left.
    """
    fds: list[int] = []
    try:
        for _ in range(3):
            fds += os.pipe()
    except OSError:
        close_all(fds)
        raise
    in_read, in_write, out_read, out_write, err_read, err_write = fds
    for fd in (in_write, out_read, err_read):
        os.set_blocking(fd, False)
    process = RunningProcess(out_read, math.inf, tag, Chunks(), QUEUED_CHUNKS)
    return RunningPipe(process, LastWords(err_read), Inlet(in_write, said)), (in_read, out_write, err_write)


def close_all(fds: Iterable[int]) -> None:
    """Close file descriptors."""
    for fd in fds:
        os.close(fd)
