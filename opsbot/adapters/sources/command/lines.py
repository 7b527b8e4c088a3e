"""Bytes of a pipe as whole lines, bounded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    r"""Whole lines, and where in the pipe they began; or, `is_cut`, the head of a line that is too long, without its `\n`."""

    offset: int
    data: bytes
    is_cut: bool = False


class Lines:
    """Takes bytes as they come; holds at most `max_bytes` of an unfinished line, and skips the rest of a longer one."""

    def __init__(self, max_bytes: int) -> None:
        """Start at the start of a line."""
        self._max_bytes = max_bytes
        self._unfinished = bytearray()
        self._begin = 0
        self._is_skipping = False

    def feed(self, chunk: bytes) -> list[Block]:
        """Give what this chunk ends."""
        if self._is_skipping:
            chunk = self._behind_the_long_line(chunk)
        end = len(self._unfinished) + chunk.rfind(b"\n") + 1 if b"\n" in chunk else 0
        self._unfinished += chunk
        blocks = [self._take(end)] if end else []
        if len(self._unfinished) > self._max_bytes:
            blocks.append(self._take(self._max_bytes, is_cut=True))
            self._take(len(self._unfinished))
            self._is_skipping = True
        return blocks

    def end(self) -> list[Block]:
        """Give a last line that has no end."""
        return [self._take(len(self._unfinished))] if self._unfinished else []

    def _behind_the_long_line(self, chunk: bytes) -> bytes:
        skipped = chunk.find(b"\n") + 1 or len(chunk)
        self._is_skipping = not chunk[:skipped].endswith(b"\n")
        self._begin += skipped
        return chunk[skipped:]

    def _take(self, size: int, *, is_cut: bool = False) -> Block:
        block = Block(self._begin, bytes(self._unfinished[:size]), is_cut)
        del self._unfinished[:size]
        self._begin += size
        return block
