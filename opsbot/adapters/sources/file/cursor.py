"""A position in a file that can be recognised."""

import os
from dataclasses import dataclass

from opsbot.adapters.sources.file.encoding import UTF_8, Encoding

MARKER_BYTES = 256


@dataclass(frozen=True, slots=True)
class Cursor:
    """An offset at the start of a line, and the bytes just before it."""

    offset: int = 0
    marker: bytes = b""

    def is_in(self, fd: int) -> bool:
        """Say whether the file holds these bytes at this place; always true at the beginning of a file."""
        return os.pread(fd, len(self.marker), self.offset - len(self.marker)) == self.marker

    @classmethod
    def at(cls, fd: int, offset: int) -> "Cursor":
        """Make a cursor for a place in an open file."""
        back = min(offset, MARKER_BYTES)
        return cls(offset, os.pread(fd, back, offset - back))

    @classmethod
    def at_last_line(cls, fd: int, end: int, max_line_bytes: int, encoding: Encoding = UTF_8) -> "Cursor":
        """Make a cursor behind the last newline before `end`; at `end` itself when the last line is too long to matter."""
        step = 64 * 1024
        low = end = encoding.whole(end)
        while low > 0 and end - low < max_line_bytes:
            high, low = low, max(0, low - step)
            after = encoding.after_last_newline(os.pread(fd, high - low, low), 0, high - low)
            if after >= 0:
                return cls.at(fd, low + after)
        return cls() if low == 0 else cls.at(fd, end)
