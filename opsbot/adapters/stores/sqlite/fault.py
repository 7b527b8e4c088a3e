"""What SQLite's errors mean to the operator."""

import sqlite3
from pathlib import Path

from opsbot.core.errors import StateError

PRIMARY_CODE_BITS = 0xFF  # sqlite.org/rescode.html, "primary result codes": the low byte, 2026-11

_MENDS = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space there",
    sqlite3.SQLITE_IOERR: "the disk failed or has no space left: look at `df` and the kernel log",
    sqlite3.SQLITE_READONLY: "it may not be written: give it to the user opsbot runs as",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: give the directory to the user opsbot runs as",
    sqlite3.SQLITE_PERM: "it may not be used: give it to the user opsbot runs as",
    sqlite3.SQLITE_BUSY: "another program holds it: end that program",
    sqlite3.SQLITE_LOCKED: "another program holds it: end that program",
    sqlite3.SQLITE_PROTOCOL: "the file system does not lock files: keep the state directory on a local disk",
}

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def damaged(path: Path | None, detail: str) -> StateError:
    """Say that the file is no database any more, and the mend.

    Nothing is moved away by itself: the file says what was not sent yet and how far the logs were read.
    """
    return StateError(
        f"{path}: the database is damaged ({detail}). Stop opsbot, then restore the file from a backup, or salvage it "
        "with `sqlite3 FILE .recover`, or move it away together with its -wal and -shm to start empty: "
        "what was not sent yet is then lost, and logs are read from where they stand"
    )


def gone(path: Path) -> StateError:
    """Say that what is written would be lost, and the mend."""
    return StateError(
        f"{path}: was deleted or replaced while opsbot was using it. Stop opsbot before you touch its state; "
        "what was not sent yet is lost with it, and logs are read from where they stand"
    )


def as_state_error(exc: sqlite3.Error, path: Path | None) -> StateError | None:
    """Give the StateError that an error of SQLite means, None when it is a bug of ours."""
    code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & PRIMARY_CODE_BITS
    if code in _DAMAGED:
        return damaged(path, str(exc))
    mend = _MENDS.get(code)
    return StateError(f"{path}: {mend} ({exc})") if mend else None
