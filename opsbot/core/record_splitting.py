"""Which lines of a log belong together.

What a record is depends on its own lines alone, never on what stands before it: a reader may begin at any record, and a block may
end anywhere, without changing where the other records begin.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

from opsbot.core.log import Multiline

Range = tuple[int, int]
"""The first line of a record, and the one behind its last."""


class RecordSplitter:
    r"""Tells where records begin and end in a sequence of lines.

    >>> lines = ["ERROR no", "Traceback (most recent call last):", '  File "a.py", line 1, in f', "KeyError: 1", "fine"]
    >>> RecordSplitter(Multiline(kind="python")).split(lines)
    ([(0, 4), (4, 5)], 1)
    """

    def __init__(self, multiline: Multiline) -> None:
        """Compile `multiline.start`, if it counts."""
        self._multiline = multiline
        self._kind: _Kind = _Start(multiline.start) if multiline.kind == "start" else _KINDS[multiline.kind]

    def split(self, lines: Sequence[str]) -> tuple[list[Range], int]:
        """Divide lines (without their ends) into records; gives them all, and how many of the last ones are open.

        The open ones are what they are if nothing follows; with more lines they may become others. Usually it is the last one;
        none if that has reached its bounds, and two if an empty line may yet turn out to stand within a chain of tracebacks.
        A record takes `max_lines` at most, and so many as fit into `max_bytes` (UTF-8, line ends counted), but at least one.
        """
        ranges: list[Range] = []
        at, count, is_waiting = 0, len(lines), False
        for hint in self._kind.hints(lines):
            while hint >= at:  # twice, if the line before it is all that fits
                first = hint - 1 if hint > at and self._kind.is_joined(lines, hint) else hint
                ranges.extend(pairwise(range(at, first + 1)))
                limit = min(count, first + self._multiline.max_lines)
                end, is_waiting = self._kind.end(lines, first, limit)
                at = self._bounded(lines, first, end)
                is_waiting = is_waiting and at == end and limit == count
                ranges.append((first, at))
        ranges.extend(pairwise(range(at, count + 1)))
        return ranges, self._open(lines, ranges) + is_waiting

    def _open(self, lines: Sequence[str], ranges: Sequence[Range]) -> int:
        if not ranges:
            return 0
        first, end = ranges[-1]
        is_full = end - first >= self._multiline.max_lines or sum(map(_size, lines[first:end])) >= self._multiline.max_bytes
        return 0 if is_full else 1

    def _bounded(self, lines: Sequence[str], first: int, end: int) -> int:
        """Give the last line that still fits."""
        left = self._multiline.max_bytes - _size(lines[first])
        for at in range(first + 1, end):
            left -= _size(lines[at])
            if left < 0:
                return at
        return end


def _size(line: str) -> int:
    return (len(line) if line.isascii() else len(line.encode("utf-8", "surrogatepass"))) + 1


class _Kind(Protocol):
    """One way in which lines belong together."""

    def hints(self, lines: Sequence[str]) -> Iterable[int]:
        """Give, in order, every line that may take a neighbour into its record; between them each line is a record."""
        ...

    def is_joined(self, lines: Sequence[str], hint: int) -> bool:
        """Say whether such a line belongs to the one before it, if nothing else claims that."""
        ...

    def end(self, lines: Sequence[str], first: int, limit: int) -> tuple[int, bool]:
        """Give the line behind the record that begins at `first`, looking at no line from `limit` on.

        And whether that line, an empty one and the last there is, belongs to the record if the right line follows.
        """
        ...


class _Start:
    """A record begins where a pattern is found in a line."""

    def __init__(self, start: str) -> None:
        self._is_start = re.compile(start).search

    def hints(self, lines: Sequence[str]) -> list[int]:
        is_start = self._is_start
        return [at for at, line in enumerate(lines) if not is_start(line)]

    def is_joined(self, lines: Sequence[str], hint: int) -> bool:  # noqa: ARG002 as the others
        return True

    def end(self, lines: Sequence[str], first: int, limit: int) -> tuple[int, bool]:
        at = first + 1
        while at < limit and not self._is_start(lines[at]):
            at += 1
        return at, False


class _Java:
    """A stack trace belongs to the line before it, and so does the throwable's own line between them.

    The forms are those of Throwable.printStackTrace (JDK 21), Logback ("common frames omitted", "Wrapped by") and Log4j.
    """

    _FRAME = re.compile(r"\s+at ")
    _MORE = re.compile(r"\s*\.\.\. \d+ (?:more|common frames omitted)|\s*Suppressed: |\s*(?:Caused|Wrapped) by: ")
    _THROWABLE = re.compile(r"(?:[A-Za-z_$][\w$]*\.)+[\w$]*(?:Exception|Error|Throwable)(?::|$)")
    _HINT = re.compile("|".join(each.pattern for each in (_FRAME, _MORE, _THROWABLE)))

    def hints(self, lines: Sequence[str]) -> list[int]:
        match = self._HINT.match
        return [at for at, line in enumerate(lines) if match(line)]

    def is_joined(self, lines: Sequence[str], hint: int) -> bool:
        return bool(lines[hint - 1].strip())

    def end(self, lines: Sequence[str], first: int, limit: int) -> tuple[int, bool]:
        is_trace = bool(self._FRAME.match(lines[first]))
        at = first + 1
        if at < limit and not self._HINT.match(lines[first]) and self._THROWABLE.match(lines[at]):
            at += 1
        while at < limit and self._goes_on(lines[at], is_trace=is_trace):
            is_trace = is_trace or bool(self._FRAME.match(lines[at]))
            at += 1
        return at, False

    def _goes_on(self, line: str, *, is_trace: bool) -> bool:
        is_indented = line.startswith((" ", "\t")) and not line.isspace()
        return (is_trace and is_indented) or bool(self._FRAME.match(line) or self._MORE.match(line))


class _Python:
    """A traceback belongs to the line before it, and with it those that it is chained to.

    The forms are those of the `traceback` module (3.11 to 3.14). A message of several lines cannot be told from what follows: the
    record ends with its first line.
    """

    _HEAD = "Traceback (most recent call last):"
    _BARE_HEAD = re.compile(r"([ \t]*)(\+ Exception Group )?Traceback \(most recent call last\):\s*$")
    _FRAME = re.compile(r'([ \t]*)  File "[^"]*", line \d+')
    _ERROR = re.compile(r"[^\W\d][\w.<>]*(?::|\s*$)")
    _CHAINED = re.compile(r"\s*(?:During handling of the above exception, |The above exception was the direct cause )")

    def hints(self, lines: Sequence[str]) -> list[int]:
        head, frame = self._HEAD, self._FRAME.match
        return [at for at, line in enumerate(lines) if head in line or (line[:1] == " " and frame(line))]

    def is_joined(self, lines: Sequence[str], hint: int) -> bool:
        is_bare = self._BARE_HEAD.match(lines[hint]) or self._FRAME.match(lines[hint])
        return bool(is_bare and lines[hint - 1].strip())

    def end(self, lines: Sequence[str], first: int, limit: int) -> tuple[int, bool]:
        at = self._end_of_one(lines, first, limit) or self._end_of_one(lines, first + 1, limit) or first + 1
        while True:
            if not (at + 1 < limit and _is_blank(lines[at]) and self._CHAINED.match(lines[at + 1])):
                break
            at += 2
            if not (at + 1 < limit and _is_blank(lines[at]) and self._BARE_HEAD.match(lines[at + 1])):
                break
            at = self._end_of_one(lines, at + 1, limit) or at
        return at, at == limit - 1 and _is_blank(lines[at])

    def _end_of_one(self, lines: Sequence[str], head: int, limit: int) -> int | None:
        """Give the line behind the traceback that begins here, None if none does."""
        if head >= limit:
            return None
        bare, frame = self._BARE_HEAD.match(lines[head]), self._FRAME.match(lines[head])
        if not bare and not frame and not lines[head].rstrip().endswith(self._HEAD):
            return None
        if "+ Exception Group " in lines[head]:
            return self._skip(lines, head + 1, limit, (" ", "\t"), ("|", "+"))
        found = bare or frame
        indent = found[1] if found else ""
        at = self._skip(lines, head + 1, limit, (f"{indent} ", f"{indent}\t"), ("",))
        is_whole = at < limit and (at > head + 1 or frame) and lines[at].startswith(indent)
        return at + 1 if is_whole and self._ERROR.match(lines[at], len(indent)) else at

    def _skip(self, lines: Sequence[str], at: int, limit: int, indents: tuple[str, ...], marks: tuple[str, ...]) -> int:
        while at < limit and lines[at].startswith(indents) and lines[at].lstrip().startswith(marks):
            at += 1
        return at


_KINDS: Mapping[str, _Kind] = {"python": _Python(), "java": _Java()}


def _is_blank(line: str) -> bool:
    return not line.strip()
