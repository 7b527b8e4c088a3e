"""The tables, their version, and how the file is opened."""

import os
import sqlite3
from pathlib import Path

from opsbot.adapters.stores.sqlite.fault import damaged
from opsbot.core.errors import StateError
from opsbot.core.log import marker_of

SCHEMA_VERSION = 2
BUSY_TIMEOUT_MS = 5000
WAL_LIMIT_BYTES = 16 * 1024 * 1024

# The outputs have a table of their own: an attempt rewrites the row of its delivery, and should not rewrite megabytes with it.
# Every index follows one question of outbox.py; the conditions must be spelled there as they are here.
TABLES = (
    """CREATE TABLE checkpoint (
        source TEXT NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL,
        path TEXT NOT NULL, position INTEGER NOT NULL, marker BLOB NOT NULL,
        generation TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (source, device, inode)) WITHOUT ROWID""",
    """CREATE TABLE delivery (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        channel TEXT NOT NULL, chat_id TEXT NOT NULL, is_room INTEGER NOT NULL,
        notice_id TEXT NOT NULL, scene TEXT NOT NULL, key TEXT NOT NULL, severity TEXT NOT NULL,
        created_at INTEGER NOT NULL, not_before INTEGER NOT NULL, expires_at INTEGER,
        is_reply INTEGER NOT NULL, supersedes INTEGER NOT NULL, rank INTEGER NOT NULL, edits INTEGER NOT NULL,
        state TEXT NOT NULL, attempts INTEGER NOT NULL, maybe_sent INTEGER NOT NULL,
        in_flight INTEGER NOT NULL DEFAULT 0,
        sent_message_id TEXT NOT NULL, reason TEXT NOT NULL)""",
    """CREATE TABLE output (
        delivery_id INTEGER PRIMARY KEY REFERENCES delivery (id) ON DELETE CASCADE,
        kind TEXT NOT NULL, fields TEXT NOT NULL, content BLOB)""",
    "CREATE VIEW outbox AS SELECT * FROM delivery JOIN output ON delivery_id = id",
    "CREATE INDEX delivery_pending ON delivery (channel) WHERE state = 'pending'",
    "CREATE INDEX delivery_retry ON delivery (channel, chat_id) WHERE state = 'pending' AND attempts > 0",
    "CREATE INDEX delivery_matter ON delivery (channel, chat_id, scene, key) WHERE state IN ('pending', 'waiting')",
    "CREATE INDEX delivery_edit ON delivery (edits) WHERE edits > 0",
    "CREATE INDEX delivery_waiting ON delivery (notice_id) WHERE state = 'waiting'",
    "CREATE INDEX delivery_notice ON delivery (notice_id)",
    """CREATE TABLE state (
        scene TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (scene, key)) WITHOUT ROWID""",
    """CREATE TABLE timer (
        scene TEXT NOT NULL, key TEXT NOT NULL, due_at INTEGER NOT NULL, PRIMARY KEY (scene, key)) WITHOUT ROWID""",
    """CREATE TABLE alert (
        scene TEXT NOT NULL, key TEXT NOT NULL, reminder TEXT NOT NULL, opened_at INTEGER NOT NULL, next_at INTEGER,
        repeats INTEGER NOT NULL, acknowledged_by TEXT NOT NULL, PRIMARY KEY (scene, key)) WITHOUT ROWID""",
    """CREATE TABLE job (
        job_id TEXT PRIMARY KEY, message_key TEXT NOT NULL, person TEXT NOT NULL,
        channel TEXT NOT NULL, chat_id TEXT NOT NULL, is_room INTEGER NOT NULL,
        scene TEXT NOT NULL, text TEXT NOT NULL, started_at INTEGER NOT NULL, state TEXT NOT NULL, ended_at INTEGER)""",
    "CREATE INDEX job_state ON job (state)",
    "CREATE TABLE message (key TEXT PRIMARY KEY, claimed_at INTEGER NOT NULL) WITHOUT ROWID",
)

_WITH_PIECES_OF_LOGS = 1

# What makes a database of version N one of version N + 1.
UPGRADES = {
    1: (
        "ALTER TABLE checkpoint ADD COLUMN generation TEXT NOT NULL DEFAULT ''",
        # The marker was the bytes themselves, a piece of a log: none of it must stay in the file.
        "PRAGMA secure_delete = ON",
        "UPDATE checkpoint SET marker = marker_of(marker), generation = 'unnamed'",
    )
}


def open_database(path: Path | None, max_pages: int | None) -> sqlite3.Connection:
    """Open (or make) the database; it belongs to the calling thread.

    Raises:
        StateError: the file is damaged, is something else, or was written by a newer opsbot.
        sqlite3.Error: as SQLite puts it.
    """
    if path is not None:
        _make_private(path)
    db = sqlite3.connect(path or ":memory:", isolation_level=None)
    try:
        db.row_factory = sqlite3.Row
        _prepare(db, path, max_pages)
    except BaseException:
        db.close()
        raise
    return db


def identity_of(path: Path) -> tuple[int, int] | None:
    """Say which file stands at the path, None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _make_private(path: Path) -> None:
    """Let nobody else read the file; SQLite gives its -wal and -shm the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError as exc:
        raise StateError(f"{path}: {exc.strerror}: give the directory and the file to the user opsbot runs as") from exc


def _prepare(db: sqlite3.Connection, path: Path | None, max_pages: int | None) -> None:
    db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS:d}")
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise StateError(
            f"{path}: was written by a newer opsbot (schema {version}, this one knows {SCHEMA_VERSION}): "
            "install that version again, or move the file away to start empty"
        )
    if version == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StateError(f"{path}: is a database of something else: move it away, or set another state directory")
    findings = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if findings != "ok":
        raise damaged(path, str(findings))
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes hold only while there are no tables
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")  # WAL: a power cut may lose the last commits, never the database
    db.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES:d}")
    db.execute("PRAGMA foreign_keys = ON")
    if max_pages is not None:
        db.execute(f"PRAGMA max_page_count = {max_pages:d}")
    if version < SCHEMA_VERSION:
        _bring_up(db, version)


def _bring_up(db: sqlite3.Connection, version: int) -> None:
    """Make the tables, or change those of an older opsbot, in one transaction."""
    statements = TABLES if version == 0 else [each for old in range(version, SCHEMA_VERSION) for each in UPGRADES[old]]
    db.create_function("marker_of", 1, marker_of, deterministic=True)
    if version == _WITH_PIECES_OF_LOGS:
        db.execute("VACUUM")  # what was deleted before is still there, unless SQLite was built otherwise
    db.execute("BEGIN IMMEDIATE")
    for statement in statements:
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION:d}")
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
