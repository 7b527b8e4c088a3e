"""What one read of a file gives."""

from dataclasses import dataclass

from opsbot.adapters.sources.file.cursor import MARKER_BYTES, Cursor
from opsbot.adapters.sources.file.encoding import Encoding


class Buffer:
    """The memory that reads go into, shared by all files of one reader; its content lives until the next read."""

    def __init__(self) -> None:
        """Start empty."""
        self.raw = bytearray()

    def room(self, size: int) -> memoryview:
        """Give `size` bytes to read into."""
        if len(self.raw) < size:
            self.raw = bytearray(size)
        return memoryview(self.raw)[:size]


@dataclass(slots=True)
class Window:
    """What one read gave: `raw[start:stop]`, from `fresh` on not seen before; `is_full` when there may be more behind it."""

    raw: bytearray
    start: int
    fresh: int
    stop: int
    is_full: bool

    def tail(self, stop: int) -> bytes:
        """Give the marker of the place `stop`."""
        return bytes(self.raw[max(0, stop - MARKER_BYTES) : stop])


@dataclass(slots=True)
class Block:
    """Whole lines of a file, valid until the next read, as a matcher takes them.

    They begin at `offset` in the file, which is `origin` in `raw`; `end` is the cursor behind them. `is_end` says that the last
    of them will not go on. Of a line that is too long only the head is there.
    """

    data: memoryview | bytes
    offset: int
    end: Cursor
    raw: bytes | bytearray
    origin: int
    encoding: Encoding
    is_end: bool = False

    def cursor_after(self, position: int) -> Cursor:
        """Give the cursor behind the line that contains `position` (an offset in `data`)."""
        after = self.encoding.after_newline(self.raw, self.origin + position, self.origin + len(self.data))
        return self.end if after < 0 else self.cursor_at(after - self.origin)

    def cursor_at(self, position: int) -> Cursor:
        """Give the cursor for a position in `data` at which a line begins, or which is its end."""
        if position >= len(self.data):
            return self.end
        place = self.origin + position
        return Cursor(self.offset + position, bytes(self.raw[max(0, place - MARKER_BYTES) : place]))

    def since(self, cursor: Cursor) -> bytes:
        """Give what stands in the file from there to the end of the block."""
        return bytes(self.raw[self.origin + cursor.offset - self.offset : self.origin + len(self.data)])
