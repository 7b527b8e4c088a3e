"""The standard library's engine: slow with many rules, always there, and what the other engines are measured by."""

import itertools
import re
from collections.abc import Mapping, Sequence

from opsbot.core.log import Hit, Match, Multiline, Rule, RuleFigures, Scan
from opsbot.core.record_splitting import Range, RecordSplitter


class RegexMatcher:
    r"""Searches every rule in every decoded record.

    Records are searched one at a time on purpose: over a whole block `[^"]*` and `\s` run across line ends and swallow
    the lines behind them, and `\A`, `\Z` and look-behinds see the block instead of the record.
    """

    def __init__(self, rules: Sequence[Rule], multiline: Multiline | None = None) -> None:
        """Compile the rules; a hit names its rule by the place in this sequence."""
        self._rules = tuple(rules)
        self._searches = tuple(re.compile(rule.pattern).search for rule in rules)
        self._counts = [0] * len(self._searches)
        self._splitter = RecordSplitter(multiline) if multiline else None

    def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:
        """Find the records that match; see `opsbot.core.ports.Matcher`."""
        data = bytes(block)
        lines = _lines_of(data)
        ranges = self._ranges(lines, is_end=is_end)
        records = lines if ranges is None else ["\n".join(lines[first:end]) for first, end in ranges]
        taken = len(lines) if ranges is None else ranges[-1][1] if ranges else 0
        hits = self._hits(records)
        if not hits and taken == len(lines):
            return Scan((), len(data))
        places = _Places(data, ranges)
        return Scan(self._matches(places, records, hits), len(data) if taken == len(lines) else places.of_line(taken))

    def search(self, record: str) -> Scan:
        """Ask all rules about one record; see `opsbot.core.ports.Matcher`."""
        hits = tuple(Hit(n, groups_of(found)) for n, search in enumerate(self._searches) if (found := search(record)))
        for hit in hits:
            self._counts[hit.rule] += 1
        return Scan((Match(0, len(record), record, hits),) if hits else (), len(record))

    def figures(self) -> Sequence[RuleFigures]:
        """See `opsbot.core.ports.Matcher`."""
        return [
            RuleFigures(name=rule.name, engine="re", matches=count, candidates=count)
            for rule, count in zip(self._rules, self._counts, strict=True)
        ]

    def _ranges(self, lines: Sequence[str], *, is_end: bool) -> Sequence[Range] | None:
        """Give the records that are complete; None when each line is one."""
        if self._splitter is None:
            return None
        ranges, open_count = self._splitter.split(lines)
        return ranges if is_end else ranges[: len(ranges) - open_count]

    def _hits(self, records: Sequence[str]) -> dict[int, list[Hit]]:
        hits: dict[int, list[Hit]] = {}
        for number, search in enumerate(self._searches):
            for at, record in enumerate(records):
                if found := search(record):
                    hits.setdefault(at, []).append(Hit(number, groups_of(found)))
        return hits

    def _matches(self, places: "_Places", texts: Sequence[str], hits: Mapping[int, list[Hit]]) -> list[Match]:
        found = []
        for at, of_record in sorted(hits.items()):
            for hit in of_record:
                self._counts[hit.rule] += 1
            found.append(Match(places.start(at), places.end(at), texts[at], tuple(of_record)))
        return found


def _lines_of(data: bytes) -> list[str]:
    # A newline is never part of a longer UTF-8 sequence, so that decoding the block is decoding its lines.
    text = data.decode("utf-8", "replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").removesuffix("\r")
    lines = text.split("\n")
    if not lines[-1] and not data.endswith(b"\r"):
        lines.pop()
    return lines


class _Places:
    """Where the records of a block stand in it."""

    def __init__(self, data: bytes, ranges: Sequence[Range] | None) -> None:
        self._lines = data.split(b"\n")
        self._starts = [0, *itertools.accumulate(len(line) + 1 for line in self._lines)]
        self._ranges = ranges

    def of_line(self, line: int) -> int:
        return self._starts[line]

    def start(self, record: int) -> int:
        return self._starts[self._ranges[record][0] if self._ranges else record]

    def end(self, record: int) -> int:
        """Give the end without the line end."""
        line = self._ranges[record][1] - 1 if self._ranges else record
        return self._starts[line] + len(self._lines[line].removesuffix(b"\r"))


def groups_of(found: re.Match[str]) -> Mapping[str, str]:
    """Give the named groups that took part."""
    return {name: value for name, value in found.groupdict().items() if value is not None}
