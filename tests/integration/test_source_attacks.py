"""What hostile or unlucky surroundings do to a log that is followed."""

import asyncio
import gzip
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from opsbot.adapters.sources.file import descriptor
from opsbot.adapters.stores.sqlite import SqliteStore
from opsbot.adapters.stores.sqlite.schema import TABLES
from opsbot.core.change import Change
from opsbot.core.errors import StateError
from opsbot.core.log import Checkpoint
from tests.integration.followed_log import FollowedLog, append


def many(count: int = 20, word: str = "line") -> list[str]:
    """Lines that are more than a marker stands for."""
    return [f"{word} {number} {'x' * 20}" for number in range(count)]


def scattered(checkpoints: Sequence[Checkpoint]) -> Sequence[Checkpoint]:
    """Put them into an order that has nothing to do with that of the files."""
    return sorted(checkpoints, key=lambda each: each.marker)


def test_many_logs_on_a_device_with_another_number_go_on_from_their_checkpoints(tmp_path: Path) -> None:
    for number in range(300):
        append(tmp_path / f"{number}.log", *many(word=f"log {number}"))
    with FollowedLog(tmp_path / "*.log", read_from="beginning") as before:
        before.read()
    saved = [replace(each, device=each.device + 1) for each in scattered(before.saved)]

    with FollowedLog(tmp_path / "*.log", checkpoints=saved) as followed:
        assert (followed.read(), followed.gaps) == ([], [])


def test_many_logs_that_were_restored_go_on_from_their_checkpoints(tmp_path: Path) -> None:
    for number in range(300):
        append(tmp_path / f"{number}.log", *many(word=f"log {number}"))
    with FollowedLog(tmp_path / "*.log", read_from="beginning") as before:
        before.read()
    saved = [replace(each, device=each.device + 1, inode=each.inode + 10**9) for each in scattered(before.saved)]

    with FollowedLog(tmp_path / "*.log", checkpoints=saved) as followed:
        assert (followed.read(), followed.gaps) == ([], [])


def test_compressed_copy_of_a_log_that_was_not_truncated_yet_is_not_read_after_a_restart(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, *many())
    with FollowedLog(log, read_from="beginning") as before:
        before.read()
    append(log, "unread")
    with gzip.open(tmp_path / "app__2026-11-20_00-00-00.log.gz", "wb") as copy:
        copy.write(log.read_bytes())

    with FollowedLog(log, checkpoints=before.saved) as followed:
        assert followed.read() == ["unread"]


def test_compressed_copy_is_read_on_when_the_log_is_truncated_just_after_a_restart(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, *many())
    with FollowedLog(log, read_from="beginning") as before:
        before.read()
    append(log, "unread")
    with gzip.open(tmp_path / "app__2026-11-20_00-00-00.log.gz", "wb") as copy:
        copy.write(log.read_bytes())

    with FollowedLog(log, checkpoints=before.saved) as followed:
        log.write_bytes(b"new\n")

        assert followed.read() == ["unread", "new"]


def test_compressed_copy_is_not_read_after_a_second_restart(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, *many())
    with FollowedLog(log, read_from="beginning") as before:
        before.read()
    with gzip.open(tmp_path / "app__2026-11-20_00-00-00.log.gz", "wb") as copy:
        copy.write(log.read_bytes())
    with FollowedLog(log, checkpoints=before.saved) as between:
        between.read()
        log.write_bytes(b"new\n")
        between.read()

    with FollowedLog(log, checkpoints=between.saved) as followed:
        assert (followed.read(), followed.gaps) == ([], [])


def test_link_that_points_back_after_days_is_not_read_again(tmp_path: Path) -> None:
    link, blue, green = tmp_path / "now.log", tmp_path / "blue", tmp_path / "green"
    append(blue, "blue")
    append(green, "green")
    link.symlink_to(blue)
    with FollowedLog(link, read_from="beginning") as followed:
        followed.read()
        link.unlink()
        link.symlink_to(green)
        followed.read()
        followed.read_after(100_000.0)
        followed.read_after(100_000.0)
        link.unlink()
        link.symlink_to(blue)
        append(blue, "blue again")

        assert followed.read() == ["blue again"]


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of files that may not be opened: root, who may run the tests, may open all."""
    names: set[str] = set()
    really_open = descriptor.open_file

    def _open(path: str) -> int:
        if Path(path).name in names:
            raise PermissionError(13, "Permission denied")
        return really_open(path)

    monkeypatch.setattr(descriptor, "open_file", _open)
    return names


def test_rotated_file_without_the_right_to_read_it_goes_on_from_its_checkpoint(tmp_path: Path, forbidden: set[str]) -> None:
    log = tmp_path / "app.log"
    append(log, *many())
    with FollowedLog(log, read_from="beginning") as before:
        before.read()
    append(log, "unread")
    log.rename(tmp_path / "app.log.1")
    append(log, "young")
    forbidden.add("app.log.1")
    with FollowedLog(log, checkpoints=before.saved) as followed:
        followed.read()
        forbidden.clear()

        assert followed.read() == ["unread"]


def test_log_whose_name_has_a_line_end_is_drained_after_its_rotation(tmp_path: Path) -> None:
    log = tmp_path / "new\nline.log"
    append(log, *many())
    with FollowedLog(log, read_from="beginning") as before:
        before.read()
    append(log, "unread")
    log.rename(f"{log}.1")
    append(log, "young")

    with FollowedLog(log, checkpoints=before.saved) as followed:
        assert followed.read() == ["unread", "young"]


def test_links_that_lead_in_circles_are_followed_once(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    for number in range(4):
        (deep / f"up{number}").symlink_to(tmp_path)
    append(deep / "app.log", "line")

    with FollowedLog(tmp_path / "**" / "*.log", read_from="beginning") as followed:
        followed.read()

        assert [record.path for record in followed.records] == [str(deep / "app.log")]


def test_directory_that_only_a_link_leads_to_is_searched_at_any_depth(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    append(elsewhere / "app.log", "line")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "link").symlink_to(elsewhere.parent)

    with FollowedLog(tmp_path / "logs" / "**" / "*.log", read_from="beginning") as followed:
        assert followed.read() == ["line"]


async def test_state_in_the_followed_directory_does_not_feed_the_tail(tmp_path: Path) -> None:
    log, state = tmp_path / "app.log", tmp_path / "state"
    append(log, "one")
    argv = [sys.executable, "-m", "opsbot", "tail", f"{tmp_path}/**/*", "--from-start", "--no-follow", "--state", str(state)]
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
    printed, _ = await process.communicate()

    assert printed.decode() == f"{log}: one\n"


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_state_that_is_deleted_or_replaced_in_use_is_an_error(tmp_path: Path, *, is_replaced: bool) -> None:
    path = tmp_path / "opsbot.db"
    async with SqliteStore(path) as store:
        path.rename(tmp_path / "elsewhere.db")
        if is_replaced:
            path.touch()

        with pytest.raises(StateError, match="was deleted or replaced"):
            await store.commit(Change())


async def test_upgrade_leaves_no_piece_of_a_log_behind_not_even_of_those_forgotten_before(tmp_path: Path) -> None:
    path = tmp_path / "opsbot.db"
    old = sqlite3.connect(path, isolation_level=None)
    old.execute("PRAGMA secure_delete = OFF")
    for table in TABLES:
        old.execute(table.replace(",\n        generation TEXT NOT NULL DEFAULT ''", ""))
    rows = [(number, b"piece of a log" * 18) for number in range(500)]
    old.executemany("INSERT INTO checkpoint VALUES ('app', 1, ?, '/app.log', 300, ?)", rows)
    old.execute("DELETE FROM checkpoint WHERE inode > 10")
    old.execute("PRAGMA user_version = 1")
    old.close()

    async with SqliteStore(path):
        left = await asyncio.to_thread(
            lambda: [file.name for file in tmp_path.iterdir() if b"piece of a log" in file.read_bytes()]
        )

    assert left == []
