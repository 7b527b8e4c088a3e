"""Text as a chat may show it: nothing that moves, hides or calls everybody."""

import re
import unicodedata

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|[@-_])")
_KEPT = "\n\t\u200c\u200d"
"""Line ends and tabs, and the two joiners that emoji and some scripts are made with."""
_EVERYBODY = re.compile(r"@(?=(?:all|everyone|here|channel|room|所有人|全体成员)(?!\w))", re.IGNORECASE)


def plain_text(text: str) -> str:
    r"""Take out ANSI sequences, control, bidi and other invisible characters, and defuse mentions of everybody.

    >>> plain_text("\x1b[31mred\x1b[0m \u202eevil @all")
    'red evil ＠all'
    """
    whole = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text anywhere
    plain = _ESCAPES.sub("", whole).replace("\r\n", "\n")
    if not plain.isprintable():
        plain = "".join(character for character in plain if character in _KEPT or unicodedata.category(character) not in _HIDDEN)
    return _EVERYBODY.sub("＠", plain)


_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
