"""Parts of a translated expression, and which of them are worth asking an engine for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf, log2

from opsbot.adapters.matching.charset import Chars

POSITION_BITS = 7.0
BITS_BEYOND_ASCII = 6.0
_SPACE = ord(" ")
_BITS_OF_WORDS = 2.0
_BITS_OF_OTHERS = 4.0
_BITS_PER_WIDTH = 3.0
_RARE_BITS = 30.0
"""Fifteen lower-case letters, or eight digits."""


@dataclass(slots=True)
class Item:
    """A part of a sequence, translated.

    `bits` say how rare it is: of 2 to that power places about one matches; `width` is the least number of characters. `chars` are
    what it matches when it is one character, repeated or not; `least` is the same with as few repetitions as may be. `is_loose`
    marks a repetition of nearly everything.
    """

    text: str
    is_nullable: bool
    bits: float = 0.0
    width: int = 0
    chars: Chars | None = None
    least: str = ""
    is_start: bool = False
    is_end: bool = False
    is_boundary: bool = False
    is_loose: bool = False

    @property
    def gain(self) -> float:
        """How much asking for it narrows the search, less what looking at it costs."""
        return self.bits - _BITS_PER_WIDTH * self.width

    @property
    def is_idle(self) -> bool:
        """Whether it need not be there when it stands first or last."""
        return self.is_nullable and self.chars is not None


def joined(items: Sequence[Item]) -> Item:
    """Make one part of a sequence."""
    text = "".join(item.text for item in items)
    is_nullable = all(item.is_nullable for item in items)
    bits, width = sum(item.bits for item in items), sum(item.width for item in items)
    return Item(f"(?:{text})" if text else "", is_nullable, bits, width)


def rarity(codes: Iterable[int], *, is_wide: bool) -> float:
    """Give the bits of one character: how rare one of these is in logs, where words repeat themselves and numbers do not."""
    share = sum(2.0**-_BITS_OF_WORDS if chr(code).islower() or code == _SPACE else 2.0**-_BITS_OF_OTHERS for code in codes)
    return max(0.0, -log2(share + (2.0**-_BITS_OF_OTHERS if is_wide else 0.0) or 1.0))


def settled_boundaries(items: Sequence[Item]) -> list[Item]:
    r"""Keep `\b` only beside an ASCII word character: elsewhere bytes and characters disagree about it."""
    kept = []
    for place, item in enumerate(items):
        beside = [*items[max(0, place - 1) : place], *items[place + 1 : place + 2]]
        if not item.is_boundary or any(one.chars is not None and one.chars.is_word and not one.is_nullable for one in beside):
            kept.append(item)
    return kept


def rarest(items: Sequence[Item]) -> Sequence[Item]:
    """Give a short part without loose repetitions that is rare enough to be asked for alone, else everything."""
    windows = [window for part in _firm_parts(items) if (window := _window(part)) is not None]
    best = max(windows, key=lambda window: sum(item.gain for item in window), default=items)
    return without_idle_ends(best)


def _window(part: Sequence[Item]) -> Sequence[Item] | None:
    """Give the place of a part where the rarest characters are, widened until it is rare enough; None if the part is not."""
    if sum(item.bits for item in part) < _RARE_BITS:
        return None
    first, last = _densest(part)
    bits = sum(item.bits for item in part[first:last])
    while bits < _RARE_BITS:
        is_before = first > 0 and (last == len(part) or part[first - 1].bits >= part[last].bits)
        first, last = (first - 1, last) if is_before else (first, last + 1)
        bits += part[first if is_before else last - 1].bits
    return part[first:last]


def _densest(part: Sequence[Item]) -> tuple[int, int]:
    """Find the run with the greatest gain (Kadane's algorithm)."""
    best_gain, best, first, gain = -inf, (0, 0), 0, 0.0
    for place, item in enumerate(part):
        if gain <= 0:
            first, gain = place, 0.0
        gain += item.gain
        if gain > best_gain:
            best_gain, best = gain, (first, place + 1)
    return best


def _firm_parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    first = 0
    for place, item in enumerate(items):
        if item.is_loose:
            yield items[first:place]
            first = place + 1
    yield items[first:]


def without_idle_ends(items: Sequence[Item]) -> list[Item]:
    """Leave out what need not be there at either end; what is left is found wherever the whole is."""
    first, last = 0, len(items)
    while first < last and (items[first].is_idle or (items[first].is_start and first + 1 < last and items[first + 1].is_idle)):
        first += 1
    while first < last and (items[last - 1].is_idle or (items[last - 1].is_end and first + 1 < last and items[last - 2].is_idle)):
        last -= 1
    kept = [*items[first:last]]
    for place in {0, len(kept) - 1} if kept else ():
        if kept[place].chars is not None:
            kept[place] = replace(kept[place], text=kept[place].least)
    return kept
