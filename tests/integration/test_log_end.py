"""Which of the files behind a source people get to see the end of."""

import gzip
import os
from pathlib import Path

import pytest

from opsbot.adapters.sources.tail import read_tail
from tests.integration.followed_log import append


def a_log(path: Path, changed_at_s: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    append(path, path.name)
    os.utime(path, (0, changed_at_s))


def shown(pattern: Path) -> str:
    return read_tail(str(pattern), 1000)[0]


def test_newest_log_is_shown_at_whatever_depth_it_is(tmp_path: Path) -> None:
    a_log(tmp_path / "app.log", 1)
    a_log(tmp_path / "deep" / "deeper" / "new.log", 2)

    assert shown(tmp_path / "**" / "*.log") == "new.log"


@pytest.mark.parametrize("name", ["app.log.1", "app.log-20261120", "app__2026-11-20_00-00-00.log"])
def test_rotated_log_is_not_shown_although_it_was_written_to_last(tmp_path: Path, name: str) -> None:
    a_log(tmp_path / "app.log", 1)
    a_log(tmp_path / name, 2)

    assert shown(tmp_path / "app*log*") == "app.log"


def test_log_with_a_date_in_its_name_is_shown_where_there_is_none_without(tmp_path: Path) -> None:
    a_log(tmp_path / "app-20261120.log", 1)
    a_log(tmp_path / "app-20261121.log", 2)

    assert shown(tmp_path / "*.log") == "app-20261121.log"


def test_compressed_log_is_not_shown(tmp_path: Path) -> None:
    a_log(tmp_path / "app.log", 1)
    (tmp_path / "app.log.1.gz").write_bytes(gzip.compress(b"old\n"))

    assert shown(tmp_path / "app*") == "app.log"


def test_log_that_is_our_own_is_not_shown(tmp_path: Path) -> None:
    a_log(tmp_path / "app.log", 1)
    a_log(tmp_path / "opsbot.log", 2)

    assert read_tail(str(tmp_path / "*.log"), 1000, is_own=lambda path, _: path.endswith("opsbot.log"))[0] == "app.log"


def test_pipe_that_a_pattern_names_is_not_opened(tmp_path: Path) -> None:
    a_log(tmp_path / "app.log", 1)
    os.mkfifo(tmp_path / "pipe.log")

    assert shown(tmp_path / "*.log") == "app.log"


def test_hidden_file_is_not_shown(tmp_path: Path) -> None:
    a_log(tmp_path / ".app.log", 1)

    with pytest.raises(FileNotFoundError):
        shown(tmp_path / "*.log")
