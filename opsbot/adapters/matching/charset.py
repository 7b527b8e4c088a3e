"""Sets of characters, as far as an engine that looks at bytes can tell them apart."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from opsbot.adapters.matching.syntax import sre

LAST_ASCII = 127
ASCII = frozenset(range(LAST_ASCII + 1))
LETTERS_FOLDED_FROM_AFAR = frozenset(map(ord, "kKsSiI"))
"""K (Kelvin), ſ, ı and İ count as these when case is ignored; no other ASCII letter has such relatives."""

_DIGITS = frozenset(map(ord, "0123456789"))
_BLANKS = frozenset(map(ord, " \t\n\r\f\v"))
_SEPARATORS = frozenset(range(0x1C, 0x20))  # white space to `str`, not to `bytes`
_WORD = frozenset(each for each in ASCII if chr(each).isalnum() or chr(each) == "_")

_Category = tuple[frozenset[int], bool]
_CATEGORIES: dict[Any, Callable[[bool], _Category]] = {
    sre.CATEGORY_DIGIT: lambda is_ascii: (_DIGITS, not is_ascii),
    sre.CATEGORY_NOT_DIGIT: lambda _: (ASCII - _DIGITS, True),
    sre.CATEGORY_SPACE: lambda is_ascii: (_BLANKS if is_ascii else _BLANKS | _SEPARATORS, not is_ascii),
    sre.CATEGORY_NOT_SPACE: lambda is_ascii: (ASCII - (_BLANKS if is_ascii else _BLANKS | _SEPARATORS), True),
    sre.CATEGORY_WORD: lambda is_ascii: (_WORD, not is_ascii),
    sre.CATEGORY_NOT_WORD: lambda _: (ASCII - _WORD, True),
}


@dataclass(frozen=True, slots=True)
class Chars:
    """Some ASCII characters and, if `is_wide`, any character beyond ASCII.

    `is_folded` says that a character from afar may stand for one of the letters, because case is ignored.
    """

    ascii: frozenset[int]
    is_wide: bool = False
    is_folded: bool = False

    def overlaps(self, other: "Chars") -> bool:
        """Say whether some character may be in both."""
        return bool(self.ascii & other.ascii) or (self.is_wide and other.is_wide)

    def __or__(self, other: "Chars") -> "Chars":
        """Join two sets."""
        return Chars(self.ascii | other.ascii, self.is_wide or other.is_wide, self.is_folded or other.is_folded)

    @property
    def is_word(self) -> bool:
        """Whether all of them are ASCII letters, digits or underscores, but for those from afar."""
        return not self.is_wide and self.ascii <= _WORD


NOTHING = Chars(frozenset())
ANYTHING = Chars(ASCII, is_wide=True)


@lru_cache(maxsize=1024)
def of_literal(code: int, *, ignores_case: bool) -> Chars:
    """Give the set of one character."""
    if not ignores_case:
        return Chars(frozenset({code}) & ASCII, is_wide=code > LAST_ASCII)
    return _folded(Chars(frozenset({code}) & ASCII, is_wide=code > LAST_ASCII))


def of_items(items: Iterable[tuple[Any, Any]], *, ignores_case: bool, is_ascii: bool) -> Chars:
    """Give a set that holds at least what the inside of `[…]` means."""
    chars, is_negated = NOTHING, False
    for kind, value in items:
        if kind is sre.NEGATE:
            is_negated = True
        else:
            chars |= _of_item(kind, value, is_ascii=is_ascii)
    if is_negated:  # only what is surely in the set is surely not in its opposite
        return Chars(ASCII - (_both_cases(chars.ascii) if ignores_case else chars.ascii), is_wide=True)
    return _folded(chars) if ignores_case else chars


def _of_item(kind: Any, value: Any, *, is_ascii: bool) -> Chars:  # noqa: ANN401 the parser's own constants
    if kind is sre.LITERAL:
        return Chars(frozenset({value}) & ASCII, is_wide=value > LAST_ASCII)
    if kind is sre.RANGE:
        low, high = value
        return Chars(frozenset(range(low, min(high, LAST_ASCII) + 1)), is_wide=high > LAST_ASCII)
    if kind is sre.CATEGORY:
        return Chars(*_CATEGORIES[value](is_ascii))
    raise NotImplementedError(kind)


def _both_cases(codes: frozenset[int]) -> frozenset[int]:
    return frozenset(ord(each) for code in codes for each in (chr(code).lower(), chr(code).upper()))


def _folded(chars: Chars) -> Chars:
    both = _both_cases(chars.ascii)
    if chars.is_wide:  # K, ſ, ı, İ may be among those beyond ASCII
        both |= LETTERS_FOLDED_FROM_AFAR
    return Chars(both, chars.is_wide, is_folded=bool(both & LETTERS_FOLDED_FROM_AFAR))
