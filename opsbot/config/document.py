"""A configuration file as it was read: plain values, and the line of each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opsbot.core.errors import Problem

KeyPath = tuple[str | int, ...]
"""Where a value stands: keys of mappings and positions in lists, from the top."""

MASK = "***"


def key_of(path: KeyPath) -> str:
    """Write a path as an operator reads it.

    >>> key_of(("operations", "errors", "tell", 0))
    'operations.errors.tell[0]'
    """
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One configuration file after `${ENV}` and `*_file`, before it is held against the models.

    `lines` has a line (from 1) for every value there is. `secrets` are all texts that came from the environment or a secret file
    or stand under a secret key. `tainted` are the values that hold one: they must not be quoted. `broken` are the values that are
    None because of a problem that is known already.
    """

    file: str = ""
    folder: Path = field(default_factory=Path)
    values: Mapping[str, object] = field(default_factory=dict)
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    tainted: frozenset[KeyPath] = frozenset()
    broken: frozenset[KeyPath] = frozenset()

    def has(self, *path: str | int) -> bool:
        """Say whether the file has a value at this path, whatever it is."""
        return path in self.lines

    def line_of(self, path: KeyPath) -> int:
        """Give the line of a value, or of the nearest one around it if it is not there."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1

    def problem(self, path: KeyPath, reason: str, allowed: str = "") -> Problem:
        """Make a problem of the value at this path."""
        return Problem(self.file, self.line_of(path), key_of(path) or "file", reason, allowed)

    def quoted(self, path: KeyPath, text: str) -> str:
        """Give the text for a message about the value at this path, or a mask if it holds a secret."""
        return MASK if path in self.tainted else text

    def masked(self, text: str) -> str:
        """Replace every secret in the text, also where it was escaped by `repr`."""
        forms = {form for secret in self.secrets for form in (secret, repr(secret)[1:-1]) if form}
        if not forms:
            return text
        return re.sub("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)), MASK, text)
