"""Hyperscan (its fork Vectorscan, in the wheel `hyperscan`): all expressions in one pass, at the speed of memory."""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import structlog

from opsbot.adapters.matching.cpu import lacks
from opsbot.adapters.matching.engine import Candidate, Expression

if TYPE_CHECKING:
    import hyperscan

_log = structlog.get_logger(__name__)

_BEHIND = b"\n\n"
_END_BYTES = 1024
_KEPT = 64
"""So many compiled sets of rules stay in the cache."""


class HyperscanUnavailableError(Exception):
    """It is not installed, or does not run here; the text says why."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """The engine, and which expressions it took: exactly, or only widened (`prefiltered`)."""

    engine: "HyperscanEngine"
    exact: frozenset[int]
    prefiltered: frozenset[int]


class HyperscanEngine:
    r"""One compiled set of expressions, with its own scratch memory.

    Vectorscan 5.4.12 misses some matches that end with the block or a byte before it (`a\r?$`; `ab` beside `^b`). What stands at
    the end is therefore scanned with something behind it: short blocks whole, of long ones the last lines once more.
    """

    def __init__(self, database: "hyperscan.Database", *, spans_lines: bool) -> None:
        """Take over the database; `spans_lines` when expressions may match line ends."""
        self._database = database
        self._spans_lines = spans_lines

    def candidates(self, block: bytes | memoryview) -> Sequence[Candidate]:
        """Scan a block; the interpreter is free for others meanwhile."""
        size = len(block)
        if size <= _END_BYTES or self._spans_lines:
            return self._scan(bytes(block) + _BEHIND, 0, size)
        end = bytes(block[size - _END_BYTES :])
        before_last = end.rfind(b"\n", 0, -1)
        start = end.rfind(b"\n", 0, max(0, before_last)) + 1
        start = size - _END_BYTES + start if start else 0  # two last lines that long are rare
        return [*self._scan(block, 0, size), *self._scan(bytes(block[start:]) + _BEHIND, start, size)]

    def _scan(self, data: bytes | memoryview, start: int, size: int) -> list[Candidate]:
        found: list[Candidate] = []
        take = found.append

        def on_match(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            take((min(start + end, size), number))

        self._database.scan(data, match_event_handler=on_match)  # type: ignore[type-var] # any buffer will do
        return found


def compile_expressions(
    expressions: Sequence[Expression], cache_dir: Path | None = None, *, spans_lines: bool = False
) -> Compiled:
    """Compile, or take from the cache, as many of the expressions as the engine takes. Blocking, about a millisecond for each.

    Raises:
        HyperscanUnavailableError: it is not installed, or does not run on this processor.
    """
    library = _library()
    cache = _Cache(library, cache_dir, expressions) if cache_dir else None
    kept = cache.load(spans_lines=spans_lines) if cache else None
    if kept is not None:
        return kept
    database, exact, prefiltered = _compile(library, expressions)
    if cache and database is not None:
        cache.store(database, exact, prefiltered)
    return Compiled(
        HyperscanEngine(database or library.Database(), spans_lines=spans_lines), frozenset(exact), frozenset(prefiltered)
    )


def _library() -> ModuleType:
    if missing := lacks():
        raise HyperscanUnavailableError(f"this processor has no {missing}")
    try:
        import hyperscan  # noqa: PLC0415 an extra
    except ImportError as exc:
        raise HyperscanUnavailableError("hyperscan is not installed: pip install 'opsbot[fast]'") from exc
    return hyperscan


def _compile(library: ModuleType, expressions: Sequence[Expression]) -> tuple["hyperscan.Database | None", set[int], set[int]]:
    every = {each.number for each in expressions}
    try:
        return _database(library, expressions, set()), every, set()
    except library.error:
        pass  # it does not say which one it does not take
    exact = {each.number for each in expressions if _is_taken(library, each, set())}
    widened = {each.number for each in expressions if each.number not in exact and _is_taken(library, each, {each.number})}
    taken = [each for each in expressions if each.number in exact | widened]
    try:
        return (_database(library, taken, widened) if taken else None), exact, widened
    except library.error:  # each for itself, but not together
        return None, set(), set()


def _is_taken(library: ModuleType, expression: Expression, widened: set[int]) -> bool:
    try:
        _database(library, [expression], widened)
    except library.error:
        return False
    return True


def _database(library: ModuleType, expressions: Sequence[Expression], widened: set[int]) -> "hyperscan.Database":
    database: hyperscan.Database = library.Database()
    plain = library.HS_FLAG_MULTILINE
    database.compile(
        expressions=[each.pattern for each in expressions],
        ids=[each.number for each in expressions],
        elements=len(expressions),
        flags=[plain | library.HS_FLAG_PREFILTER if each.number in widened else plain for each in expressions],
    )
    return database


class _Cache:
    """A file per set of expressions; a file that cannot be used is compiled anew and written over."""

    def __init__(self, library: ModuleType, folder: Path, expressions: Sequence[Expression]) -> None:
        """Name the file after everything that the compiled form depends on."""
        self._library = library
        self._folder = folder
        asked = json.dumps([[each.number, each.pattern.decode("ascii")] for each in expressions])
        known = f"{library.__version__} {os.uname().machine}\n{asked}"
        self._path = folder / f"{hashlib.sha256(known.encode()).hexdigest()[:32]}.hsdb"

    def load(self, *, spans_lines: bool) -> Compiled | None:
        try:
            digest, _, rest = self._path.read_bytes().partition(b"\n")
            if hashlib.sha256(rest).hexdigest().encode() != digest:
                return None
            head, _, body = rest.partition(b"\n")
            exact, prefiltered = json.loads(head)
            database = self._library.loadb(body, self._library.HS_MODE_BLOCK)
            database.scratch = self._library.Scratch(database)
            self._path.touch()
        except (OSError, ValueError, TypeError, self._library.error):
            return None
        return Compiled(HyperscanEngine(database, spans_lines=spans_lines), frozenset(exact), frozenset(prefiltered))

    def store(self, database: "hyperscan.Database", exact: set[int], prefiltered: set[int]) -> None:
        kept = json.dumps([sorted(exact), sorted(prefiltered)]).encode() + b"\n" + self._library.dumpb(database)
        # Sources in other threads, and daemons in other containers with the same process number, may write the same.
        part = self._path.with_suffix(f".{secrets.token_hex(8)}.part")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.write_bytes(hashlib.sha256(kept).hexdigest().encode() + b"\n" + kept)
            part.replace(self._path)
            files = sorted(self._folder.glob("*.hsdb"), key=lambda path: path.stat().st_mtime, reverse=True)
            for old in files[_KEPT:]:
                old.unlink(missing_ok=True)
        except OSError as exc:  # full or read-only: the rules are compiled again next time
            with contextlib.suppress(OSError):
                part.unlink()
            _log.warning("rules_not_cached", path=str(self._path), reason=exc.strerror)
