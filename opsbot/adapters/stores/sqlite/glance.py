"""A look into the database from outside, while a daemon may be at work on it: nothing is locked, made or changed."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from opsbot.adapters.stores.sqlite.fault import as_state_error
from opsbot.adapters.stores.sqlite.rows import TWO_64, from_text
from opsbot.core.log import UNNAMED, Checkpoint


def checkpoints_in(path: Path) -> Mapping[str, Sequence[Checkpoint]]:
    """Give, per source, how far its files were consumed, as of the last commit; without markers. Blocking.

    Raises:
        StateError: the file is damaged, or cannot be read.
    """
    found: dict[str, list[Checkpoint]] = {}
    try:
        with closing(sqlite3.connect(_address(path), uri=True)) as db:
            db.row_factory = sqlite3.Row
            for row in db.execute("SELECT * FROM checkpoint ORDER BY path"):
                checkpoint = _checkpoint(row)
                found.setdefault(checkpoint.source, []).append(checkpoint)
    except sqlite3.Error as exc:
        error = as_state_error(exc, path)
        if error is None:
            raise
        raise error from exc
    return found


def _checkpoint(row: sqlite3.Row) -> Checkpoint:
    """Read a row of any version of the schema: the first one had no generations."""
    return Checkpoint(
        source=from_text(row["source"]),
        path=from_text(row["path"]),
        device=row["device"] % TWO_64,
        inode=row["inode"] % TWO_64,
        offset=row["position"],
        generation=from_text(row["generation"]) if "generation" in row.keys() else UNNAMED,  # noqa: SIM118 a row is no mapping
    )


def _address(path: Path) -> str:
    """Choose how to open it: even a reader would make a -wal and a -shm where there are none, perhaps as another user.

    Without a -wal the file is whole by itself. With both, the -shm is only read (sqlite.org/walformat.html, 2026-11).
    """
    beside = (path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm"))
    how = "readonly_shm=1" if all(one.exists() for one in beside) else "immutable=1"
    return f"file:{quote(str(path))}?mode=ro&{how}"
