"""A look into the database from outside, while a daemon may be at work on it: nothing is locked, made or changed."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from opsbot.adapters.stores.sqlite.fault import as_state_error
from opsbot.adapters.stores.sqlite.rows import TWO_64, from_text

Identity = tuple[int, int]


def offsets_in(path: Path) -> Mapping[str, Mapping[Identity, int]]:
    """Give, per source, how far its files were consumed (bytes by device and inode), as of the last commit. Blocking.

    Raises:
        StateError: the file is damaged, or cannot be read.
    """
    found: dict[str, dict[Identity, int]] = {}
    try:
        with closing(sqlite3.connect(_address(path), uri=True)) as db:
            for source, device, inode, position in db.execute("SELECT source, device, inode, position FROM checkpoint"):
                found.setdefault(from_text(source), {})[device % TWO_64, inode % TWO_64] = position
    except sqlite3.Error as exc:
        error = as_state_error(exc, path)
        if error is None:
            raise
        raise error from exc
    return found


def _address(path: Path) -> str:
    """Choose how to open it: even a reader would make a -wal and a -shm where there are none, perhaps as another user.

    Without a -wal the file is whole by itself. With both, the -shm is only read (sqlite.org/walformat.html, 2026-11).
    """
    beside = (path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm"))
    how = "readonly_shm=1" if all(one.exists() for one in beside) else "immutable=1"
    return f"file:{quote(str(path))}?mode=ro&{how}"
