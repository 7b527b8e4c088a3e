"""How long `re` may take over a text in the worst case.

`re` tries one way after the other. Repetitions that can share characters with what follows them multiply the ways: one of them
makes the time grow with the square of the text's length, two with the cube, one inside another with a power of two.
"""

from collections.abc import Collection, Sequence
from math import factorial
from typing import Any, NamedTuple

from opsbot.adapters.matching.charset import ANYTHING, NOTHING, WIDE, Chars
from opsbot.adapters.matching.superset import chars_of
from opsbot.adapters.matching.syntax import GREEDY_OR_LAZY, MULTILINE, Nodes, branches, flags_within, inside, parse, sre

_STEPS = 30_000_000
"""About a third of a second of one core."""
_LONGEST = 1 << 40
_FEW = 64
_SOMETHING_WIDE = Chars(frozenset(), WIDE)
_SUCCESS = Chars(frozenset())
"""What follows the whole expression: nothing, and no giving back."""
_CHOICES = {sre.BRANCH, sre.GROUPREF, sre.GROUPREF_EXISTS}
"""These may be read in two ways: the ways multiply with every repetition."""
_LOOKS = {sre.ASSERT, sre.ASSERT_NOT}
_SINGLE = {sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN, sre.AT}


def longest_safe_text(pattern: str) -> int:
    """Give the length (characters) up to which a search surely ends soon; 0: no length is safe."""
    try:
        nodes, flags = parse(pattern)
        cost = _sequence(nodes, flags, ANYTHING, _SUCCESS).cost
    except (_EndlessError, NotImplementedError, RecursionError):
        return 0
    # Without an anchor all begins anew at every character. Places in order are fewer than places: hence the factorial.
    power = cost + (not _is_anchored(nodes, flags))
    return int((_STEPS * factorial(power)) ** (1 / power)) if power > 1 else _LONGEST


class _EndlessError(Exception):
    """The time may double with every character."""


class _Ways(NamedTuple):
    """How a part multiplies the time, as powers of the text's length."""

    exits: int
    """At so many places it may end, when what follows fails and it gives back."""
    cost: int
    """So long it takes, all exits included."""


_ONE_WAY = _Ways(0, 0)


def _is_anchored(nodes: Nodes, flags: int) -> bool:
    starts = (
        [(sre.AT, sre.AT_BEGINNING_STRING)]
        if flags & MULTILINE
        else [(sre.AT, sre.AT_BEGINNING_STRING), (sre.AT, sre.AT_BEGINNING)]
    )
    return len(nodes) > 0 and nodes[0] in starts


def _sequence(nodes: Nodes, flags: int, before: Chars, follow: Chars) -> _Ways:
    """Tell of a sequence; it may stand behind characters of `before`, and before those of `follow`."""
    follows = [follow]
    nodes = list(nodes)
    for kind, value in reversed(nodes):
        follows.append(_beside(_edge(kind, value, flags, 1), follows[-1]))
    exits = cost = 0
    for place, (kind, value) in enumerate(nodes):
        ways = _ways(kind, value, flags, before, follows[-2 - place])
        exits, cost = exits + ways.exits, max(cost, exits + ways.cost)
        before = _beside(_edge(kind, value, flags, -1), before)
    return _Ways(exits, cost)


def _beside(edge: tuple[Chars, bool], beyond: Chars) -> Chars:
    chars, is_nullable = edge
    return chars | beyond if is_nullable else chars


def _ways(kind: Any, value: Any, flags: int, before: Chars, follow: Chars) -> _Ways:  # noqa: ANN401 the parser's own nodes
    if kind in _SINGLE or kind in GREEDY_OR_LAZY:
        return _ONE_WAY if kind in _SINGLE else _of_repeat(value, flags, before, follow)
    if kind is sre.SUBPATTERN:
        return _sequence(value[3], flags_within(flags, value), before, follow)
    if kind in {sre.ASSERT, sre.ASSERT_NOT}:
        return _Ways(0, _sequence(value[1], flags, ANYTHING, NOTHING).cost)
    if kind is sre.ATOMIC_GROUP:
        return _Ways(0, _sequence(value, flags, before, NOTHING).cost)
    if kind is sre.POSSESSIVE_REPEAT:
        return _Ways(0, _of_repeat(value, flags, ANYTHING, NOTHING).cost)
    ways = [_sequence(branch, flags, before, follow) for branch in branches(kind, value)]
    return _Ways(
        max((each.exits for each in ways), default=0), max((each.cost for each in ways), default=int(kind is sre.GROUPREF))
    )


def _of_repeat(value: tuple[int, int, Nodes], flags: int, before: Chars, follow: Chars) -> _Ways:
    low, high, nodes = value
    if len(nodes) == 1 and (chars := chars_of(*nodes[0], flags)) is not None:
        if follow is _SUCCESS and low <= _FEW:
            return _ONE_WAY  # it is gone through once: nothing can fail behind it
        exits = int(high != low and chars.overlaps(follow))
        # Where it cannot begin within what it takes itself, all its runs together are no longer than the text.
        return _Ways(exits, exits or int(high > _FEW and chars.overlaps(before)))
    first, is_nullable = _edge_of_sequence(nodes, flags, 1)
    last, _ = _edge_of_sequence(nodes, flags, -1)
    is_again = high > 1
    inner = _sequence(nodes, flags, before | last if is_again else before, first | follow if is_again else follow)
    if is_again and (inner.exits or is_nullable or _contains(nodes, _CHOICES)):
        raise _EndlessError
    exits = inner.exits + int(high != low and first.overlaps(follow))
    # Of what it goes through it takes all but once, unless it only looks at it.
    looks = inner.cost if _contains(nodes, _LOOKS) else 0
    return _Ways(exits, max(inner.cost, exits, int(high > _FEW) + looks))


def _contains(nodes: Nodes, kinds: Collection[Any]) -> bool:
    for kind, value in nodes:
        if kind in kinds or any(_contains(inner, kinds) for inner in inside(kind, value)):
            return True
        if kind in GREEDY_OR_LAZY and _contains(value[2], kinds):
            return True
    return False


def _edge_of_sequence(nodes: Nodes, flags: int, step: int) -> tuple[Chars, bool]:
    """Give the characters a sequence may begin (or, with step -1, end) with, and whether it may be empty."""
    chars = NOTHING
    for kind, value in list(nodes)[::step]:
        edge, is_nullable = _edge(kind, value, flags, step)
        chars |= edge
        if not is_nullable:
            return chars, False
    return chars, True


def _edge(kind: Any, value: Any, flags: int, step: int) -> tuple[Chars, bool]:  # noqa: ANN401 the parser's own nodes
    if (chars := chars_of(kind, value, flags)) is not None:
        return chars, False
    if kind is sre.LITERAL:
        return _SOMETHING_WIDE, False
    if kind in GREEDY_OR_LAZY or kind is sre.POSSESSIVE_REPEAT:
        edge, is_nullable = _edge_of_sequence(value[2], flags, step)
        return edge, is_nullable or value[0] == 0
    if kind is sre.SUBPATTERN:
        flags = flags_within(flags, value)
    if kind not in {sre.ASSERT, sre.ASSERT_NOT} and (sequences := inside(kind, value)):
        return _any_of([_edge_of_sequence(sequence, flags, step) for sequence in sequences])
    # A position may fail like a character that is not there: what stands before it gives back in vain, or not.
    return ANYTHING, True


def _any_of(edges: Sequence[tuple[Chars, bool]]) -> tuple[Chars, bool]:
    chars = NOTHING
    for edge, _ in edges:
        chars |= edge
    return chars, any(is_nullable for _, is_nullable in edges)
