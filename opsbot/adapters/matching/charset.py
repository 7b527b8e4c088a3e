"""Sets of characters, as far as an engine that looks at bytes can tell them apart."""

from collections.abc import Iterable
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

WIDE_SPACES, WIDE_DIGITS, WIDE_LETTERS, WIDE_OTHERS = 1, 2, 4, 8
"""The characters beyond ASCII, in four parts: `\\s`, `\\d`, the rest of `\\w`, and all others."""
WIDE = WIDE_SPACES | WIDE_DIGITS | WIDE_LETTERS | WIDE_OTHERS

_CATEGORIES: dict[Any, tuple[frozenset[int], int]] = {
    sre.CATEGORY_DIGIT: (_DIGITS, WIDE_DIGITS),
    sre.CATEGORY_SPACE: (_BLANKS | _SEPARATORS, WIDE_SPACES),
    sre.CATEGORY_WORD: (_WORD, WIDE_DIGITS | WIDE_LETTERS),
}
_OPPOSITES: dict[Any, Any] = {
    sre.CATEGORY_NOT_DIGIT: sre.CATEGORY_DIGIT,
    sre.CATEGORY_NOT_SPACE: sre.CATEGORY_SPACE,
    sre.CATEGORY_NOT_WORD: sre.CATEGORY_WORD,
}


@dataclass(frozen=True, slots=True)
class Chars:
    """Some ASCII characters and perhaps some beyond ASCII, in at most the parts that `wide` names.

    `is_folded` says that a character from afar may stand for one of the letters, because case is ignored.
    """

    ascii: frozenset[int]
    wide: int = 0
    is_folded: bool = False

    @property
    def is_wide(self) -> bool:
        """Whether characters beyond ASCII may be in it, but for those from afar."""
        return self.wide != 0

    def overlaps(self, other: "Chars") -> bool:
        """Say whether some character may be in both."""
        from_afar = WIDE_LETTERS * self.is_folded, WIDE_LETTERS * other.is_folded
        return bool(self.ascii & other.ascii) or bool((self.wide | from_afar[0]) & (other.wide | from_afar[1]))

    def __or__(self, other: "Chars") -> "Chars":
        """Join two sets."""
        return Chars(self.ascii | other.ascii, self.wide | other.wide, self.is_folded or other.is_folded)

    @property
    def is_word(self) -> bool:
        """Whether all of them are ASCII letters, digits or underscores, but for those from afar."""
        return not self.is_wide and self.ascii <= _WORD


NOTHING = Chars(frozenset())
ANYTHING = Chars(ASCII, WIDE)


@lru_cache(maxsize=1024)
def of_literal(code: int, *, ignores_case: bool) -> Chars:
    """Give the set of one character."""
    chars = _of_code(code)
    return _folded(chars) if ignores_case else chars


def of_items(items: Iterable[tuple[Any, Any]], *, ignores_case: bool, is_ascii: bool) -> Chars:
    """Give a set that holds at least what the inside of `[…]` means."""
    chars, whole_parts, is_negated = NOTHING, 0, False
    for kind, value in items:
        if kind is sre.NEGATE:
            is_negated = True
        else:
            item = _of_item(kind, value, is_ascii=is_ascii)
            chars |= item
            whole_parts |= item.wide if kind is sre.CATEGORY else 0
    if is_negated:  # only what is surely in the set is surely not in its opposite
        return Chars(ASCII - (_both_cases(chars.ascii) if ignores_case else chars.ascii), WIDE & ~whole_parts)
    return _folded(chars) if ignores_case else chars


def _of_item(kind: Any, value: Any, *, is_ascii: bool) -> Chars:  # noqa: ANN401 the parser's own constants
    if kind is sre.LITERAL:
        return _of_code(value)
    if kind is sre.RANGE:
        low, high = value
        return Chars(frozenset(range(low, min(high, LAST_ASCII) + 1)), WIDE if high > LAST_ASCII else 0)
    if kind is sre.CATEGORY:
        return _of_category(value, is_ascii=is_ascii)
    raise NotImplementedError(kind)


def _of_code(code: int) -> Chars:
    return Chars(frozenset({code})) if code <= LAST_ASCII else Chars(frozenset(), WIDE)


def _of_category(category: Any, *, is_ascii: bool) -> Chars:  # noqa: ANN401 the parser's own constants
    codes, wide = _CATEGORIES[_OPPOSITES.get(category, category)]
    if is_ascii:
        codes, wide = codes - _SEPARATORS, 0
    return Chars(ASCII - codes, WIDE & ~wide) if category in _OPPOSITES else Chars(codes, wide)


def _both_cases(codes: frozenset[int]) -> frozenset[int]:
    return frozenset(ord(each) for code in codes for each in (chr(code).lower(), chr(code).upper()))


def _folded(chars: Chars) -> Chars:
    both = _both_cases(chars.ascii)
    if chars.wide & WIDE_LETTERS:  # K, ſ, ı, İ may be among those beyond ASCII
        both |= LETTERS_FOLDED_FROM_AFAR
    return Chars(both, chars.wide, is_folded=bool(both & LETTERS_FOLDED_FROM_AFAR))
