"""What opsbot writes itself is found, wherever it was sent."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opsbot.app import own_file
from opsbot.app.own_file import own_files
from opsbot.config.load import load
from opsbot.config.model import Configuration

CONFIG = """
name: alice
state_dir: state
log: {file: alice.log}
channels:
  page: {kind: local, listen: "127.0.0.1:0"}
people:
  archy: {roles: [owner], ids: {page: archy}}
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    (tmp_path / "config.yaml").write_text(CONFIG)
    return load(tmp_path / "config.yaml", {})


@contextmanager
def opened(path: Path, flags: int = os.O_WRONLY | os.O_CREAT) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


@pytest.mark.parametrize("stream", ["STDOUT", "STDERR"])
def test_file_that_output_is_redirected_to_is_our_own(
    configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    with opened(tmp_path / "all.log") as descriptor:
        monkeypatch.setattr(own_file, stream, descriptor)

        assert identity(tmp_path / "all.log") in own_files(configuration)


def test_device_that_output_goes_to_is_no_file(configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(Path(os.devnull)) as descriptor:
        monkeypatch.setattr(own_file, "STDERR", descriptor)

        assert identity(Path(os.devnull)) not in own_files(configuration)


def test_output_that_is_closed_is_no_file(configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "all.log") as descriptor:
        pass
    monkeypatch.setattr(own_file, "STDOUT", descriptor)
    monkeypatch.setattr(own_file, "STDERR", descriptor)

    assert own_files(configuration) == frozenset()


def test_state_and_account_log_are_our_own(configuration: Configuration, tmp_path: Path) -> None:
    (tmp_path / "state" / "deep").mkdir(parents=True)
    files = [tmp_path / "state" / "opsbot.db", tmp_path / "state" / "deep" / "core", tmp_path / "alice.log"]
    for file in files:
        file.touch()

    assert set(map(identity, files)) <= own_files(configuration)
