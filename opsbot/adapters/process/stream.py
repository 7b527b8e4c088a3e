"""Bytes of a program's output as lines that may be shown in a chat."""

import codecs
import re

LINE_CHARS = 8192
"""Longer lines are cut into pieces of this length."""

UNFINISHED_CHARS = 4096
"""So much of an escape sequence without an end is kept back, waiting for its end; a longer one is shown."""

_STRINGS = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\r\n]*"
_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor (ECMA-48 5.4)
    rf"|{_STRINGS}(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, SOS, PM, APC: titles, links, pictures (ECMA-48 5.6)
    r"|\x1b[ -/]*[0-~]"  # the short ones, and what introduces a broken long one
)
_UNFINISHED = re.compile(rf"(?:(?:\x1b\[|\x9b)[0-?]*[ -/]*|{_STRINGS}\x1b?|\x1b[ -/]*)\Z")

# What has no picture of its own, or changes where others appear (Unicode 16, categories Cc, Cf, Zl, Zp), but for tab, CR and LF.
_INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0, C1
    "\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero-width, separators, bidi, invisible operators
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # byte order mark, annotations, tags
    "]"
)
_OVERSTRUCK = re.compile(r"[^\x08\r\n]\x08")


class LineStream:
    """Takes bytes as they come and gives lines; holds at most about LINE_CHARS of an unfinished one."""

    def __init__(self) -> None:
        """Start at the start of a line."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unfinished = ""

    def feed(self, chunk: bytes) -> list[str]:
        """Give the lines, or pieces of a long one, that this chunk ends."""
        text = self._unfinished + self._decoder.decode(chunk)
        block, newline, self._unfinished = text.rpartition("\n")
        lines = _lines(block) if newline else []
        if len(self._unfinished) > LINE_CHARS:
            lines += self._relieve()
        return lines

    def end(self) -> list[str]:
        """Give what is left: a last line without its end."""
        rest = self._unfinished + self._decoder.decode(b"", final=True)
        self._unfinished = ""
        return _lines(rest) if rest else []

    def _relieve(self) -> list[str]:
        """Give whole pieces of a line that has no end yet; a progress display comes down to its last states."""
        text = self._unfinished
        unfinished = _UNFINISHED.search(text, max(0, len(text) - UNFINISHED_CHARS))
        cut = unfinished.start() if unfinished else len(text)
        # A CR at the very end may be the first half of a CR LF, and the state before it the last one: both stay.
        before, cr, last = _clean(text[:cut]).rpartition("\r")
        shown = last or before.rpartition("\r")[2]
        n_whole = max(0, len(shown) - 1) // LINE_CHARS * LINE_CHARS
        self._unfinished = shown[n_whole:] + (cr if not last else "") + text[cut:]
        return _pieces(shown[:n_whole]) if n_whole else []


def _lines(block: str) -> list[str]:
    lines: list[str] = []
    for line in _clean(block).split("\n"):
        lines += _pieces(_last_state(line) if "\r" in line else line)
    return lines


def _clean(text: str) -> str:
    if "\x08" in text:
        text = _OVERSTRUCK.sub("", text)
    return _INVISIBLE.sub("", _ESCAPE.sub("", text))


def _last_state(line: str) -> str:
    """Give what a carriage-return display showed last."""
    return next((state for state in reversed(line.split("\r")) if state), "")


def _pieces(line: str) -> list[str]:
    if len(line) <= LINE_CHARS:
        return [line]
    return [line[start : start + LINE_CHARS] for start in range(0, len(line), LINE_CHARS)]
