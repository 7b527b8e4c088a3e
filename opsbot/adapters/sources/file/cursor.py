"""A position in a file that can be recognised."""

import os
from dataclasses import dataclass

from opsbot.adapters.sources.file.encoding import UTF_8, Encoding
from opsbot.core.log import MARKER_BYTES, marker_of


@dataclass(frozen=True, slots=True)
class Cursor:
    """An offset at the start of a line, and the marker of the bytes just before it."""

    offset: int = 0
    marker: bytes = b""

    @property
    def back(self) -> int:
        """How many bytes the marker stands for."""
        return min(self.offset, MARKER_BYTES)

    @property
    def is_proof(self) -> bool:
        """Whether the marker stands for enough bytes to tell logs apart that begin alike."""
        return self.offset >= MARKER_BYTES

    def is_in(self, fd: int) -> bool:
        """Say whether the file holds these bytes at this place; always true at the beginning of a file."""
        return marker_of(os.pread(fd, self.back, self.offset - self.back)) == self.marker

    @classmethod
    def at(cls, fd: int, offset: int) -> "Cursor":
        """Make a cursor for a place in an open file."""
        back = min(offset, MARKER_BYTES)
        return cls(offset, marker_of(os.pread(fd, back, offset - back)))

    @classmethod
    def within(cls, offset: int, raw: bytes | bytearray, place: int) -> "Cursor":
        """Make a cursor for an offset whose place in memory is known; what is before it is there too."""
        return cls(offset, marker_of(raw[max(0, place - MARKER_BYTES) : place]))

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
