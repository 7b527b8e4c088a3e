"""The standard library's engine: slow with many rules, always there, and what the other engines are measured by."""

import itertools
import re
from collections.abc import Sequence

from opsbot.core.log import Match, Rule


class RegexMatcher:
    r"""Searches every rule in every decoded line.

    Lines are searched one at a time on purpose: over a whole block `[^"]*` and `\s` run across line ends and swallow
    the lines behind them, and `\A`, `\Z` and look-behinds see the block instead of the line.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Compile the rules; a match names its rule by the place in this sequence."""
        self._searches = tuple((number, re.compile(rule.pattern).search) for number, rule in enumerate(rules))

    def scan(self, block: bytes | memoryview) -> Sequence[Match]:
        """Find the lines that match; see `opsbot.core.ports.Matcher`."""
        data = bytes(block)
        # A newline is never part of a longer UTF-8 sequence, so that decoding the block is decoding its lines.
        text = data.decode("utf-8", "replace")
        if "\r" in text:
            text = text.replace("\r\n", "\n").removesuffix("\r")
        lines = text.split("\n")
        if not lines[-1] and not data.endswith(b"\r"):
            lines.pop()
        found = [(at, number) for number, search in self._searches for at, line in enumerate(lines) if search(line)]
        return self._matches(data, sorted(found)) if found else []

    def _matches(self, data: bytes, found: list[tuple[int, int]]) -> list[Match]:
        """Turn numbers of lines into offsets in the block."""
        lines = data.split(b"\n")
        starts = [0, *itertools.accumulate(len(line) + 1 for line in lines)]
        return [Match(number, starts[at], starts[at] + len(lines[at].removesuffix(b"\r"))) for at, number in found]
