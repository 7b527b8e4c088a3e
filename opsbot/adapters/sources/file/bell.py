"""Wakes the reader's thread while it waits, from any other thread."""

import math
import os
import select
from contextlib import suppress
from typing import Self


class Bell:
    """Rung by whoever has something for a thread that waits; ringing twice is like ringing once."""

    def __init__(self) -> None:
        """Hang up nothing yet; until it is entered, ringing is not heard."""
        self._ear = self._rope = -1
        self._waiting = select.poll()
        self._also_fd = -1

    def __enter__(self) -> Self:
        """Make the pipe.

        Raises:
            OSError: too many files are open.
        """
        # A pipe and not an eventfd: macOS has no eventfd.
        self._ear, self._rope = os.pipe()
        os.set_blocking(self._ear, False)
        os.set_blocking(self._rope, False)
        self._waiting.register(self._ear, select.POLLIN)
        return self

    def __exit__(self, *_: object) -> None:
        """Take it down, when nobody waits any more."""
        ear, rope, self._ear, self._rope = self._ear, self._rope, -1, -1
        if ear >= 0:
            os.close(rope)
            os.close(ear)

    def ring(self) -> None:
        """Wake who waits, or who will wait next; never blocks."""
        with suppress(OSError):  # it is full of rings already, or was taken down
            os.write(self._rope, b"\0")

    def wait(self, timeout_s: float, also_fd: int) -> None:
        """Wait until it rings, the descriptor (-1: none) can be read, or the time is over."""
        if also_fd != self._also_fd:
            if self._also_fd >= 0:
                self._waiting.unregister(self._also_fd)
            if also_fd >= 0:
                self._waiting.register(also_fd, select.POLLIN)
            self._also_fd = also_fd
        for fd, _ in self._waiting.poll(None if math.isinf(timeout_s) else max(0.0, timeout_s) * 1000):
            if fd == self._ear:
                os.read(fd, 4096)
