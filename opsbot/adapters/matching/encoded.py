"""Matching in other encodings than UTF-8."""

from collections.abc import Sequence
from dataclasses import replace

from opsbot.core.log import RuleFigures, Scan
from opsbot.core.ports import Matcher

_CODECS = {"gb18030": "gb18030", "utf-16": "utf-16-le"}
_NEWLINE = b"\n"


class EncodedMatcher:
    r"""Lets a matcher, which reads UTF-8, search blocks in another encoding.

    UTF-16 comes with the low byte first and without a byte order mark. The places in a `Scan` are those of the block as it
    came: lines are the same in both, so that counting them leads from one to the other.
    """

    def __init__(self, inner: Matcher, encoding: str) -> None:
        """Take over the matcher; `encoding` is "gb18030" or "utf-16"."""
        self._inner = inner
        self._codec = _CODECS[encoding]
        self._newline = "\n".encode(self._codec)

    def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:
        """Find the records that match; see `opsbot.core.ports.Matcher`."""
        data = bytes(block)
        text = self._decode(data).encode("utf-8")
        scan = self._inner.scan(text, is_end=is_end)
        if not scan.matches and scan.consumed == len(text):
            return replace(scan, consumed=len(data))
        walk = _Walk(text, data, self._newline)
        matches = [replace(match, start=walk.start(match.start), end=walk.end(match.end)) for match in scan.matches]
        return replace(scan, matches=matches, consumed=len(data) if scan.consumed == len(text) else walk.start(scan.consumed))

    def search(self, record: str) -> Scan:
        """Ask the rules about one record; see `opsbot.core.ports.Matcher`."""
        return self._inner.search(record)

    def figures(self) -> Sequence[RuleFigures]:
        """See `opsbot.core.ports.Matcher`."""
        return self._inner.figures()

    def _decode(self, data: bytes) -> str:
        text = data.decode(self._codec, "replace")
        # A character that breaks off may take what follows it along, the line end too; within its line alone it cannot.
        if self._codec == "gb18030" and "\ufffd" in text:
            return "\n".join(self._decode_alone(line) for line in data.split(_NEWLINE))
        return text

    def _decode_alone(self, line: bytes) -> str:
        return line.removesuffix(b"\r").decode(self._codec, "replace") + "\r" * line.endswith(b"\r")


class _Walk:
    """Goes through the lines of a text and of what it was decoded from, forwards only."""

    def __init__(self, text: bytes, raw: bytes, newline: bytes) -> None:
        self._text = text
        self._raw = raw
        self._newline = newline
        self._at = self._raw_at = 0

    def start(self, place: int) -> int:
        """Give where the line that begins at `place` in the text begins in the other."""
        for _ in range(self._text.count(_NEWLINE, self._at, place)):
            self._raw_at = self._next_newline() + len(self._newline)
        self._at = place
        return self._raw_at

    def end(self, place: int) -> int:
        """Give where the line that ends at `place` in the text ends in the other."""
        self.start(self._text.rfind(_NEWLINE, self._at, place) + 1 or self._at)
        line_end = self._text.find(_NEWLINE, place)
        carriage_return = (line_end if line_end >= 0 else len(self._text)) - place
        return self._next_newline() - carriage_return * len(self._newline)

    def _next_newline(self) -> int:
        """Give the end of the present line."""
        found = self._raw.find(self._newline, self._raw_at)
        while found >= 0 and found % len(self._newline):
            found = self._raw.find(self._newline, found + 1)
        return found if found >= 0 else len(self._raw)
