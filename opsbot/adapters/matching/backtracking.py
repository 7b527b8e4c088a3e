"""How long `re` may take over a text in the worst case.

`re` tries one way after the other. Repetitions that can share characters with what follows them multiply the ways: one of them
makes the time grow with the square of the text's length, two with the cube, one inside another with a power of two.
"""

from collections.abc import Sequence
from typing import Any

from opsbot.adapters.matching.charset import ANYTHING, NOTHING, Chars
from opsbot.adapters.matching.superset import chars_of
from opsbot.adapters.matching.syntax import GREEDY_OR_LAZY, Nodes, branches, flags_within, inside, parse, sre

_STEPS = 30_000_000
"""About a third of a second of one core."""
_LONGEST = 1 << 40
_FEW = 64


def longest_safe_text(pattern: str) -> int:
    """Give the length (characters) up to which a search surely ends soon; 0: no length is safe."""
    nodes, flags = parse(pattern)
    try:
        degree = _sequence(nodes, flags, NOTHING)
    except (_EndlessError, NotImplementedError):
        return 0
    # The search begins at every character anew, and a repetition alone may run to the end from each of them.
    power = max(degree, int(_repeats(nodes))) + 1
    return int(_STEPS ** (1 / power)) if power > 1 else _LONGEST


class _EndlessError(Exception):
    """The time may double with every character."""


def _sequence(nodes: Nodes, flags: int, follow: Chars) -> int:
    """Count the repetitions on the worst way that may give characters to what follows; `follow` may come after the sequence."""
    degree, after = 0, follow
    for kind, value in reversed(list(nodes)):
        degree += _degree(kind, value, flags, after)
        first, is_nullable = _first(kind, value, flags)
        after = first | after if is_nullable else first
    return degree


def _degree(kind: Any, value: Any, flags: int, follow: Chars) -> int:  # noqa: ANN401 the parser's own nodes
    if kind in GREEDY_OR_LAZY:
        return _of_repeat(value, flags, follow)
    if kind is sre.SUBPATTERN:
        return _sequence(value[3], flags_within(flags, value), follow)
    if kind in {sre.ASSERT, sre.ASSERT_NOT}:
        return _sequence(value[1], flags, ANYTHING)
    if kind is sre.ATOMIC_GROUP:
        return _sequence(value, flags, NOTHING)
    if kind is sre.POSSESSIVE_REPEAT:
        return _sequence(value[2], flags, ANYTHING)
    return max((_sequence(branch, flags, follow) for branch in branches(kind, value)), default=0)


def _of_repeat(value: tuple[int, int, Nodes], flags: int, follow: Chars) -> int:
    low, high, nodes = value
    if len(nodes) == 1 and (chars := chars_of(*nodes[0], flags)) is not None:
        return int(high != low and chars.overlaps(follow))
    first, is_nullable = _first_of_sequence(nodes, flags)
    inner = _sequence(nodes, flags, first | follow if high > 1 else follow)
    if high > 1 and (inner or is_nullable or _has_choice(nodes)):
        raise _EndlessError
    return inner + int(high != low and first.overlaps(follow))


def _repeats(nodes: Nodes) -> bool:
    """Say whether anything is repeated without a small bound."""
    for kind, value in nodes:
        if kind in GREEDY_OR_LAZY or kind is sre.POSSESSIVE_REPEAT:
            if value[1] > _FEW or _repeats(value[2]):
                return True
        elif kind is sre.GROUPREF or any(_repeats(inner) for inner in inside(kind, value)):
            return True
    return False


def _has_choice(nodes: Nodes) -> bool:
    """Say whether something within may be read in two ways: those ways multiply with every repetition."""
    for kind, value in nodes:
        if kind in {sre.BRANCH, sre.GROUPREF, sre.GROUPREF_EXISTS}:
            return True
        if any(_has_choice(inner) for inner in inside(kind, value)) or (kind in GREEDY_OR_LAZY and _has_choice(value[2])):
            return True
    return False


def _first_of_sequence(nodes: Nodes, flags: int) -> tuple[Chars, bool]:
    """Give the characters a sequence may begin with, and whether it may be empty."""
    chars = NOTHING
    for kind, value in nodes:
        first, is_nullable = _first(kind, value, flags)
        chars |= first
        if not is_nullable:
            return chars, False
    return chars, True


def _first(kind: Any, value: Any, flags: int) -> tuple[Chars, bool]:  # noqa: ANN401 the parser's own nodes
    if (chars := chars_of(kind, value, flags)) is not None:
        return chars, False
    if kind is sre.LITERAL:
        return Chars(frozenset(), is_wide=True), False
    if kind in GREEDY_OR_LAZY or kind is sre.POSSESSIVE_REPEAT:
        first, is_nullable = _first_of_sequence(value[2], flags)
        return first, is_nullable or value[0] == 0
    if kind is sre.SUBPATTERN:
        flags = flags_within(flags, value)
    if kind not in {sre.ASSERT, sre.ASSERT_NOT} and (sequences := inside(kind, value)):
        return _any_of([_first_of_sequence(sequence, flags) for sequence in sequences])
    # A position may fail like a character that is not there: what stands before it gives back in vain, or not.
    return ANYTHING, True


def _any_of(firsts: Sequence[tuple[Chars, bool]]) -> tuple[Chars, bool]:
    chars = NOTHING
    for first, _ in firsts:
        chars |= first
    return chars, any(is_nullable for _, is_nullable in firsts)
