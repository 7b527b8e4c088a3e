"""What is read has an identity: how a file is known again, and how the same record always has the same key."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from opsbot.adapters.stores.sqlite.store import SqliteStore
from opsbot.core.log import Checkpoint
from tests.integration.followed_log import FollowedLog, append

LINES = [f"2026-11-20 10:00:{number:02} line {number}" for number in range(60)]
LONG_WAIT_S = 31.0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.touch()
    return path


# Markers

CHECKPOINT_OF_VERSION_1 = """
CREATE TABLE checkpoint (
    source TEXT NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL,
    path TEXT NOT NULL, position INTEGER NOT NULL, marker BLOB NOT NULL,
    PRIMARY KEY (source, device, inode)) WITHOUT ROWID
"""


def test_checkpoint_holds_nothing_of_the_log(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "login code 123456")
        followed.read()

        [checkpoint] = followed.saved
        assert (checkpoint.offset, len(checkpoint.marker)) == (18, 16)


def version_1(path: Path, log: Path, content: bytes) -> None:
    """Make the database of an opsbot that has consumed this content."""
    status = log.stat()
    with sqlite3.connect(path) as db:
        db.execute(CHECKPOINT_OF_VERSION_1)
        row = ("app", status.st_dev, status.st_ino, str(log), len(content), content[-256:])
        db.execute("INSERT INTO checkpoint VALUES (?, ?, ?, ?, ?, ?)", row)
        db.execute("PRAGMA user_version = 1")
    db.close()


async def checkpoints_in(path: Path) -> Sequence[Checkpoint]:
    async with SqliteStore(path) as store:
        return await store.checkpoints("app")


@pytest.mark.parametrize("count", [0, 1, 60])
def test_database_of_version_1_goes_on_where_it_was(log: Path, tmp_path: Path, count: int) -> None:
    append(log, *LINES[:count])
    version_1(tmp_path / "opsbot.db", log, log.read_bytes())
    append(log, "since then")
    with FollowedLog(log, checkpoints=asyncio.run(checkpoints_in(tmp_path / "opsbot.db"))) as followed:
        assert (followed.read(), followed.gaps) == (["since then"], [])


def test_database_of_version_1_keeps_no_bytes_of_logs(log: Path, tmp_path: Path) -> None:
    version_1(tmp_path / "opsbot.db", log, b"login code 123456\n")
    asyncio.run(checkpoints_in(tmp_path / "opsbot.db"))

    assert b"login code" not in b"".join(each.read_bytes() for each in tmp_path.glob("opsbot.db*"))
