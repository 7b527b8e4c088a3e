"""What the standard library's parser makes of an expression.

The parser is private to `re`, and the only one that knows the whole dialect. All that is used of it stands here and in the names
of its constants; whatever it gives that is not known raises NotImplementedError, and the rule is searched by `re` alone.
"""

import re
import warnings
from collections.abc import Sequence
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined,unused-ignore]
from typing import Any

Node = tuple[Any, Any]
"""An operation (a constant of `sre`) and its arguments."""

Nodes = Sequence[Node]

__all__ = [
    "ASCII",
    "DOTALL",
    "GREEDY_OR_LAZY",
    "IGNORECASE",
    "MULTILINE",
    "Node",
    "Nodes",
    "branches",
    "flags_within",
    "inside",
    "parse",
    "sre",
]

# As numbers: the enumeration that `re` has makes a new object for every question.
ASCII, DOTALL, IGNORECASE, MULTILINE = int(re.ASCII), int(re.DOTALL), int(re.IGNORECASE), int(re.MULTILINE)
_ALPHABETS = int(re.ASCII | re.LOCALE | re.UNICODE)
"""One of them holds; to set one is to end the others."""

GREEDY_OR_LAZY = {sre.MAX_REPEAT, sre.MIN_REPEAT}


def parse(pattern: str) -> tuple[Nodes, int]:
    """Give the sequence of nodes and the flags that hold for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said when the rule was declared
        parsed = _parser.parse(pattern)
    return parsed, parsed.state.flags


def flags_within(flags: int, group: tuple[Any, int, int, Nodes]) -> int:
    """Give the flags that hold within a group, from those around it."""
    _, added, removed, _ = group
    kept = flags & ~_ALPHABETS if added & _ALPHABETS else flags
    return (kept | added) & ~removed


def branches(kind: Any, value: Any) -> Sequence[Nodes]:  # noqa: ANN401 a node's two parts
    """Give the alternatives of a node, none if it has no alternatives."""
    if kind is sre.BRANCH:
        return list(value[1])
    return [branch or () for branch in value[1:]] if kind is sre.GROUPREF_EXISTS else ()


def inside(kind: Any, value: Any) -> Sequence[Nodes]:  # noqa: ANN401 a node's two parts
    """Give the sequences within a node that is no repetition."""
    if kind is sre.SUBPATTERN:
        return (value[3],)
    if kind in {sre.ASSERT, sre.ASSERT_NOT}:
        return (value[1],)
    return (value,) if kind is sre.ATOMIC_GROUP else branches(kind, value)
