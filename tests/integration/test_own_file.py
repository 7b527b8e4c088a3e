"""What opsbot writes itself is found, wherever it was sent."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opsbot.app import own_file
from opsbot.app.own_file import OwnFiles
from tests.integration.followed_log import FollowedLog, append


@pytest.fixture
def own(tmp_path: Path) -> OwnFiles:
    return OwnFiles(tmp_path / "state", tmp_path / "alice.log")


@contextmanager
def opened(path: Path, flags: int = os.O_WRONLY | os.O_CREAT) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_own(own: OwnFiles, path: Path) -> bool:
    status = path.stat()
    return own.has(str(path.resolve()), (status.st_dev, status.st_ino))


def write(own: OwnFiles, log: Path, *lines: str) -> None:
    """Do as the account log does."""
    with log.open("a") as file:
        own.note(file.fileno())
        file.writelines(f"{line}\n" for line in lines)


@pytest.mark.parametrize("stream", ["STDOUT", "STDERR"])
def test_file_that_output_is_redirected_to_is_our_own(
    own: OwnFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    with opened(tmp_path / "all.log") as descriptor:
        monkeypatch.setattr(own_file, stream, descriptor)

        assert is_own(own.look(), tmp_path / "all.log")


def test_device_that_output_goes_to_is_no_file(own: OwnFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(Path(os.devnull)) as descriptor:
        monkeypatch.setattr(own_file, "STDERR", descriptor)

        assert not is_own(own.look(), Path(os.devnull))


def test_output_that_is_closed_is_no_file(own: OwnFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "all.log") as descriptor:
        pass
    monkeypatch.setattr(own_file, "STDOUT", descriptor)
    monkeypatch.setattr(own_file, "STDERR", descriptor)

    assert not is_own(own.look(), tmp_path / "all.log")


def test_state_and_account_log_are_our_own(own: OwnFiles, tmp_path: Path) -> None:
    (tmp_path / "state" / "deep").mkdir(parents=True)
    files = [tmp_path / "state" / "opsbot.db", tmp_path / "state" / "deep" / "core", tmp_path / "alice.log"]
    for file in files:
        file.touch()

    assert [is_own(own.look(), file) for file in files] == [True] * 3


@pytest.mark.parametrize("is_look_late", [False, True])
@pytest.mark.parametrize("name", ["alice.log.1", "alice.log-20261120", "alice-20261120.log", "old.log", "away/alice.log"])
def test_account_log_is_not_read_when_it_was_renamed_while_somebody_reads(
    own: OwnFiles, tmp_path: Path, name: str, *, is_look_late: bool
) -> None:
    (tmp_path / "away").mkdir()
    log = tmp_path / "alice.log"
    write(own, log, "mine")
    with FollowedLog(tmp_path / "**" / "*.log*", is_own=own.look().has) as followed:
        write(own, log, "mine, too")
        for number in range(3):
            if not is_look_late:
                followed.read()
            log.rename(tmp_path / f"{name}{number or ''}")
            write(own, log, "mine, later")
        append(tmp_path / "app.log", "theirs")

        assert followed.read() == ["theirs"]


@pytest.mark.parametrize("name", ["alice.log", "alice.log.1", "alice.log.1.gz"])
def test_account_log_that_was_rotated_before_the_start_is_not_read(own: OwnFiles, tmp_path: Path, name: str) -> None:
    append(tmp_path / name, "mine")

    assert is_own(own.look(), tmp_path / name)


def test_account_log_that_somebody_else_makes_anew_is_our_own_before_we_write_there(own: OwnFiles, tmp_path: Path) -> None:
    own.look()
    append(tmp_path / "alice.log", "made by logrotate")

    assert is_own(own, tmp_path / "alice.log")


def test_file_that_the_state_got_since_the_start_is_our_own(own: OwnFiles, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    own.look()
    (tmp_path / "state" / "opsbot.db-wal").touch()

    assert is_own(own, tmp_path / "state" / "opsbot.db-wal")


def test_account_log_by_the_name_of_a_link_is_our_own(own: OwnFiles, tmp_path: Path) -> None:
    write(own, tmp_path / "alice.log", "mine")
    (tmp_path / "same.log").hardlink_to(tmp_path / "alice.log")

    assert is_own(own.look(), tmp_path / "same.log")


def test_inode_that_our_own_log_had_may_be_that_of_another_log(own: OwnFiles, tmp_path: Path) -> None:
    write(own, tmp_path / "old.log", "mine")
    status = (tmp_path / "old.log").stat()
    append(tmp_path / "app.log", "theirs")

    assert not own.has(str(tmp_path / "app.log"), (status.st_dev, status.st_ino))


@pytest.mark.parametrize("name", ["..1", "...old", ".~", "..1.gz", "app.log.1"])
def test_name_that_anybody_may_give_to_a_file_is_only_a_name(own: OwnFiles, tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()

    assert not is_own(own.look(), tmp_path / name)
