"""One file: its descriptor, how far it was read, and reading whole lines from there."""

import errno
import os
import stat
from dataclasses import dataclass
from typing import Self

from opsbot.adapters.sources.file.cursor import MARKER_BYTES, Cursor
from opsbot.adapters.sources.file.place import Entry, Identity, status_of
from opsbot.core.log import Checkpoint

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class RewrittenError(Exception):
    """The file no longer holds what was read from it: it was truncated or written anew."""


class NotAFileError(OSError):
    """What stands at the path is a directory, a pipe, a socket or a device."""


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
class Block:
    """Whole lines of a file, valid until the next read.

    `origin` is where the block begins in `raw`; of a line that is too long only the head is in `data`, and `raw` is empty.
    """

    data: memoryview | bytes
    offset: int
    end: Cursor
    raw: bytes | bytearray = b""
    origin: int = 0

    def cursor_after(self, position: int) -> Cursor:
        """Give the cursor behind the line that contains `position` (an offset in `data`)."""
        newline = self.raw.find(b"\n", self.origin + position) if self.raw else -1
        after = newline + 1 - self.origin
        if newline < 0 or after >= len(self.data):
            return self.end
        return Cursor(self.offset + after, bytes(self.raw[max(0, newline + 1 - MARKER_BYTES) : newline + 1]))


@dataclass(slots=True)
class _Window:
    """What one read gave: `raw[start:stop]`; `is_full` when there may be more behind it."""

    raw: bytearray
    start: int
    stop: int
    is_full: bool

    def tail(self, stop: int) -> bytes:
        return bytes(self.raw[max(0, stop - MARKER_BYTES) : stop])


class Tracked:
    """A file that is followed, by identity and not by name.

    What is found out about it by comparing directories is kept here too: `path` is where it was last seen, `family` the log
    it belongs to (the same path, unless the file was rotated), `original` the file that this one is a copy of and whose
    reading goes first. `is_drained` says that it was read to its end since a younger file of its log appeared, `is_settled`
    that this was so after it had been rotated away: only late lines can follow then, `is_reborn` that nothing of its present
    content was read. `reached` is how far the last read
    looked, `pending` the beginning of the unfinished line there.
    """

    def __init__(self, entry: Entry, fd: int, device: int, inode: int) -> None:
        """Take over the open descriptor."""
        self.fd: int | None = fd
        self.identity: Identity = (device, inode)
        self.path = entry.path
        self.family = entry.family
        self.shown = entry.path
        self.is_matched = entry.is_matched
        self.is_found = True
        self.is_claimed = False
        self.is_checked = False
        self.is_drained = False
        self.is_settled = False
        self.is_reborn = False
        self.original: Tracked | None = None
        self.seen: tuple[int, int] = (-1, -1)
        self.home = entry.home
        self.missing_since_s: float | None = None
        self.grown_at_s = 0.0
        self.cursor = Cursor()
        self.reached = 0
        self.pending = b""
        self._want = 0
        self._ahead: Cursor | None = None
        self._is_in_nuls = False

    @classmethod
    def open(cls, entry: Entry) -> Self:
        """Open what stands at a path.

        Raises:
            OSError: it is missing, forbidden, or no regular file (NotAFileError).
        """
        fd = _open(entry.path)
        status = os.fstat(fd)
        return cls(entry, fd, status.st_dev, status.st_ino)

    @property
    def is_live(self) -> bool:
        """Whether writers find it under the log's own name."""
        return self.is_found and self.path == self.family

    @property
    def size(self) -> int:
        """Its length now; of a closed file what was known last."""
        return self.seen[0] if self.fd is None else os.fstat(self.fd).st_size

    def reopen(self, path: str) -> bool:
        """Open it again, if it is still what stands at the path."""
        if self.fd is not None:
            return True
        fd = _open(path)
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != self.identity:
            os.close(fd)
            return False
        self.fd = fd
        return True

    def close(self) -> None:
        """Give the descriptor back; the position stays known."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def holds(self, cursor: Cursor) -> bool:
        """Say whether the position is one in this file."""
        return self.fd is not None and cursor.is_in(self.fd)

    def move_to(self, cursor: Cursor) -> None:
        """Read on from there."""
        self.cursor = cursor
        self.reached = cursor.offset
        self.pending = b""
        self._ahead = None

    def move_to_end(self, max_line_bytes: int) -> None:
        """Read on from the beginning of the last line, finished or not."""
        if self.fd is not None:
            self.move_to(Cursor.at_last_line(self.fd, self.size, max_line_bytes))

    def checkpoint(self, source: str, cursor: Cursor) -> Checkpoint:
        """Say how far the file has been consumed when everything before the cursor has."""
        device, inode = self.identity
        return Checkpoint(source=source, path=self.path, device=device, inode=inode, offset=cursor.offset, marker=cursor.marker)

    def next_block(self, buffer: Buffer, chunk_bytes: int, max_line_bytes: int) -> Block | None:
        """Read some whole lines, None when there are none (yet). Move on with `cursor = block.end`.

        Raises:
            RewrittenError: the file was truncated or replaced in place.
            OSError: it cannot be read.
        """
        self._want = chunk_bytes
        while True:
            window = self._read(buffer)
            if self._ahead and not self._is_in_nuls:
                block = self._end_of_long_line(window, max_line_bytes)
            elif self._ahead or (window.start < window.stop and window.raw[window.start] == 0):
                block = self._skip_nuls(window)
            else:
                block = self._lines(window, max_line_bytes)
            if block is not None or not window.is_full:
                return block

    def rest(self, buffer: Buffer, max_line_bytes: int) -> Block | None:
        """Give the last line although its newline is missing.

        Raises:
            RewrittenError: the file was truncated or replaced in place.
            OSError: it cannot be read.
        """
        self._ahead = None
        self._want = max_line_bytes
        window = self._read(buffer)
        data = bytes(window.raw[window.start : window.stop]).strip(b"\0")
        if not data or self.fd is None:
            return None
        return Block(data, self.cursor.offset, Cursor.at(self.fd, self.reached))

    def _read(self, buffer: Buffer) -> _Window:
        position = self._ahead or self.cursor
        back = len(position.marker)
        wanted = back + self._want
        if self.fd is None:
            raise FileNotFoundError(self.path)
        count = os.preadv(self.fd, [buffer.room(wanted)], position.offset - back)
        raw = buffer.raw
        if count < back or raw[:back] != position.marker:
            raise RewrittenError
        end = position.offset + count - back
        is_full = count == wanted
        if end < self.reached and not is_full:
            raise RewrittenError
        self.reached = max(self.reached, end)
        return _Window(raw, back, count, is_full)

    def _lines(self, window: _Window, max_line_bytes: int) -> Block | None:
        raw, start, stop = window.raw, window.start, window.stop
        newline = raw.rfind(b"\n", start, stop)
        if newline < 0:
            self._no_newline(window, max_line_bytes)
            return None
        # Looking for one byte first is ten times faster than for two.
        hole = raw.find(b"\n\0", start, newline) if raw.find(0, start, newline) >= 0 else -1
        after = (newline if hole < 0 else hole) + 1
        end = Cursor(self.cursor.offset + after - start, window.tail(after))
        return Block(memoryview(raw)[start:after], self.cursor.offset, end, raw, start)

    def _no_newline(self, window: _Window, max_line_bytes: int) -> None:
        size = window.stop - window.start
        self.pending = bytes(window.raw[window.start : window.start + min(size, MARKER_BYTES)])
        if size >= max_line_bytes:
            self._ahead = Cursor(self.cursor.offset + size, window.tail(window.stop))
            self._is_in_nuls = False
        elif window.is_full:
            self._want = min(self._want * 2, max_line_bytes)

    def _end_of_long_line(self, window: _Window, max_line_bytes: int) -> Block | None:
        ahead = self._ahead or self.cursor
        newline = window.raw.find(b"\n", window.start, window.stop)
        if newline < 0:
            self._ahead = Cursor(ahead.offset + window.stop - window.start, window.tail(window.stop))
            return None
        end = Cursor(ahead.offset + newline + 1 - window.start, window.tail(newline + 1))
        self._ahead = None
        head = os.pread(self.fd or 0, max_line_bytes, self.cursor.offset)
        return Block(head, self.cursor.offset, end)

    def _skip_nuls(self, window: _Window) -> Block | None:
        r"""Step over what a writer left empty; NULs up to the end may still be filled in and stay unread."""
        position = self._ahead or self.cursor
        fd = self.fd or 0
        data = bytes(window.raw[window.start : window.stop])
        text = data.lstrip(b"\0")
        if text:
            self.move_to(Cursor.at(fd, position.offset + len(data) - len(text)))
            window.is_full = True
        elif window.is_full:
            self._is_in_nuls = True
            self._ahead = Cursor.at(fd, max(_next_data(fd, position.offset), position.offset + len(data)))
        else:
            self._ahead = None
        return None


def _next_data(fd: int, offset: int) -> int:
    end = os.lseek(fd, 0, os.SEEK_END)
    try:
        return os.lseek(fd, offset, os.SEEK_DATA)
    except OSError as error:  # ENXIO: nothing but a hole up to the end; anything else: a file system without holes
        return end if error.errno == errno.ENXIO else offset


def _open(path: str) -> int:
    # Looked at before it is opened as well: opening a pipe would wake the program at its other end.
    if not stat.S_ISREG(status_of(path).st_mode):
        raise NotAFileError(f"{path} is no regular file")
    fd = os.open(path, _FLAGS)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise NotAFileError(f"{path} is no regular file")
    return fd
