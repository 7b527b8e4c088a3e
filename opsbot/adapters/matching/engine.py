"""What looks through a block for places where rules may match."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Candidate = tuple[int, int]
"""`(end, number)`: expression `number` may match in the record that holds the byte before `end`."""


@dataclass(frozen=True, slots=True)
class Expression:
    """What an engine is asked for: an expression over bytes with multi-line anchors, and the number it is known by."""

    number: int
    pattern: bytes


class Engine(Protocol):
    """One way to search many expressions at once. Used by one thread at a time."""

    def candidates(self, block: bytes | memoryview) -> Sequence[Candidate]:
        """Give for each record and expression at least one of the places where it matches, and maybe others; in any order."""
        ...
