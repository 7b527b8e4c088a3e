"""Finds out whether a text speaks to the bot."""

import re
from functools import lru_cache


@lru_cache(maxsize=16)
def _pattern(name: str) -> re.Pattern[str]:
    # After a name in Latin letters a command may follow without a space, as people write Chinese; after any other name only a
    # space or punctuation shows where it ends.
    end = r"(?![A-Za-z0-9_.-])" if name[-1:].isascii() else r"(?=$|[\s:：,，、])"
    return re.compile(rf"(?:^|(?<=\s))[@＠]{re.escape(name)}{end}[\s:：,，、]*", re.IGNORECASE)


def without_mention(text: str, name: str, *, anywhere: bool) -> tuple[str, bool]:
    r"""Take the first mention of a name out of a text, and say whether there was one.

    A mention ends with any space, the full-width one and the U+2005 of WeChat included. Unless `anywhere`, only
    one in front counts.

    >>> without_mention("@alice\u2005restart bob", "alice", anywhere=True)
    ('restart bob', True)
    >>> without_mention("ask @alicebot", "alice", anywhere=True)
    ('ask @alicebot', False)
    """
    pattern = _pattern(name)
    found = pattern.search(text) if anywhere else pattern.match(text.lstrip())
    if not found:
        return text, False
    source = found.string
    return (source[: found.start()] + source[found.end() :]).strip(), True
