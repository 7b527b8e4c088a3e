"""What is read has an identity: how a file is known again, and how the same record always has the same key."""

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from opsbot.adapters.sources.file import generation
from opsbot.adapters.stores.sqlite.store import SqliteStore
from opsbot.core.log import Batch, Checkpoint, Rule
from tests.integration.followed_log import FollowedLog, append

LINES = [f"2026-11-20 10:00:{number:02} line {number}" for number in range(60)]
LONG_WAIT_S = 31.0
EVERY_LINE = Rule.every_line()


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


# Generations


def keys(*lives: Sequence[Batch]) -> dict[str, set[str]]:
    """Give the keys under which each line was seen."""
    found: dict[str, set[str]] = {}
    for record in [record for life in lives for batch in life for record in batch.records]:
        found.setdefault(record.text, set()).add(record.key(EVERY_LINE))
    return found


def generations(followed: FollowedLog) -> list[str]:
    return list(dict.fromkeys(record.checkpoint.generation for record in followed.records))


def committed(batches: Sequence[Batch]) -> tuple[Checkpoint, ...]:
    """Give what a store holds when only these batches were committed."""
    checkpoints: dict[tuple[int, int], Checkpoint] = {}
    for batch in batches:
        for identity in batch.forgotten:
            checkpoints.pop(identity, None)
        checkpoints.update({(each.device, each.inode): each for each in batch.checkpoints})
    return tuple(checkpoints.values())


def copy_and_truncate(log: Path, name: str) -> None:
    shutil.copyfile(log, log.with_name(name))
    os.truncate(log, 0)


def rotate(log: Path) -> None:
    numbers = [int(each.name.split(".")[2]) for each in log.parent.glob("app.log.*")]
    for number in sorted(numbers, reverse=True):
        for each in log.parent.glob(f"app.log.{number}*"):
            each.rename(str(each).replace(f".log.{number}", f".log.{number + 1}"))
    log.rename(log.with_name("app.log.1"))


def test_renamed_log_keeps_its_generation(log: Path) -> None:
    with FollowedLog(log) as followed, log.open("ab", buffering=0) as writer:
        writer.write(b"one\n")
        followed.read()
        rotate(log)
        writer.write(b"two\n")
        followed.read()

        assert ([record.text for record in followed.records], len(generations(followed))) == (["one", "two"], 1)


def test_generation_is_kept_over_a_restart(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
    append(log, "two")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        again.read()

        assert generations(again) == generations(followed)


def test_copy_that_copytruncate_makes_has_the_generation_of_its_original(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES[:5])
        followed.read()
        append(log, "rescued from the copy")
        copy_and_truncate(log, "app.log.1")
        followed.read()

        assert (len(followed.records), len(generations(followed))) == (6, 1)


def test_log_that_was_truncated_and_written_anew_has_another_generation(log: Path) -> None:
    with FollowedLog(log) as followed:
        for _ in range(3):
            append(log, "started")
            followed.read()
            os.truncate(log, 0)
            followed.read()

        assert (len(followed.records), len(generations(followed))) == (3, 3)


def test_log_that_stayed_empty_after_its_truncation_until_a_restart_has_another_generation(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "started")
        followed.read()
        os.truncate(log, 0)
        followed.read()
    with FollowedLog(log, checkpoints=followed.saved) as again:
        append(log, "started")
        again.read()

        assert [len(each) for each in keys(followed.batches, again.batches).values()] == [2]


def test_log_that_was_truncated_and_written_anew_while_nobody_read_has_another_generation(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "started", "some more")
        followed.read()
    os.truncate(log, 0)
    append(log, "started")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        again.read()

        assert len(keys(followed.batches, again.batches)["started"]) == 2


def test_files_with_equal_content_that_are_no_copies_have_different_generations(log: Path) -> None:
    with FollowedLog(log.with_name("*.log")) as followed:
        append(log, *LINES[:5])
        append(log.with_name("other.log"), *LINES[:5])
        followed.read()

        assert [len(each) for each in keys(followed.batches).values()] == [2] * 5


@pytest.mark.parametrize("scratch", ["/tmp", "/dev/shm", "/var/tmp"])
def test_files_that_take_over_an_inode_have_different_generations(scratch: str) -> None:
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        log = Path(directory) / "app.log"
        log.touch()
        lives = []
        for _ in range(5):
            log.unlink()
            append(log, "started")
            with FollowedLog(log, read_from="beginning") as followed:
                followed.read()
                lives.append(followed.batches)

        assert len(keys(*lives)["started"]) == 5


def test_file_on_a_file_system_without_handles_is_never_taken_for_another(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "_handle", lambda _: "")
    lives = []
    for _ in range(2):
        log.unlink()
        append(log, "started")
        with FollowedLog(log, read_from="beginning") as followed:
            followed.read()
            lives.append(followed.batches)

    assert len(keys(*lives)["started"]) == 2


def test_generation_is_handed_over_before_the_first_record_of_it(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()

        first = next(batch for batch in followed.batches if batch.records)
        named = [each.generation for batch in followed.batches[: followed.batches.index(first)] for each in batch.checkpoints]
        assert generations(followed) == [named[-1]]


@pytest.mark.parametrize("turn", ["rename", "copy", "truncate", "nothing"])
@pytest.mark.parametrize("number", range(12))
def test_records_that_are_read_again_after_kill_9_have_the_keys_they_had(log: Path, number: int, turn: str) -> None:
    with FollowedLog(log, batch_records=2, chunk_bytes=100, turn_bytes=100, read_from="beginning") as followed:
        append(log, *LINES[:6])
        followed.read()
        if turn == "rename":
            rotate(log)
        elif turn == "copy":
            append(log, *LINES[6:8])
            copy_and_truncate(log, "app.log.1")
        elif turn == "truncate":
            os.truncate(log, 0)
        append(log, *LINES[10:15])
        followed.read()
    with FollowedLog(log, checkpoints=committed(followed.batches[:number]), read_from="beginning") as again:
        again.read()

        # Nobody acts on a batch before the one before it is committed.
        seen = keys(followed.batches[: number + 1], again.batches)
        assert [each for each in seen.values() if len(each) > 1] == []


def test_records_of_a_log_of_which_nothing_was_ever_committed_have_the_keys_they_had(log: Path) -> None:
    lives = []
    append(log, *LINES[:6])
    for _ in range(2):
        with FollowedLog(log, read_from="beginning") as followed:
            followed.read()
            lives.append(followed.batches)

    assert [len(each) for each in keys(*lives).values()] == [1] * 6
