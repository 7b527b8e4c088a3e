"""Prometheus text, exposition format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats, read 2026-11)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(slots=True)
class Family:
    """One metric with all its series. Series with the same labels are added up: twice the same would void the whole answer."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    series: dict[tuple[tuple[str, str], ...], float] = field(default_factory=dict)

    def add(self, value: float, /, **labels: str) -> None:
        """Add a series, or to it; the order of the labels is kept."""
        key = tuple(labels.items())
        self.series[key] = self.series.get(key, 0) + value

    def lines(self) -> Iterable[str]:
        """Write it down."""
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.series.items():
            yield f"{self.name}{_braced(dict(labels))} {_number(value)}"


def exposition(families: Iterable[Family]) -> str:
    """Write down what has series."""
    return "".join(f"{line}\n" for family in families if family.series for line in family.lines())


def _braced(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    r"""Write a label's value as the format wants it: a pattern may hold anything, half a surrogate pair included.

    >>> print(_escaped('say "C:\\x"\n'))
    say \"C:\\x\"\n
    """
    return value.encode("utf-8", "replace").decode().translate(_ESCAPES)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 3))
