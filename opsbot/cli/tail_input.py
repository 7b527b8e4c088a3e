"""What `opsbot tail` is told: patterns, how lines become records, and positions; what is wrong with it is said with the mend."""

import glob
import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from opsbot.cli.tail_output import complain
from opsbot.core.log import Checkpoint, Multiline

MODES = {"none": None, "python": Multiline(kind="python"), "java": Multiline(kind="java")}
MAGIC = re.compile(r"[*?[]")

_FOLLOWS = "it follows by name, through rotation, unless --no-follow is given; leave it out"
_BEGINS = "it begins at the end of a file, or at its beginning with --from-start; leave it out"
_OF_TAIL = {
    **dict.fromkeys(("-F", "--follow", "--retry"), _FOLLOWS),
    **dict.fromkeys(("-n", "--lines", "-c", "--bytes", *(f"-{digit}" for digit in range(10))), _BEGINS),
}
_PRINTED_BY = {".gz": "zcat", ".xz": "xzcat", ".bz2": "bzcat", ".zst": "zstdcat", ".lz4": "lz4cat", ".zip": "unzip -p"}


class TailCommand(click.Command):
    """A command that answers the options of other programs' tail with what to write instead."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command.parse_args`."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as exc:
            if exc.option_name not in _OF_TAIL:
                raise
            raise click.UsageError(f"{exc.option_name}: {_OF_TAIL[exc.option_name]}", ctx) from exc


def check_patterns(patterns: Sequence[str], rule_files: Sequence[Path]) -> None:
    """Refuse what somebody writes who thinks of tail or grep, with the words that are meant."""
    if rule_files and (not patterns or str(rule_files[0]).startswith("-")):
        meant = patterns[-1] if patterns else rule_files[0]
        what = f"{rule_files[0]} is none" if patterns else "no PATTERN is left"
        raise click.UsageError(f"-f names a file of rules, and {what}. To follow a log: opsbot tail {meant}, without an option")
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
            complain(f"{path}: compressed, and left out; to read it: {_reading(path)}")
    plain = tuple(path for path in absolute if not path.endswith(COMPRESSED))
    if not plain:
        raise click.UsageError("there is nothing to read but compressed files")
    return plain


def _reading(path: str) -> str:
    """Say how a compressed file, or those that a glob means, can be read."""
    program = next(program for suffix, program in _PRINTED_BY.items() if path.endswith(suffix))
    name = path if MAGIC.search(path) else shlex.quote(path)
    return f"{program} {name} > old.log, then opsbot tail --no-follow old.log"


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
