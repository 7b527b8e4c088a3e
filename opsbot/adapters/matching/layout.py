"""Where the records of a block stand."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple, Protocol

from opsbot.core.record_splitting import RecordSplitter

_NEAR_BYTES = 512


class Span(NamedTuple):
    """One record: `start` to `end` without its line end, `after` where the next one begins, and its text."""

    start: int
    end: int
    after: int
    text: str


class Layout(Protocol):
    """The records of one block."""

    def span_at(self, position: int) -> Span | None:
        """Give the record that holds the byte at a position, None if it belongs to one that is not complete."""
        ...


class NearLines:
    """Every line is a record; only those that are asked for are looked up: most blocks hold few matches, or none."""

    def __init__(self, block: bytes | memoryview) -> None:
        """Look at nothing yet."""
        self._block = block

    def span_at(self, position: int) -> Span:
        """See `Layout`."""
        start, newline = self._before(position), self._behind(position)
        line = bytes(self._block[start:newline])
        end = newline - line.endswith(b"\r")
        return Span(start, end, newline + 1, line[: end - start].decode("utf-8", "replace"))

    def _before(self, position: int) -> int:
        low, step = position, _NEAR_BYTES
        while low > 0:
            high, low, step = low, max(0, low - step), step * 4
            newline = bytes(self._block[low:high]).rfind(b"\n")
            if newline >= 0:
                return low + newline + 1
        return 0

    def _behind(self, position: int) -> int:
        high, step, size = position, _NEAR_BYTES, len(self._block)
        while high < size:
            low, high, step = high, min(size, high + step), step * 4
            newline = bytes(self._block[low:high]).find(b"\n")
            if newline >= 0:
                return low + newline
        return size


class AllRecords:
    """All records of a block, decoded; `consumed` is where the ones begin that are not complete."""

    def __init__(self, block: bytes | memoryview, splitter: RecordSplitter | None = None, *, is_end: bool = True) -> None:
        """Decode and divide the block."""
        data = bytes(block)
        lines = data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        # A newline is never part of a longer UTF-8 sequence, so that decoding the block is decoding its lines.
        texts = data.decode("utf-8", "replace").split("\n")[: len(lines)]
        if b"\r" in data:
            texts = [text.removesuffix("\r") for text in texts]
        starts = [0, *accumulate(len(line) + 1 for line in lines)]
        starts[-1] = len(data)
        ranges, n_open = splitter.split(texts) if splitter else ([(at, at + 1) for at in range(len(lines))], 0)
        complete = ranges if is_end else ranges[: len(ranges) - n_open]
        self.spans: Sequence[Span] = [
            Span(starts[first], _end(starts, lines, last - 1), starts[last], "\n".join(texts[first:last]))
            for first, last in complete
        ]
        self.consumed = self.spans[-1].after if self.spans else 0
        self._starts = [span.start for span in self.spans]

    def span_at(self, position: int) -> Span | None:
        """See `Layout`."""
        return self.spans[bisect_right(self._starts, position) - 1] if position < self.consumed else None


def _end(starts: Sequence[int], lines: Sequence[bytes], at: int) -> int:
    return starts[at] + len(lines[at]) - lines[at].endswith(b"\r")
