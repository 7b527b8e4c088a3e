"""The standard library's engine: slow with many rules, always there, and what the other engines are measured by."""

import itertools
import re
from collections.abc import Mapping, Sequence

from opsbot.core.log import Hit, Match, Rule, RuleFigures, Scan


class RegexMatcher:
    r"""Searches every rule in every decoded line.

    Lines are searched one at a time on purpose: over a whole block `[^"]*` and `\s` run across line ends and swallow
    the lines behind them, and `\A`, `\Z` and look-behinds see the block instead of the line.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Compile the rules; a hit names its rule by the place in this sequence."""
        self._rules = tuple(rules)
        self._searches = tuple(re.compile(rule.pattern).search for rule in rules)
        self._counts = [0] * len(self._searches)

    def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:  # noqa: ARG002 a line ends where it ends
        """Find the lines that match; see `opsbot.core.ports.Matcher`."""
        data = bytes(block)
        # A newline is never part of a longer UTF-8 sequence, so that decoding the block is decoding its lines.
        text = data.decode("utf-8", "replace")
        if "\r" in text:
            text = text.replace("\r\n", "\n").removesuffix("\r")
        lines = text.split("\n")
        if not lines[-1] and not data.endswith(b"\r"):
            lines.pop()
        hits: dict[int, list[Hit]] = {}
        for number, search in enumerate(self._searches):
            for at, line in enumerate(lines):
                if found := search(line):
                    hits.setdefault(at, []).append(Hit(number, groups_of(found)))
        return Scan(self._matches(data, lines, hits) if hits else (), len(data))

    def figures(self) -> Sequence[RuleFigures]:
        """See `opsbot.core.ports.Matcher`."""
        return [
            RuleFigures(name=rule.name, engine="re", matches=count, candidates=count)
            for rule, count in zip(self._rules, self._counts, strict=True)
        ]

    def _matches(self, data: bytes, texts: Sequence[str], hits: Mapping[int, list[Hit]]) -> list[Match]:
        """Turn numbers of lines into offsets in the block."""
        lines = data.split(b"\n")
        starts = [0, *itertools.accumulate(len(line) + 1 for line in lines)]
        found = []
        for at, of_line in sorted(hits.items()):
            for hit in of_line:
                self._counts[hit.rule] += 1
            found.append(Match(starts[at], starts[at] + len(lines[at].removesuffix(b"\r")), texts[at], tuple(of_line)))
        return found


def groups_of(found: re.Match[str]) -> Mapping[str, str]:
    """Give the named groups that took part."""
    return {name: value for name, value in found.groupdict().items() if value is not None}
