"""What one read of a file gives."""

from dataclasses import dataclass

from opsbot.adapters.sources.file.cursor import Cursor
from opsbot.adapters.sources.file.encoding import Encoding


class Buffer:
    """The memory that reads go into, shared by all files of one reader; its content lives until the next read."""

    def __init__(self) -> None:
        """Start empty."""
        self.raw = bytearray()
        self._room = memoryview(b"")

    def room(self, size: int) -> memoryview:
        """Give `size` bytes to read into."""
        if len(self._room) != size:
            if len(self.raw) < size:
                self.raw = bytearray(size)
            self._room = memoryview(self.raw)[:size]
        return self._room


@dataclass(slots=True)
class Window:
    """What one read gave: `raw[start:stop]`, from `fresh` on not seen before; `is_full` when there may be more behind it."""

    raw: bytearray
    start: int
    fresh: int
    stop: int
    is_full: bool

    def cursor(self, offset: int, place: int) -> Cursor:
        """Make the cursor for an offset, which is `place` in `raw`."""
        return Cursor.within(offset, self.raw, place)


@dataclass(slots=True)
class Block:
    """Whole lines of a file, valid until the next read, as a matcher takes them.

    They begin at `offset` in the file, which is `origin` in `raw`; `end` is the cursor behind them. `is_end` says that the last
    of them will not go on. Of a line that is too long only the head is there. `rest` is the beginning of the unfinished line
    behind the block when the file ends there, None when there may be more.
    """

    data: memoryview | bytes
    offset: int
    end: Cursor
    raw: bytes | bytearray
    origin: int
    encoding: Encoding
    is_end: bool = False
    rest: bytes | None = None

    @property
    def has_several_lines(self) -> bool:
        """Whether there is more than one line."""
        after = self.encoding.after_newline(self.raw, self.origin, self.origin + len(self.data))
        return 0 <= after < self.origin + len(self.data)

    def cursor_after(self, position: int) -> Cursor:
        """Give the cursor behind the line that contains `position` (an offset in `data`)."""
        after = self.encoding.after_newline(self.raw, self.origin + position, self.origin + len(self.data))
        return self.end if after < 0 else self.cursor_at(after - self.origin)

    def cursor_at(self, position: int) -> Cursor:
        """Give the cursor for a position in `data` at which a line begins, or which is its end."""
        if position >= len(self.data):
            return self.end
        return Cursor.within(self.offset + position, self.raw, self.origin + position)

    def around(self, cursor: Cursor) -> tuple[bytes, bytes]:
        """Give what stands just before the cursor, as far as its marker reaches, and from there to the end of the block."""
        place = self.origin + cursor.offset - self.offset
        return bytes(self.raw[place - cursor.back : place]), bytes(self.raw[place : self.origin + len(self.data)])
