"""One file: its descriptor, how far it was read, and reading whole lines from there."""

import os
from typing import Self

from opsbot.adapters.sources.file import descriptor
from opsbot.adapters.sources.file.block import Block, Buffer, Window
from opsbot.adapters.sources.file.cursor import Cursor
from opsbot.adapters.sources.file.encoding import Encoding, encoding_of
from opsbot.adapters.sources.file.generation import begins_like, origin_of
from opsbot.adapters.sources.file.place import Entry, Identity
from opsbot.adapters.sources.file.trail import Trail
from opsbot.core.log import MARKER_BYTES, Checkpoint, marker_of


class RewrittenError(Exception):
    """The file no longer holds what was read from it: it was truncated or written anew."""


class Tracked:
    """A file that is followed, by identity and not by name.

    What is found out about it by comparing directories is kept here too: `path` is where it was last seen, `real` the same
    behind links, `family` the log it belongs to (the same path, unless the file was rotated), `original` the file that this
    one is a copy of and whose reading goes first. `is_drained` says that it was read to its end since a younger file of its
    log appeared, `is_settled` that this was so after it had been rotated away: only late lines can follow then, `is_reborn`
    that nothing of its present content was read. `generation` names the content from when it is about to be read. `reached`
    is how far the last read looked, `trail` where it had been before. `open_record` are the lines behind the cursor that
    were searched already, of a record that may go on until `open_until_s`; `pending` is the beginning of what is behind the
    cursor, these or an unfinished line. A closed file has no open record.
    """

    # There may be ten thousand of them: without this, each takes a kilobyte more.
    __slots__ = (
        "_ahead",
        "_before_open",
        "_encoding",
        "_encoding_name",
        "_is_encoding_known",
        "_is_in_nuls",
        "_want",
        "cursor",
        "family",
        "fd",
        "generation",
        "grown_at_s",
        "home",
        "identity",
        "is_checked",
        "is_claimed",
        "is_drained",
        "is_found",
        "is_matched",
        "is_reborn",
        "is_settled",
        "missing_since_s",
        "named_by",
        "open_record",
        "open_until_s",
        "original",
        "path",
        "pending",
        "reached",
        "real",
        "seen",
        "shown",
        "trail",
    )

    is_archive = False
    damage = ""

    def __init__(self, entry: Entry, fd: int | None, device: int, inode: int, encoding: str = "utf-8") -> None:
        """Take over the open descriptor, if there is one."""
        self.fd = fd
        self.identity: Identity = (device, inode)
        self.path = entry.path
        self.real = entry.real
        self.family = entry.family
        self.shown = entry.path
        self.is_matched = entry.is_matched
        self.named_by = entry.named_by
        self.is_found = True
        self.is_claimed = self.is_checked = self.is_drained = self.is_settled = self.is_reborn = False
        self.original: Tracked | None = None
        self.seen: tuple[int, int] = (-1, -1)
        self.home = entry.home
        self.missing_since_s: float | None = None
        self.grown_at_s = 0.0
        self.cursor = Cursor()
        self.generation = ""
        self.trail = Trail()
        self.reached = 0
        self.pending = self.open_record = self._before_open = b""
        self.open_until_s = 0.0
        self._encoding_name = encoding
        self._encoding = encoding_of(encoding)
        self._is_encoding_known = encoding != "utf-16"
        self._want = 0
        self._ahead: Cursor | None = None
        self._is_in_nuls = False

    @classmethod
    def open(cls, entry: Entry, encoding: str = "utf-8") -> Self:
        """Open what stands at a path.

        Raises:
            OSError: it is missing, forbidden, or no regular file (NotAFileError).
        """
        fd = descriptor.open_file(entry.path)
        status = os.fstat(fd)
        return cls(entry, fd, status.st_dev, status.st_ino, encoding)

    @property
    def is_live(self) -> bool:
        """Whether writers find it under the log's own name."""
        return self.is_found and self.path == self.family

    @property
    def is_midway(self) -> bool:
        """Whether it is read in the middle of a long line, of NULs, or of a record that may go on."""
        return self._ahead is not None or bool(self.open_record)

    @property
    def size(self) -> int:
        """Its length now; of a closed file what was known last."""
        return self.seen[0] if self.fd is None else descriptor.size_of(self.fd, self.seen[0])

    @property
    def encoding(self) -> Encoding:
        """How lines stand in it; of UTF-16 the head must tell, once it is there."""
        if not self._is_encoding_known and self.fd is not None:
            head = os.pread(self.fd, 2, 0)
            self._encoding = encoding_of(self._encoding_name, head)
            self._is_encoding_known = len(head) == 2  # noqa: PLR2004 all of a byte order mark
        return self._encoding

    def origin(self) -> str:
        """Name the file itself; it is open."""
        return origin_of(self.fd or 0, *self.identity)

    def reopen(self, path: str) -> bool:
        """Open it again, if it is still what stands at the path."""
        if self.fd is None:
            self.fd = descriptor.open_same(path, self.identity)
        return self.fd is not None

    def close(self) -> None:
        """Give the descriptor back; the position stays known."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def holds(self, cursor: Cursor, generation: str = "") -> bool:
        """Say whether the position is one in this file, and whether it may hold the content of that name."""
        return self.fd is not None and cursor.is_in(self.fd) and begins_like(self.fd, generation)

    def move_to(self, cursor: Cursor) -> None:
        """Read on from there."""
        self.cursor = cursor
        self.reached = cursor.offset
        self.pending = self.open_record = self._before_open = b""
        self._ahead = None
        if cursor.offset == 0:
            self._is_encoding_known = self._encoding_name != "utf-16"

    def move_to_end(self, max_line_bytes: int) -> None:
        """Read on from the beginning of the last line, finished or not."""
        if self.fd is not None:
            self.move_to(self.last_line(self.size, max_line_bytes))

    def last_line(self, end: int, max_line_bytes: int) -> Cursor:
        """Find where the last line before `end` begins. The file is open."""
        return Cursor.at_last_line(self.fd or 0, end, max_line_bytes, self.encoding)

    def consume(self, block: Block, size: int) -> None:
        """Move on by so much of a block; what is left of it is an open record."""
        reached = max(self.reached, block.end.offset)
        self.trail.follow(block)
        if size >= len(block.data):
            self.move_to(block.end)
            if block.rest is not None:
                self.reached, self.pending = reached, block.rest
            return
        self.move_to(block.cursor_at(size) if size else self.cursor)
        self.reached = reached
        self._before_open, self.open_record = block.around(self.cursor)
        self.pending = self.open_record[:MARKER_BYTES]

    def checkpoint(self, source: str, cursor: Cursor) -> Checkpoint:
        """Say how far the file has been consumed when everything before the cursor has."""
        device, inode = self.identity
        return Checkpoint(
            source=source,
            path=self.path,
            device=device,
            inode=inode,
            offset=cursor.offset,
            marker=cursor.marker,
            generation=self.generation,
        )

    def next_block(self, buffer: Buffer, chunk_bytes: int, max_line_bytes: int) -> Block | None:
        """Read some whole lines, those of the open record first; None when there are no new ones (yet). Then `consume` them.

        Raises:
            RewrittenError: the file was truncated or replaced in place.
            OSError: it cannot be read.
        """
        encoding = self.encoding
        unit_bytes = encoding.unit_bytes
        max_line_bytes = max(unit_bytes, encoding.whole(max_line_bytes))
        self._want = len(self.open_record) + max(unit_bytes, chunk_bytes)
        if self.fd is not None and self.cursor.offset % unit_bytes and self.cursor.offset < self.size and self.holds(self.cursor):
            self.move_to(Cursor.at(self.fd, self.cursor.offset + 1))  # it was read with another encoding so far
        while True:
            window = self._read(buffer)
            if self._ahead and not self._is_in_nuls:
                block = self._end_of_long_line(window, max_line_bytes)
            elif self._ahead or window.raw.startswith(encoding.nul, window.fresh, window.stop):
                if self.open_record:  # NULs may yet be filled in, and what is behind them does not go on
                    return None
                block = None
                self._skip_nuls(window)
            else:
                block = self._lines(window, max_line_bytes)
            if block is not None or not window.is_full:
                return block

    def open_block(self) -> Block:
        """Give the open record, which is over; the file is not looked at."""
        raw = self._before_open + self.open_record
        end = Cursor.within(self.cursor.offset + len(self.open_record), raw, len(raw))
        return self._block(raw, len(self._before_open), len(raw), end, is_end=True)

    def rest(self, buffer: Buffer, max_line_bytes: int) -> Block | None:
        """Give the open record and the last line although its newline is missing.

        Raises:
            RewrittenError: the file was truncated or replaced in place.
            OSError: it cannot be read.
        """
        self._ahead = None
        self._want = len(self.open_record) + self.encoding.whole(max_line_bytes)
        window = self._read(buffer)
        start = window.start + self._encoding.count_nuls(window.raw, window.start, window.stop)
        text = bytes(window.raw[start : window.stop]).rstrip(b"\0")
        size = len(text) + -len(text) % self._encoding.unit_bytes
        if not text or self.fd is None:
            return None
        end = Cursor.at(self.fd, self.cursor.offset + self._encoding.whole(self.reached - self.cursor.offset))
        return self._block(window.raw, window.start, start + size, end, is_end=True, skipped=start - window.start)

    def _read(self, buffer: Buffer) -> Window:
        position = self._ahead or self.cursor
        back = position.back
        wanted = back + self._want
        if self.fd is None:
            raise FileNotFoundError(self.path)
        # At the beginning there is no marker; that happens once or twice in a file's life.
        if not position.offset and not begins_like(self.fd, self.generation):
            raise RewrittenError
        count = os.preadv(self.fd, [buffer.room(wanted)], position.offset - back)
        raw = buffer.raw
        if count < back or marker_of(raw[:back]) != position.marker or not raw.startswith(self.open_record, back, count):
            raise RewrittenError
        end = position.offset + count - back
        is_full = count == wanted
        if end < self.reached and not is_full:
            raise RewrittenError
        self.reached = max(self.reached, end)
        return Window(raw, back, back + len(self.open_record), back + self._encoding.whole(count - back), is_full)

    def _block(
        self, raw: bytes | bytearray, start: int, stop: int, end: Cursor, *, is_end: bool = False, skipped: int = 0
    ) -> Block:
        """Make the block of `raw[start:stop]`, which begins at the cursor, without `skipped` bytes or a byte order mark."""
        encoding = self._encoding
        if self.cursor.offset == 0 and raw.startswith(encoding.bom, start, stop):
            skipped = max(skipped, len(encoding.bom))
        data = encoding.plain(memoryview(raw)[start + skipped : stop])
        return Block(data, self.cursor.offset + skipped, end, raw, start + skipped, encoding, is_end)

    def _lines(self, window: Window, max_line_bytes: int) -> Block | None:
        raw, start = window.raw, window.start
        last = self._encoding.after_last_newline(raw, window.fresh, window.stop)
        if last < 0:
            return self._no_newline(window, max_line_bytes)
        hole = self._encoding.after_line_before_hole(raw, window.fresh, last)
        after = last if hole < 0 else hole
        block = self._block(raw, start, after, window.cursor(self.cursor.offset + after - start, after))
        # Most reads find one new line at the end of a file: then a second one would only say so.
        is_last = not window.is_full and window.stop - after < max_line_bytes
        if is_last and not raw.startswith(self._encoding.nul, after, window.stop):
            block.rest = bytes(raw[after : min(window.stop, after + MARKER_BYTES)])
        return block

    def _no_newline(self, window: Window, max_line_bytes: int) -> Block | None:
        size = window.stop - window.fresh
        self.pending = bytes(window.raw[window.start : min(window.stop, window.start + MARKER_BYTES)])
        if size >= max_line_bytes and self.open_record:  # no record is so long
            return self.open_block()
        if size >= max_line_bytes:
            self._ahead = window.cursor(self.cursor.offset + size, window.stop)
            self._is_in_nuls = False
        elif window.is_full:
            self._want = min(self._want * 2, len(self.open_record) + max_line_bytes)
        return None

    def _end_of_long_line(self, window: Window, max_line_bytes: int) -> Block | None:
        ahead = self._ahead or self.cursor
        after = self._encoding.after_newline(window.raw, window.start, window.stop)
        if after < 0:
            self._ahead = window.cursor(ahead.offset + window.stop - window.start, window.stop)
            return None
        end = window.cursor(ahead.offset + after - window.start, after)
        self._ahead = None
        head = os.pread(self.fd or 0, max_line_bytes, self.cursor.offset)
        return self._block(head, 0, len(head), end, is_end=True)

    def _skip_nuls(self, window: Window) -> None:
        r"""Step over what a writer left empty; NULs up to the end may still be filled in and stay unread."""
        position = self._ahead or self.cursor
        fd = self.fd or 0
        size = window.stop - window.start
        skipped = self._encoding.count_nuls(window.raw, window.start, window.stop)
        if skipped < size:
            self.move_to(Cursor.at(fd, position.offset + skipped))
            window.is_full = True
        elif window.is_full:
            self._is_in_nuls = True
            data = self._encoding.whole(descriptor.next_data(fd, position.offset))
            self._ahead = Cursor.at(fd, max(data, position.offset + size))
        else:
            self._ahead = None
