r"""From a Python `str` expression to one that an engine for bytes understands and that finds at least as much.

An engine looks at the raw bytes of a log, `re` at the decoded record. So the engine is only asked where a rule *may* match, and
the rule itself decides there. What the two see differently is widened:

- a character beyond ASCII is one to four bytes of 0x80 and above (an invalid byte, decoded as U+FFFD, is one, too);
- `\w`, `\d`, `\s`, negated sets and the dot may match any of those; so may every letter that has relatives there when case is
  ignored (such records are found by a rule of their own, `FOLDED`);
- `$` and `\Z` stand before a line end of one or two bytes, `^` and `\A` at any line's beginning;
- `\b` stays where it stands beside an ASCII word character, and is left out elsewhere, like all that looks around;
- a reference back may be anything; possessive and atomic parts give back;
- what begins or ends an expression without being needed (`.*`) is left out: only the place is asked for;
- of an expression that is held together by `.*` or `\S+` the rarest part is asked for, unless it is to be `whole`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from opsbot.adapters.matching.charset import ANYTHING, LAST_ASCII, NOTHING, WIDE, Chars, of_items, of_literal
from opsbot.adapters.matching.item import (
    BITS_BEYOND_ASCII,
    POSITION_BITS,
    Item,
    joined,
    rarest,
    rarity,
    settled_boundaries,
    without_idle_ends,
)
from opsbot.adapters.matching.syntax import (
    ASCII,
    DOTALL,
    GREEDY_OR_LAZY,
    IGNORECASE,
    Node,
    Nodes,
    branches,
    flags_within,
    parse,
    sre,
)

FOLDED = rb"\xc4[\xb0\xb1]|\xc5\xbf|\xe2\x84\xaa"
"""İ, ı, ſ and K, which count as ASCII letters when case is ignored."""

_NEWLINE = ord("\n")
_RETURN = ord("\r")
_NO_NEWLINE = Chars(ANYTHING.ascii - {_NEWLINE}, WIDE)
_REPLACEMENT = 0xFFFD
"""Stands for whatever bytes could not be decoded."""
_FEWEST_BITS = 4.0
"""More often than this, and an engine that reports each place is faster than `re`, which stops at the first one in a line."""
_LOOSE_CODES = 32

_MOST_REPEATS = 64
"""Engines unroll counted repetitions, one within another too, and take minutes for thousands; beyond this they are widened."""
_MOST_NESTED = 12
"""Each further repetition around others doubles the time that Hyperscan takes to compile them: a second for 25."""
_REPEATS = {*GREEDY_OR_LAZY, sre.POSSESSIVE_REPEAT}
_STARTS = {sre.AT_BEGINNING, sre.AT_BEGINNING_STRING}
_ENDS = {sre.AT_END, sre.AT_END_STRING}


@dataclass(frozen=True, slots=True)
class Superset:
    """An expression for engines: with multi-line anchors, over bytes.

    `is_folded` says that records in which `FOLDED` is found may match as well.
    """

    pattern: bytes
    is_folded: bool


class TooWideError(Exception):
    """Engines are not asked: it would be found in nearly every record, or cannot be written for them."""


def superset_of(pattern: str, *, spans_lines: bool = False, is_whole: bool = False) -> Superset:
    """Translate a rule's expression; `spans_lines` when its records have several lines.

    A part of it is searched up to three times as fast as the whole, and found more often; `is_whole` asks for all of it.

    Raises:
        TooWideError: asking an engine is of no use.
        NotImplementedError: this version of Python's `re` has something that is not known here.
    """
    nodes, flags = parse(pattern)
    translation = _Translation(spans_lines=spans_lines, is_whole=is_whole)
    item = translation.expression(nodes, flags)
    if item.is_nullable:
        raise TooWideError("it may match an empty text")
    if item.bits < _FEWEST_BITS:
        raise TooWideError("it is found nearly everywhere")
    return Superset(item.text.encode("ascii"), translation.is_folded)


class _Translation:
    def __init__(self, *, spans_lines: bool, is_whole: bool) -> None:
        self._spans_lines = spans_lines
        self._is_whole = is_whole
        self._depth = 0
        self.is_folded = False

    def expression(self, nodes: Iterable[Node], flags: int) -> Item:
        """Translate a whole expression: what it begins and ends with may be left out."""
        spliced = list(_spliced(nodes, flags))
        if len(spliced) == 1 and spliced[0][0] is sre.BRANCH:
            (_, value, inner_flags) = spliced[0]
            return _choice([self.expression(branch, inner_flags) for branch in value[1]])
        items: list[Item] = []
        looked_for = None
        for kind, value, inner_flags in spliced:
            if kind is sre.ASSERT and value[0] < 0 and not items:
                items.append(self._group(value[1], inner_flags))  # looking behind from the very beginning is matching
            elif kind is sre.ASSERT and value[0] > 0:
                looked_for = looked_for or (len(items), value[1], inner_flags)
            elif (item := self._item(kind, value, inner_flags)) is not None:
                items.append(item)
        if looked_for is not None and all(item.is_nullable for item in items):
            at, ahead, ahead_flags = looked_for  # is all that it asks for; what follows begins at the same place, not behind it
            items = [*items[:at], self._group(ahead, ahead_flags)]
        items = without_idle_ends(settled_boundaries(items))
        return joined(items if self._is_whole else rarest(items))

    def _sequence(self, nodes: Iterable[Node], flags: int) -> list[Item]:
        items = (self._item(kind, value, flags) for kind, value in nodes)
        return settled_boundaries([item for item in items if item is not None])

    def _group(self, nodes: Iterable[Node], flags: int) -> Item:
        items = self._sequence(nodes, flags)
        return items[0] if len(items) == 1 and items[0].chars is not None else joined(items)

    def _item(self, kind: Any, value: Any, flags: int) -> Item | None:  # noqa: ANN401 a node's two parts
        if (chars := chars_of(kind, value, flags)) is not None:
            return self._repeated(chars, 1, 1)
        if kind in _REPEATS:
            return self._repeat(value, flags)
        if alternatives := branches(kind, value):
            return _choice([self._group(branch, flags) for branch in alternatives])
        if kind is sre.SUBPATTERN:
            return self._group(value[3], flags_within(flags, value))
        if kind is sre.ATOMIC_GROUP:
            return self._group(value, flags)
        return self._position(value) if kind is sre.AT else self._special(kind, value)

    def _special(self, kind: Any, value: Any) -> Item | None:  # noqa: ANN401 a node's two parts
        if kind is sre.LITERAL:
            return Item("".join(map(_escaped, chr(value).encode())), is_nullable=False, bits=BITS_BEYOND_ASCII, width=1)
        if kind is sre.GROUPREF:
            return self._repeated(ANYTHING, 0, sre.MAXREPEAT)
        if kind is sre.FAILURE:
            return self._repeated(NOTHING, 1, 1)
        if kind in {sre.ASSERT, sre.ASSERT_NOT}:
            return None
        raise NotImplementedError(f"{kind} {value}")

    @staticmethod
    def _position(where: Any) -> Item | None:  # noqa: ANN401 a node's argument
        if where in _STARTS:
            return Item("^", is_nullable=True, bits=POSITION_BITS, is_start=True)
        if where in _ENDS:
            return Item(r"\r?$", is_nullable=True, bits=POSITION_BITS, is_end=True)
        return Item(r"\b", is_nullable=True, is_boundary=True) if where is sre.AT_BOUNDARY else None

    def _repeat(self, value: tuple[int, int, Nodes], flags: int) -> Item:
        low, high, nodes = value
        if len(nodes) == 1 and (chars := chars_of(*nodes[0], flags)) is not None:
            return self._repeated(chars, low, high)
        self._depth += 1
        if self._depth > _MOST_NESTED:
            raise TooWideError("it is nested too deep")
        inner = self._group(nodes, flags)
        self._depth -= 1
        if not inner.text:
            return inner
        most_repeats = max(1, _MOST_REPEATS // max(1, len(inner.text)))
        least, most = min(low, most_repeats), high if high <= most_repeats else sre.MAXREPEAT
        return Item(
            f"(?:{inner.text}){_counts(least, most)}", low == 0 or inner.is_nullable, inner.bits * least, inner.width * least
        )

    def _repeated(self, chars: Chars, low: int, high: int) -> Item:
        """Write a set of characters, repeated, as a set of bytes that may take more repetitions."""
        self.is_folded |= chars.is_folded
        one = _one_of(chars, spans_lines=self._spans_lines)
        bits = low * one.bits
        low = min(low, _MOST_REPEATS)
        high = high * one.width if high * one.width <= _MOST_REPEATS else sre.MAXREPEAT
        least = one.text + _counts(low, low) if low else ""
        is_loose = high == sre.MAXREPEAT and one.is_loose
        return Item(one.text + _counts(low, high), low == 0, bits, low, chars, least, is_loose=is_loose)


class _Class(NamedTuple):
    """A set of characters as a set of bytes: up to `width` of them are one character, `bits` say how rare one is."""

    text: str
    width: int
    bits: float
    is_loose: bool


@lru_cache(maxsize=1024)
def _one_of(chars: Chars, *, spans_lines: bool) -> _Class:
    codes, width = set(chars.ascii), 4 if chars.is_wide else 1
    if not spans_lines:
        codes.discard(_NEWLINE)
    elif _NEWLINE in codes:  # which may be two bytes
        codes.add(_RETURN)
        width = max(width, 2)
    is_loose = len(codes) >= _LOOSE_CODES
    return _Class(_class_of(codes, is_wide=chars.is_wide), width, rarity(codes, is_wide=chars.is_wide), is_loose)


def _choice(alternatives: Sequence[Item]) -> Item:
    text = f"(?:{'|'.join(item.text for item in alternatives)})"
    commonest = min(alternatives, key=lambda item: item.bits)
    return Item(text, any(item.is_nullable for item in alternatives), commonest.bits, commonest.width)


def _spliced(nodes: Iterable[Node], flags: int) -> Iterator[tuple[Any, Any, int]]:
    """Give a sequence with the groups in it opened, and the flags that hold for each part."""
    for kind, value in nodes:
        if kind is sre.SUBPATTERN:
            yield from _spliced(value[3], flags_within(flags, value))
        else:
            yield kind, value, flags


def chars_of(kind: Any, value: Any, flags: int) -> Chars | None:  # noqa: ANN401 the parser's own nodes
    """Give the set of characters that a node stands for, None if it is something else."""
    ignores_case, is_ascii = bool(flags & IGNORECASE), bool(flags & ASCII)
    if kind is sre.LITERAL:
        is_itself = value > LAST_ASCII and _is_written(value) and not (ignores_case and _has_cases(value))
        return None if is_itself else of_literal(value, ignores_case=ignores_case)
    if kind is sre.NOT_LITERAL:
        return of_items([(sre.NEGATE, None), (sre.LITERAL, value)], ignores_case=ignores_case, is_ascii=is_ascii)
    if kind is sre.ANY:
        return ANYTHING if flags & DOTALL else _NO_NEWLINE
    if kind is sre.IN:
        return of_items(value, ignores_case=ignores_case, is_ascii=is_ascii)
    return None


def _is_written(code: int) -> bool:
    """Say whether the character stands in a log with bytes of its own: what cannot be decoded does not, nor does a surrogate."""
    return code != _REPLACEMENT and not 0xD800 <= code <= 0xDFFF  # noqa: PLR2004 the surrogates


def _has_cases(code: int) -> bool:
    return not chr(code).lower() == chr(code) == chr(code).upper()


def _class_of(codes: Iterable[int], *, is_wide: bool) -> str:
    members = sorted({*codes, *(range(0x80, 0x100) if is_wide else ())})
    if not members:
        return r"\x00"  # nothing: no line holds what was asked for
    if len(members) == 1:
        return _escaped(members[0])
    ranges: list[list[int]] = []
    for code in members:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return f"[{''.join(_escaped(low) if low == high else f'{_escaped(low)}-{_escaped(high)}' for low, high in ranges)}]"


def _escaped(code: int) -> str:
    return chr(code) if code <= LAST_ASCII and chr(code).isalnum() else f"\\x{code:02x}"


def _counts(low: int, high: int) -> str:
    if high == sre.MAXREPEAT:
        return {0: "*", 1: "+"}.get(low, f"{{{low},}}")
    if low == high:
        return "" if low == 1 else f"{{{low}}}"
    return "?" if (low, high) == (0, 1) else f"{{{low},{high}}}"
