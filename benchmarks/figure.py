"""One measured figure, and the statistics behind it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A line of the README's table; `peer` says what the named peer did in the same run, and the ratio."""

    what: str
    measured: str
    target: str
    peer: str = ""

    def row(self) -> str:
        """Write it as a line of a Markdown table."""
        return f"| {self.what} | {self.measured} | {self.target} | {self.peer} |"


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value below which `share` (0..1) of the values lie, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
