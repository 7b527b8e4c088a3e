"""The standard library's engine: slow with many rules, always there, and what the other engines are measured by."""

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
        found: list[Match] = []
        if not self._searches:
            return found
        start = 0
        lines = bytes(block).split(b"\n")
        if not lines[-1]:
            lines.pop()
        for line in lines:
            end = start + len(line)
            next_start = end + 1
            if line.endswith(b"\r"):
                end -= 1
            text = line[: end - start].decode("utf-8", "replace")
            found += [Match(number, start, end) for number, search in self._searches if search(text)]
            start = next_start
        return found
