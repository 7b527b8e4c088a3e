"""What `opsbot tail` is told: patterns, how lines become records, and positions; what is wrong with it is said with the mend."""

import glob
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from opsbot.cli.tail_output import complain
from opsbot.core.log import Checkpoint, Multiline

MODES = {"none": None, "python": Multiline(kind="python"), "java": Multiline(kind="java")}
MAGIC = re.compile(r"[*?[]")


def check_patterns(patterns: Sequence[str], rule_files: Sequence[Path]) -> None:
    """Refuse what somebody writes who thinks of tail or grep, with the words that are meant."""
    if not patterns and rule_files:
        meant = f"opsbot tail {rule_files[0]}"
        raise click.UsageError(f"no PATTERN is left: -f names a file of rules. To follow a log: {meant}, without an option")
    if not patterns:
        raise click.UsageError("no PATTERN: which log, as in opsbot tail app.log")
    if "-" in patterns:
        raise click.UsageError("'-': stdin cannot be read, only files; ./- is a file of that name")


def plain_patterns(patterns: Sequence[str]) -> tuple[str, ...]:
    """Resolve the patterns, without the compressed files that a shell found: they are rotations and no logs of their own."""
    from opsbot.adapters.sources.file.place import COMPRESSED  # noqa: PLC0415

    absolute = [_absolute(pattern) for pattern in patterns]
    for path in absolute:
        if path.endswith(COMPRESSED):
            complain(f"{path}: compressed; left out")
    plain = tuple(path for path in absolute if not path.endswith(COMPRESSED))
    if not plain:
        raise click.UsageError("there is nothing to read but compressed files; zcat reads them")
    return plain


def _absolute(pattern: str) -> str:
    """Resolve a pattern; the name of a file that is there is no pattern, whatever characters it has."""
    # A quoted ~ is not expanded by the shell. abspath, not Path: it keeps what Path would tidy up.
    path = os.path.abspath(os.path.expanduser(pattern))  # noqa: PTH100, PTH111
    return glob.escape(path) if MAGIC.search(path) and os.path.exists(path) else path  # noqa: PTH110


def multiline_of(mode: str) -> Multiline | None:
    """Say how lines become records; None: each line is one."""
    if mode in MODES:
        return MODES[mode]
    try:
        re.compile(mode)
    except re.error as exc:
        raise click.UsageError(f"--multiline {mode!r}: neither none, python nor java, and no regular expression: {exc}") from None
    return Multiline(kind="start", start=mode)


def read_positions() -> tuple[Checkpoint, ...]:
    """Read what whoever started us knows of earlier readings."""
    line = sys.stdin.buffer.readline()
    try:
        return tuple(
            Checkpoint(
                source="tail",
                path=str(each["path"]),
                device=int(each["device"]),
                inode=int(each["inode"]),
                offset=int(each["offset"]),
                marker=bytes.fromhex(each["marker"]),
                generation=str(each["generation"]),
            )
            for each in json.loads(line)["positions"]
        )
    except (ValueError, KeyError, TypeError) as exc:
        raise click.UsageError(f'--resume wants a line on stdin, at first {{"positions": []}}: {exc!r}') from None
