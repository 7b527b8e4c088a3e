"""From rules to the matcher of a source."""

from collections.abc import Sequence
from pathlib import Path

from opsbot.adapters.matching.encoded import EncodedMatcher
from opsbot.adapters.matching.ladder import compile_rules
from opsbot.core.log import Multiline, Rule
from opsbot.core.ports import Matcher


def matcher_for(
    rules: Sequence[Rule], *, multiline: Multiline | None = None, encoding: str = "utf-8", cache_dir: Path | None = None
) -> Matcher:
    """Choose the fastest way to search these rules on this machine. Blocking: may compile for a second.

    Args:
        rules: what is searched; hits name them by their place.
        multiline: how lines become records; None: each line is one.
        encoding: of the log: "utf-8", "gb18030", or "utf-16" with the low byte first.
        cache_dir: where compiled rules are kept between runs; None: nowhere.
    """
    matcher = compile_rules(rules, multiline, cache_dir)
    return matcher if encoding == "utf-8" else EncodedMatcher(matcher, encoding)
