"""Real files and what happens to them, read turn by turn; the operating system's wake-ups have a file of their own."""

import errno
import mmap
import os
import shutil
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from opsbot.adapters.sources.file import lineage
from opsbot.adapters.sources.file.acquaintance import is_note
from opsbot.adapters.sources.file.tracked import Tracked
from opsbot.core.log import Rule, marker_of
from tests.integration.followed_log import FollowedLog, append, open_files

LINES = [f"2026-11-20 10:00:{number:02} line {number}" for number in range(60)]
LONG_WAIT_S = 31.0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.touch()
    return path


def copy_and_truncate(log: Path, name: str) -> Path:
    copy = log.with_name(name)
    shutil.copyfile(log, copy)
    os.truncate(log, 0)
    return copy


# Appending


def test_appended_lines_are_read_in_order(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one", "two")

        assert followed.read() == ["one", "two"]


def test_only_matching_lines_become_records_with_the_rules_that_match(log: Path) -> None:
    with FollowedLog(log, rules=[Rule("ERROR"), Rule("disk")]) as followed:
        append(log, "INFO ok", "ERROR disk full", "disk ok")
        followed.read()

        assert [(record.text, *(hit.rule for hit in record.hits)) for record in followed.records] == [
            ("ERROR disk full", 0, 1),
            ("disk ok", 1),
        ]


def test_line_without_its_newline_waits_until_it_is_finished(log: Path) -> None:
    with FollowedLog(log) as followed, log.open("ab", buffering=0) as writer:
        writer.write(b"half")
        before = followed.read()
        writer.write(b" done\n")

        assert (before, followed.read()) == ([], ["half done"])


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 5, 4096])
def test_character_split_over_two_reads_stays_whole(log: Path, chunk_bytes: int) -> None:
    with FollowedLog(log, chunk_bytes=chunk_bytes) as followed, log.open("ab", buffering=0) as writer:
        encoded = "扫码登录\n".encode()
        for at in range(len(encoded)):
            writer.write(encoded[at : at + 1])
            followed.read()

        assert [record.text for record in followed.records] == ["扫码登录"]


def test_invalid_bytes_are_replaced(log: Path) -> None:
    with FollowedLog(log) as followed:
        log.write_bytes(b"bad \xff\xfe byte\r\n")

        assert followed.read() == ["bad \ufffd\ufffd byte"]


def test_checkpoint_of_a_record_stands_behind_its_line(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one", "two")
        followed.read()

        assert [(record.offset, record.checkpoint.offset, record.checkpoint.marker) for record in followed.records] == [
            (0, 4, marker_of(b"one\n")),
            (4, 8, marker_of(b"one\ntwo\n")),
        ]


def test_file_that_is_there_at_the_start_is_read_from_its_end(log: Path) -> None:
    append(log, "old")
    with FollowedLog(log) as followed:
        append(log, "new")

        assert followed.read() == ["new"]


def test_file_that_is_there_at_the_start_is_read_from_its_beginning_if_asked_for(log: Path) -> None:
    append(log, "old")
    with FollowedLog(log, read_from="beginning") as followed:
        append(log, "new")

        assert followed.read() == ["old", "new"]


def test_unfinished_line_at_the_start_is_read_whole_once_it_is_finished(log: Path) -> None:
    log.write_bytes(b"old\nhalf")
    with FollowedLog(log) as followed:
        append(log, " done")

        assert followed.read() == ["half done"]


def test_file_that_appears_later_is_read_from_its_beginning(tmp_path: Path) -> None:
    with FollowedLog(tmp_path / "deep" / "down" / "app.log") as followed:
        followed.read()
        (tmp_path / "deep" / "down").mkdir(parents=True)
        append(tmp_path / "deep" / "down" / "app.log", "first")

        assert followed.read() == ["first"]


def test_glob_picks_up_new_files_in_new_directories(tmp_path: Path) -> None:
    with FollowedLog(tmp_path / "*" / "app-?.log") as followed:
        for name in ("a/app-1.log", "b/app-2.log", "b/other.log"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            append(tmp_path / name, name)

        assert sorted(followed.read()) == ["a/app-1.log", "b/app-2.log"]


def test_double_star_finds_directories_at_any_depth(tmp_path: Path) -> None:
    with FollowedLog(tmp_path / "**" / "app.log") as followed:
        (tmp_path / "a" / "b").mkdir(parents=True)
        append(tmp_path / "app.log", "top")
        append(tmp_path / "a" / "b" / "app.log", "deep")

        assert sorted(followed.read()) == ["deep", "top"]


def test_double_star_at_the_end_means_all_files_at_any_depth(tmp_path: Path) -> None:
    with FollowedLog(tmp_path / "d" / "**") as followed:
        (tmp_path / "d" / "a" / "b").mkdir(parents=True)
        for name in ("d/top", "d/a/b/deep", "beside"):
            append(tmp_path / name, name)

        assert sorted(followed.read()) == ["d/a/b/deep", "d/top"]


def test_directory_that_a_glob_finds_is_passed_over_without_a_word(tmp_path: Path) -> None:
    for name in ("folder", "app.log.1", "b.log"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("folder")
    append(tmp_path / "app.log", "old")
    with capture_logs() as told, FollowedLog([tmp_path / "*", tmp_path / "app.log"]) as followed:
        followed.read_after(10)
        append(tmp_path / "app.log", "new")

        assert (followed.read(), told) == (["new"], [])


def test_glob_that_finds_nothing_but_directories_finds_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with capture_logs() as told, FollowedLog(tmp_path / "*"):
        pass

    assert [(entry["path"], entry["reason"]) for entry in told] == [(f"{tmp_path}/*", "no file matches")]


def test_file_that_takes_the_place_of_a_directory_that_a_glob_found_is_read(tmp_path: Path) -> None:
    (tmp_path / "app.log").mkdir()
    with FollowedLog(tmp_path / "*") as followed:
        followed.read()
        (tmp_path / "app.log").rmdir()
        append(tmp_path / "app.log", "a file at last")

        assert followed.read() == ["a file at last"]


def test_compressed_files_are_no_logs_even_if_the_glob_matches(tmp_path: Path) -> None:
    with FollowedLog(tmp_path / "app*") as followed:
        append(tmp_path / "app.log.2.gz", "no")
        append(tmp_path / "app.log", "yes")

        assert followed.read() == ["yes"]


# Rotation by renaming


def test_rest_of_a_renamed_file_comes_before_its_successor(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
        append(log, "two")
        log.rename(log.with_name("app.log.1"))
        append(log, "three")

        assert followed.read() == ["two", "three"]


def test_several_renames_between_two_looks_lose_nothing(log: Path) -> None:
    with FollowedLog(log) as followed:
        for generation in range(5):
            for number in range(generation, 0, -1):
                log.with_name(f"app.log.{number}").rename(log.with_name(f"app.log.{number + 1}"))
            append(log, f"{generation} a", f"{generation} b")
            log.rename(log.with_name("app.log.1"))
        append(log, "last")

        assert followed.read() == [f"{generation} {part}" for generation in range(5) for part in "ab"] + ["last"]


def test_renames_by_date_between_two_looks_lose_nothing(log: Path) -> None:
    with FollowedLog(log) as followed:
        for day in range(1, 4):
            append(log, f"day {day}")
            os.utime(log, (day, day))
            log.rename(log.with_name(f"app.log-2026110{day}"))
        append(log, "today")

        assert followed.read() == ["day 1", "day 2", "day 3", "today"]


def test_lines_that_are_written_to_a_renamed_file_are_read(log: Path) -> None:
    with FollowedLog(log) as followed, log.open("ab", buffering=0) as writer:
        log.rename(log.with_name("app.log.1"))
        append(log, "new")
        followed.read()
        writer.write(b"late\n")

        assert followed.read() == ["late"]


def test_renamed_file_is_closed_when_it_has_been_quiet(log: Path) -> None:
    with FollowedLog(log) as followed:
        log.rename(log.with_name("app.log.1"))
        append(log, "new")
        followed.read()
        followed.read_after(LONG_WAIT_S)

        assert str(log.with_name("app.log.1")) not in open_files()


def test_renamed_file_stays_open_while_it_is_written_to(log: Path) -> None:
    with FollowedLog(log) as followed, log.open("ab", buffering=0) as writer:
        log.rename(log.with_name("app.log.1"))
        for _ in range(4):
            writer.write(b"late\n")
            followed.read_after(LONG_WAIT_S / 2)

        assert str(log.with_name("app.log.1")) in open_files()


def test_late_line_is_read_even_after_the_renamed_file_was_closed(log: Path) -> None:
    with FollowedLog(log) as followed, log.open("ab", buffering=0) as writer:
        writer.write(b"early\n")
        log.rename(log.with_name("app.log.1"))
        append(log, "new")
        followed.read_after(LONG_WAIT_S)
        writer.write(b"very late\n")

        assert followed.read() == ["very late"]


def test_last_line_of_a_rotated_file_counts_although_nobody_finished_it(log: Path) -> None:
    with FollowedLog(log) as followed:
        log.write_bytes(b"panic: no newline")
        log.rename(log.with_name("app.log.1"))
        before = followed.read()

        assert (before, followed.read_after(LONG_WAIT_S)) == ([], ["panic: no newline"])


@pytest.mark.parametrize("destination", ["app.log.1", "elsewhere/app.log"])
def test_file_that_was_quiet_for_long_stays_open_after_it_was_moved_away(log: Path, destination: str) -> None:
    (log.parent / "elsewhere").mkdir()
    with FollowedLog(log) as followed:
        followed.read_after(3600)
        log.rename(log.parent / destination)
        followed.read_after(1)

        assert str(log.parent / destination) in open_files()


def test_closed_file_that_one_look_missed_is_not_read_again(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        rotated = log.with_name("app.log.1")
        log.rename(rotated)
        followed.read_after(1)
        followed.read_after(LONG_WAIT_S)
        rotated.rename(log.with_name("hidden"))
        followed.read()
        log.with_name("hidden").rename(rotated)

        assert followed.read() == []


def test_closed_files_are_not_read_again_when_their_directory_was_away(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        log.rename(log.with_name("app.log.1"))
        append(log, "two")
        followed.read_after(1)
        followed.read_after(LONG_WAIT_S)
        log.parent.rename(log.parent.with_name("unmounted"))
        log.parent.mkdir()
        followed.read_after(LONG_WAIT_S)
        followed.read_after(LONG_WAIT_S)
        log.parent.rmdir()
        log.parent.with_name("unmounted").rename(log.parent)

        assert followed.read() == []


def test_late_line_of_a_closed_file_has_time_to_be_finished(log: Path) -> None:
    with FollowedLog(log) as followed, log.open("ab", buffering=0) as writer:
        log.rename(log.with_name("app.log.1"))
        followed.read_after(1)
        followed.read_after(LONG_WAIT_S)
        writer.write(b"half")
        before = followed.read_after(1) + followed.read_after(1)
        writer.write(b" done\n")

        assert (before, followed.read()) == ([], ["half done"])


def test_log_that_is_renamed_and_not_made_again_is_still_read(log: Path) -> None:
    with FollowedLog(log) as followed, log.open("ab", buffering=0) as writer:
        log.rename(log.with_name("app.log.1"))
        followed.read_after(LONG_WAIT_S)
        writer.write(b"still here\n")

        assert followed.read() == ["still here"]


def test_rotated_file_is_not_read_again_when_the_glob_matches_it(log: Path) -> None:
    with FollowedLog(log.with_name("app*")) as followed:
        append(log, "one")
        followed.read()
        log.rename(log.with_name("app.log.1"))
        append(log, "two")

        assert followed.read() == ["two"]


def test_file_that_was_moved_to_another_directory_is_read_to_its_end(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        (log.parent / "old").mkdir()
        log.rename(log.parent / "old" / "app.log")

        assert followed.read() == ["one"]


def test_late_line_in_a_file_that_was_moved_to_another_directory_is_read(log: Path) -> None:
    with FollowedLog(log) as followed, log.open("ab", buffering=0) as writer:
        (log.parent / "old").mkdir()
        log.rename(log.parent / "old" / "app.log")
        append(log, "new")
        before = followed.read()
        writer.write(b"late\n")

        assert (before, followed.read()) == (["new"], ["late"])


def test_late_line_in_a_deleted_file_is_read(log: Path) -> None:
    with FollowedLog(log) as followed, log.open("ab", buffering=0) as writer:
        log.unlink()
        before = followed.read()
        writer.write(b"late\n")

        assert (before, followed.read()) == ([], ["late"])


def test_file_that_is_moved_away_and_back_is_not_read_again(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
        log.rename(log.parent / "elsewhere")
        followed.read_after(LONG_WAIT_S)
        (log.parent / "elsewhere").rename(log)
        append(log, "two")

        assert followed.read() == ["two"]


def test_records_of_a_rotated_file_name_the_log_they_were_written_to(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        log.rename(log.with_name("app.log.1"))
        followed.read()

        assert followed.records[0].path == str(log)


def test_logs_of_numbered_instances_are_no_rotations_of_each_other(tmp_path: Path) -> None:
    with FollowedLog(tmp_path / "bob-out.log") as followed:
        append(tmp_path / "bob-out.log", "mine")
        append(tmp_path / "bob-out-2.log", "another's")

        assert followed.read() == ["mine"]


# Copy and truncate

ROTATED_NAMES = ["app__2026-11-20_00-00-00.log", "app.log.1", "app.log-20261120", "app-20261120.log", "app.log.bak"]


@pytest.mark.parametrize("pattern", ["app.log", "app*", "*.log"])
@pytest.mark.parametrize("name", ROTATED_NAMES)
def test_lines_between_the_last_read_and_the_truncation_come_from_the_copy(log: Path, name: str, pattern: str) -> None:
    with FollowedLog(log.with_name(pattern)) as followed:
        append(log, *LINES[:5])
        followed.read()
        append(log, *LINES[5:7])
        copy_and_truncate(log, name)
        append(log, "fresh")

        assert followed.read() == [*LINES[5:7], "fresh"]


@pytest.mark.parametrize("pattern", ["app.log", "app*", "*.log"])
@pytest.mark.parametrize("name", ROTATED_NAMES)
def test_copy_is_not_read_as_a_new_file(log: Path, name: str, pattern: str) -> None:
    with FollowedLog(log.with_name(pattern)) as followed:
        append(log, *LINES)
        followed.read()
        copy_and_truncate(log, name)

        assert followed.read() == []


def test_copy_that_is_seen_before_the_truncation_is_not_read(log: Path) -> None:
    with FollowedLog(log.with_name("*.log")) as followed:
        append(log, *LINES[:5])
        followed.read()
        append(log, *LINES[5:7])
        shutil.copyfile(log, log.with_name("app__2026-11-20_00-00-00.log"))
        seen = followed.read()
        os.truncate(log, 0)
        append(log, "fresh")

        assert (seen, followed.read()) == (LINES[5:7], ["fresh"])


def test_copy_is_not_read_while_it_is_still_being_made(log: Path) -> None:
    with FollowedLog(log.with_name("*.log")) as followed:
        append(log, *LINES)
        followed.read()
        content = log.read_bytes()
        copy = log.with_name("app__2026-11-20_00-00-00.log")
        for end in (0, 300, 1000, len(content)):
            copy.write_bytes(content[:end])
            assert followed.read() == []
        os.truncate(log, 0)

        assert followed.read() == []


def test_copy_that_was_seen_before_anything_was_read_comes_before_what_was_written_since(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        shutil.copyfile(log, log.with_name("app.log.1"))
        followed.reader.reconcile()
        followed.reader.turn()
        os.truncate(log, 0)
        append(log, "two, and longer")
        followed.read()

        assert [record.text for record in followed.records] == ["one", "two, and longer"]


def test_copy_of_a_log_that_was_never_looked_at_comes_before_what_was_written_since(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        copy_and_truncate(log, "app-20261120.log")
        append(log, "two")

        assert followed.read() == ["one", "two"]


def test_copy_comes_before_the_log_it_was_made_of_when_that_was_renamed_too(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        os.utime(copy_and_truncate(log, "app-20261120.log"), (1, 1))
        append(log, "two")
        log.rename(log.with_name("app.log.1"))

        assert followed.read() == ["one", "two"]


def test_copy_comes_before_a_log_that_was_truncated_twice_and_renamed(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "zero")
        followed.read()
        os.truncate(log, 0)
        append(log, "one, and longer")
        os.utime(copy_and_truncate(log, "app-20261120.log"), (1, 1))
        append(log, "two")
        log.rename(log.with_name("app.log.1"))

        assert followed.read() == ["one, and longer", "two"]


def test_unfinished_line_of_a_copy_is_read_although_the_log_itself_is_away(log: Path) -> None:
    with FollowedLog(log.with_name("*.log")) as followed:
        log.write_bytes(b"half")
        followed.read()
    copy_and_truncate(log, "app-20261120.log")
    log.rename(log.with_name("app.log.1"))
    with FollowedLog(log.with_name("*.log"), checkpoints=followed.saved) as again:
        assert again.read() + again.read_after(LONG_WAIT_S) == ["half"]


def test_logs_with_a_date_in_their_names_are_logs_of_their_own(log: Path) -> None:
    log.unlink()
    with FollowedLog(log.with_name("*.log")) as followed:
        log.with_name("app-20261119.log").write_bytes(b"one\nunfinished")
        followed.read()
        log.with_name("app-20261120.log").write_bytes(b"two\n")
        followed.read()
        followed.read_after(LONG_WAIT_S)

        assert [(record.path[-12:], record.text) for record in followed.records] == [
            ("20261119.log", "one"),
            ("20261120.log", "two"),
        ]


def test_two_new_files_with_the_same_content_are_read_once_if_they_are_rotations_of_one_log(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log.with_name("app.log-20261119"), *LINES)
        append(log.with_name("app-20261119.log"), *LINES)
        append(log, "something else")

        assert sorted(followed.read()) == [*LINES, "something else"]


def test_copy_is_not_read_after_a_restart_although_the_original_is_long_gone(log: Path) -> None:
    with FollowedLog(log.with_name("*.log")) as followed:
        append(log, *LINES)
        followed.read()
        shutil.copyfile(log, log.with_name("app-20261120.log"))
        followed.read()
        log.unlink()
        followed.read_after(1)
        followed.read_after(LONG_WAIT_S)
    with FollowedLog(log.with_name("*.log"), checkpoints=followed.saved) as again:
        assert (len([each for each in followed.saved if not is_note(each)]), again.read()) == (1, [])


def test_copy_with_lines_of_its_own_is_not_read_again_although_the_original_was_truncated_meanwhile(log: Path) -> None:
    with FollowedLog(log.with_name("*.log")) as followed:
        append(log, *LINES)
        followed.read()
        copy = log.with_name("app-20261120.log")
        shutil.copyfile(log, copy)
        followed.read()
        append(copy, "a life of its own")
        followed.read()
    os.truncate(log, 0)
    with FollowedLog(log.with_name("*.log"), checkpoints=followed.saved) as again:
        assert again.read() == []


@pytest.mark.parametrize("turns", range(6))
def test_restart_in_the_middle_of_a_rescue_reads_every_line_once(log: Path, turns: int) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES[:5])
        followed.read()
        append(log, *LINES[5:7])
        copy_and_truncate(log, "app.log.1")
        append(log, *LINES[10:12])
        followed.reader.reconcile()
        for _ in range(turns):
            followed.reader.turn()
        followed.reader.flush()
    first = [record.text for record in followed.records]
    with FollowedLog(log, checkpoints=followed.saved) as again:
        assert first + again.read() == LINES[:7] + LINES[10:12]


def test_copy_with_lines_of_its_own_is_not_read_again_after_a_restart(log: Path) -> None:
    with FollowedLog(log.with_name("*.log")) as followed:
        append(log, *LINES)
        followed.read()
        copy = log.with_name("app-20261120.log")
        shutil.copyfile(log, copy)
        followed.read()
        append(copy, "a life of its own")
        followed.read()
    with FollowedLog(log.with_name("*.log"), checkpoints=followed.saved) as again:
        append(copy, "and on")

        assert again.read() == ["and on"]


def test_copy_of_a_log_of_which_nothing_was_read_yet_is_read_once(log: Path) -> None:
    with FollowedLog(log.with_name("*.log")) as followed:
        append(log, "one", "two")
        shutil.copyfile(log, log.with_name("app__2026-11-20_00-00-00.log"))
        seen = followed.read()
        os.truncate(log, 0)

        assert (seen, followed.read()) == (["one", "two"], [])


def test_several_copies_between_two_looks_lose_nothing(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "read before")
        followed.read()
        for day in range(1, 4):
            append(log, f"day {day}")
            os.utime(copy_and_truncate(log, f"app__2026-11-0{day}_00-00-00.log"), (day, day))
        append(log, "today")

        assert followed.read() == ["day 1", "day 2", "day 3", "today"]


def test_copy_under_a_name_that_no_rotation_gives_is_found_by_its_content(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES[:50])
        followed.read()
        append(log, "almost lost")
        append(log.with_name("unrelated"), *LINES)
        copy_and_truncate(log, "saved by hand")
        append(log, "fresh")

        assert followed.read() == ["almost lost", "fresh"]


@pytest.mark.parametrize("seen", ["copy", "truncation"])
def test_copy_that_holds_less_than_was_read_before_the_truncation_is_not_read_again(log: Path, seen: str) -> None:
    with FollowedLog(log) as followed:
        for number in range(4):
            append(log, *LINES[number * 5 : number * 5 + 5])
            followed.read()
        shutil.copyfile(log, log.with_name("app.log.1"))
        if seen == "copy":
            followed.read()
        append(log, LINES[20])
        if seen == "copy":
            followed.read()
        else:  # the reader does not look at the directory meanwhile
            followed.reader.touch([str(log)])
            followed.reader.turn()
        os.truncate(log, 0)
        append(log, "fresh")
        followed.read()

        assert [record.text for record in followed.records] == [*LINES[:21], "fresh"]


def test_short_copy_whose_original_is_truncated_just_when_it_was_looked_at_is_not_read_again(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, copy = lineage.is_at_end, log.with_name("app.log.1")

    def look_and_let_truncate(original: Tracked) -> bool:
        is_at_end = look(original)
        if is_at_end and copy.exists() and log.stat().st_size > copy.stat().st_size:
            os.truncate(log, 0)
        return is_at_end

    monkeypatch.setattr(lineage, "is_at_end", look_and_let_truncate)
    with FollowedLog(log) as followed:
        append(log, *LINES[:5])
        followed.read()
        shutil.copyfile(log, copy)
        append(log, *LINES[5:7])
        followed.read()
        append(log, "fresh")
        followed.read()

        assert [record.text for record in followed.records] == [*LINES[:7], "fresh"]


@pytest.mark.parametrize("repeated", [1, 5])
def test_copy_that_is_seen_before_the_second_truncation_and_after_an_unnoticed_first_is_read_once(
    log: Path, repeated: int
) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES[:10] * repeated)
        followed.read()
        append(log, LINES[10])
        copy_and_truncate(log, "app.log.2")
        append(log, *LINES[20:40])
        shutil.copyfile(log, log.with_name("app.log.1"))
        append(log, LINES[40])
        followed.read()
        os.truncate(log, 0)
        append(log, "fresh")
        followed.read()

        assert [record.text for record in followed.records] == [*LINES[:10] * repeated, LINES[10], *LINES[20:41], "fresh"]


def test_copy_of_what_was_written_after_a_truncation_that_nobody_noticed_is_read(log: Path) -> None:
    happened: list[str] = []

    def between(path: str) -> None:
        if path == str(log) and copy.exists() and not happened:
            happened.append(path)
            os.truncate(log, 0)
            append(log, "second life")
            shutil.copyfile(log, copy)

    copy = log.with_name("app.log.1")
    with FollowedLog(log, between=between) as followed:
        for number in range(4):
            append(log, *LINES[number * 5 : number * 5 + 5])
            followed.read()
        happened.append("not yet")
        copy.touch()
        followed.read()
        happened.clear()
        append(log, LINES[20])
        followed.reader.touch([str(log)])
        followed.reader.touch([str(copy)])
        followed.reader.turn()
        os.truncate(log, 0)
        append(log, "third life")
        followed.read()

        assert [record.text for record in followed.records] == [*LINES[:21], "second life", "third life"]


def test_lines_that_are_added_to_a_copy_later_are_read(log: Path) -> None:
    with FollowedLog(log.with_name("*.log")) as followed:
        append(log, *LINES)
        followed.read()
        copy = log.with_name("app-20261120.log")
        shutil.copyfile(log, copy)
        followed.read()
        append(copy, "a life of its own")

        assert followed.read() == ["a life of its own"]


def test_line_that_the_truncation_cut_in_two_gives_both_parts(log: Path) -> None:
    with FollowedLog(log) as followed, log.open("ab", buffering=0) as writer:
        append(log, "one")
        followed.read()
        writer.write(b"first ha")
        copy_and_truncate(log, "app.log.1")
        writer.write(b"lf and second\n")
        after = followed.read()

        assert (after, followed.read_after(LONG_WAIT_S)) == (["lf and second"], ["first ha"])


def test_unfinished_line_of_an_old_copy_counts_when_the_log_is_truncated_at_last(log: Path) -> None:
    with FollowedLog(log) as followed:
        log.write_bytes(b"half")
        followed.read()
        shutil.copyfile(log, log.with_name("app.log.1"))
        followed.read_after(LONG_WAIT_S)
        os.truncate(log, 0)
        append(log, "fresh")

        assert followed.read_after(LONG_WAIT_S) + followed.read_after(LONG_WAIT_S) == ["fresh", "half"]


def test_log_that_was_truncated_and_has_grown_beyond_the_offset_is_read_from_its_beginning(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES[:5])
        followed.read()
        os.truncate(log, 0)
        append(log, *LINES[10:20])

        assert followed.read() == LINES[10:20]


def test_log_that_has_grown_to_exactly_the_offset_again_is_read_from_its_beginning(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES[10:15])
        followed.read()
        os.truncate(log, 0)
        append(log, *LINES[15:20])

        assert followed.read() == LINES[15:20]


def test_truncation_without_a_copy_is_no_gap_when_everything_was_read(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
        os.truncate(log, 0)
        append(log, "two")

        assert (followed.read(), followed.gaps) == (["two"], [])


@pytest.mark.parametrize("before", [b"", b"one\n"])
def test_unfinished_line_that_is_truncated_away_is_a_gap(log: Path, before: bytes) -> None:
    with FollowedLog(log) as followed:
        log.write_bytes(before + b"half")
        followed.read()
        os.truncate(log, 0)
        followed.read()

        assert [(gap.path, gap.lost_bytes) for gap in followed.gaps] == [(str(log), 4)]


def test_unfinished_line_that_is_finished_in_a_copy_is_no_gap(log: Path) -> None:
    with FollowedLog(log) as followed:
        log.write_bytes(b"half")
        followed.read()
        append(log, " done")
        copy_and_truncate(log, "app.log.1")

        assert (followed.read(), followed.gaps) == (["half done"], [])


def test_cutting_off_only_the_unfinished_line_reads_nothing_again(log: Path) -> None:
    with FollowedLog(log) as followed:
        log.write_bytes(b"one\nhalf")
        followed.read()
        os.truncate(log, 4)
        after = followed.read()
        append(log, "two")

        assert (after, followed.read()) == ([], ["two"])


def test_hole_that_a_stale_writer_leaves_is_skipped(log: Path) -> None:
    with FollowedLog(log) as followed, log.open("wb", buffering=0) as writer:
        writer.write(b"x" * 2_999_999 + b"\n")
        followed.read()
        os.truncate(log, 0)
        followed.read()
        writer.write(b"after the hole\n")

        assert followed.read() == ["after the hole"]


def test_zeroes_after_a_crash_are_skipped(log: Path) -> None:
    with FollowedLog(log) as followed:
        log.write_bytes(b"one\n" + b"\0" * 5000 + b"two\nthree\n")

        assert followed.read() == ["one", "two", "three"]


def test_space_that_was_reserved_with_zeroes_is_read_when_it_is_filled(log: Path) -> None:
    log.write_bytes(b"\0" * 600_000)
    with FollowedLog(log, read_from="beginning") as followed, log.open("r+b", buffering=0) as writer:
        before = followed.read()
        writer.write(b"filled in\n")

        assert (before, followed.read()) == ([], ["filled in"])


# Identity


def test_deleted_and_recreated_log_is_read_from_its_beginning(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
        log.unlink()
        append(log, "one")

        assert followed.read() == ["one"]


def test_rest_of_a_deleted_log_is_read(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        log.unlink()

        assert followed.read() == ["one"]


def test_lines_that_are_written_to_a_deleted_log_are_read(log: Path) -> None:
    with FollowedLog(log) as followed, log.open("ab", buffering=0) as late:
        log.unlink()
        followed.read()
        late.write(b"one\n")
        first = followed.read()
        append(log, "new")
        followed.read()
        late.write(b"two\n")

        assert (first, followed.read()) == (["one"], ["two"])


def test_line_that_is_written_through_memory_is_read(log: Path) -> None:
    with FollowedLog(log) as followed, log.open("r+b") as file:
        file.truncate(4096)
        with mmap.mmap(file.fileno(), 4096) as memory:
            memory[:4] = b"one\n"
            first = followed.read()
            memory[4:8] = b"two\n"

            assert (first, followed.read()) == (["one"], ["two"])


def test_inode_that_is_used_again_after_a_file_was_closed_is_another_file(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES[:20])
        followed.read()
        rotated = log.with_name("app.log.1")
        log.rename(rotated)
        followed.read_after(LONG_WAIT_S)
        rotated.unlink()
        append(log, *LINES[20:60])

        assert followed.read() == LINES[20:60]


def test_last_line_of_a_deleted_log_counts_although_nobody_finished_it(log: Path) -> None:
    with FollowedLog(log) as followed:
        log.write_bytes(b"panic: no newline")
        log.unlink()
        followed.read()

        assert (followed.read_after(LONG_WAIT_S), followed.saved) == (["panic: no newline"], ())


@pytest.mark.parametrize("changed_s", [0, 4_000_000_000])
def test_time_of_change_far_away_does_not_matter(log: Path, changed_s: int) -> None:
    """A clock was set, or a copy kept another machine's times."""
    with FollowedLog(log) as followed:
        for line in ("one", "two", "three"):
            append(log, line)
            os.utime(log, (changed_s, changed_s))
            assert followed.read() == [line]
            log.rename(log.with_name("app.log.1"))


def test_replaced_log_is_read_from_its_beginning(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
        append(log.with_name("new"), "two")
        log.with_name("new").rename(log)

        assert followed.read() == ["two"]


def test_log_that_was_replaced_by_itself_with_more_lines_is_not_read_again(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES * 3)
        followed.read()
        shutil.copyfile(log, log.with_name("edited"))
        append(log.with_name("edited"), "added by an editor")
        log.with_name("edited").rename(log)

        assert followed.read() == ["added by an editor"]


def test_logs_of_a_program_that_always_says_the_same_are_all_read(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "started")
        followed.read()
        for number in (3, 2, 1):
            log.rename(log.with_name(f"app.log.{number}"))
            os.utime(log.with_name(f"app.log.{number}"), (100 - number, 100 - number))
            append(log, "started")

        assert followed.read() == ["started"] * 3


def test_logs_of_a_program_that_always_says_the_same_are_all_read_after_a_restart(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "started")
        followed.read()
    log.rename(log.with_name("out of sight"))
    for number in (3, 2, 1):
        append(log.with_name(f"app.log.{number}"), "started")
        os.utime(log.with_name(f"app.log.{number}"), (100 - number, 100 - number))
    append(log, "started")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        assert again.read() == ["started"] * 4


def test_next_log_that_begins_like_the_one_before_is_read(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES * 3)
        followed.read()
        log.rename(log.with_name("app.log.1"))
        append(log, *LINES * 3)

        assert followed.read() == LINES * 3


def test_two_logs_that_begin_alike_are_both_read(tmp_path: Path) -> None:
    with FollowedLog(tmp_path / "*.log") as followed:
        append(tmp_path / "a.log", *LINES[:20])
        first = followed.read()
        append(tmp_path / "b.log", *LINES[:20])

        assert (first, followed.read()) == (LINES[:20], LINES[:20])


def test_link_that_points_elsewhere_now_is_followed(tmp_path: Path) -> None:
    link = tmp_path / "current.log"
    append(tmp_path / "monday", "old")
    link.symlink_to(tmp_path / "monday")
    with FollowedLog(link) as followed:
        append(tmp_path / "monday", "late on monday")
        append(tmp_path / "tuesday", "tuesday")
        link.unlink()
        link.symlink_to(tmp_path / "tuesday")

        assert followed.read() == ["late on monday", "tuesday"]


@pytest.mark.parametrize("is_target_elsewhere", [False, True])
@pytest.mark.parametrize("read", [[], ["old", "read"], LINES])
def test_link_that_was_turned_while_nobody_read_has_its_old_target_read_to_the_end(
    tmp_path: Path, read: list[str], *, is_target_elsewhere: bool
) -> None:
    link = tmp_path / "current.log"
    directory = tmp_path / "days" if is_target_elsewhere else tmp_path
    directory.mkdir(exist_ok=True)
    append(directory / "monday", *read)
    link.symlink_to(directory / "monday")
    with FollowedLog(link) as followed:
        followed.read()
    append(directory / "monday", "late on monday")
    append(directory / "tuesday", "tuesday")
    link.unlink()
    link.symlink_to(directory / "tuesday")
    with FollowedLog(link, checkpoints=followed.saved) as again:
        lines = again.read()
        append(directory / "monday", "later")
        lines += again.read_after(LONG_WAIT_S)
        again.read_after(LONG_WAIT_S)
    with FollowedLog(link, checkpoints=again.saved) as third:
        third.read()

        assert (lines, third.records, again.gaps + third.gaps) == (["late on monday", "tuesday", "later"], [], [])


def test_link_that_was_turned_while_its_old_target_was_deleted_is_a_gap(tmp_path: Path) -> None:
    link = tmp_path / "current.log"
    append(tmp_path / "monday", "old")
    link.symlink_to(tmp_path / "monday")
    with FollowedLog(link) as followed:
        followed.read()
    append(tmp_path / "tuesday", "tuesday")
    (tmp_path / "monday").unlink()
    link.unlink()
    link.symlink_to(tmp_path / "tuesday")
    with FollowedLog(link, checkpoints=followed.saved) as again:
        assert (again.read(), len(again.gaps)) == (["tuesday"], 1)


def test_link_that_points_back_is_not_read_again(tmp_path: Path) -> None:
    link = tmp_path / "current.log"
    append(tmp_path / "a", "old")
    append(tmp_path / "b", "b")
    link.symlink_to(tmp_path / "a")
    with FollowedLog(link) as followed:
        for target in ("b", "a"):
            link.unlink()
            link.symlink_to(tmp_path / target)
            followed.read_after(LONG_WAIT_S)

        assert [record.text for record in followed.records] == ["b"]


def test_file_with_two_names_is_read_once(log: Path) -> None:
    with FollowedLog(log.with_name("*.log")) as followed:
        log.with_name("same.log").hardlink_to(log)
        append(log, "one")

        assert followed.read() == ["one"]


def test_directory_that_is_deleted_and_made_again_is_followed(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "app.log"
    log.parent.mkdir()
    append(log, "old")
    with FollowedLog(log) as followed:
        shutil.rmtree(log.parent)
        followed.read_after(LONG_WAIT_S)
        log.parent.mkdir()
        append(log, "new")

        assert followed.read() == ["new"]


@pytest.mark.parametrize("kind", ["directory", "pipe", "socket", "dangling link", "looping link"])
def test_what_is_no_file_is_refused_and_the_file_that_takes_its_place_is_read(tmp_path: Path, kind: str) -> None:
    log = tmp_path / "app.log"
    with socket.socket(socket.AF_UNIX) as server:
        if kind == "directory":
            log.mkdir()
        elif kind == "pipe":
            os.mkfifo(log)
        elif kind == "socket":
            server.bind(str(log))
        else:
            log.symlink_to("nowhere" if kind == "dangling link" else "app.log")
        with FollowedLog(log) as followed:
            nothing = followed.read()
            if kind == "directory":
                log.rmdir()
            else:
                log.unlink()
            append(log, "a file at last")

            assert (nothing, followed.read()) == ([], ["a file at last"])


def test_file_with_two_names_at_the_start_is_read_once(log: Path) -> None:
    append(log, "one")
    log.with_name("same.log").hardlink_to(log)
    with FollowedLog(log.with_name("*.log"), read_from="beginning") as followed:
        assert followed.read() == ["one"]


def test_checkpoint_of_a_file_with_two_names_has_the_name_of_the_log(log: Path) -> None:
    with FollowedLog(log) as followed:
        log.with_name("app.log.1").hardlink_to(log)
        append(log, "one")
        followed.read()

        assert [checkpoint.path for checkpoint in followed.saved] == [str(log)]


def test_looking_at_a_pipe_does_not_wake_who_wants_to_write_to_it(log: Path) -> None:
    log.unlink()
    os.mkfifo(log)
    writer = threading.Thread(target=lambda: os.close(os.open(log, os.O_WRONLY)))
    with FollowedLog(log) as followed:
        writer.start()
        for _ in range(20):
            followed.read()
            writer.join(0.005)
        is_waiting = writer.is_alive()
        os.close(os.open(log, os.O_RDONLY | os.O_NONBLOCK))
        writer.join()

        assert is_waiting


def test_refused_file_is_never_read(tmp_path: Path) -> None:
    own = tmp_path / "opsbot.log"
    append(own, "mine")
    status = own.stat()
    with FollowedLog(
        tmp_path / "*.log", read_from="beginning", is_own=lambda _, identity: identity == (status.st_dev, status.st_ino)
    ) as followed:
        append(tmp_path / "app.log", "theirs")

        assert followed.read() == ["theirs"]


def test_refused_file_is_complained_about_once(tmp_path: Path) -> None:
    own = tmp_path / "opsbot.log"
    append(own, "mine")
    status = own.stat()
    with (
        capture_logs() as said,
        FollowedLog(tmp_path / "*.log", is_own=lambda _, identity: identity == (status.st_dev, status.st_ino)) as followed,
    ):
        followed.read()
        followed.read()

    assert [one["reason"] for one in said if one.get("path") == str(own)] == ["opsbot writes this file itself: it is not read"]


# Long lines


def test_head_of_a_line_that_is_too_long_is_searched_once_and_the_next_line_is_read(log: Path) -> None:
    with FollowedLog(log, max_line_bytes=1000, chunk_bytes=64) as followed, log.open("ab", buffering=0) as writer:
        for _ in range(50):
            writer.write(b"x" * 100)
            followed.read()
        writer.write(b"\nnext\n")
        followed.read()

        assert [record.text for record in followed.records] == ["x" * 1000, "next"]


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_line_around_the_limit_keeps_its_neighbours(log: Path, extra: int) -> None:
    with FollowedLog(log, max_line_bytes=1000, chunk_bytes=64) as followed:
        append(log, "before", "y" * (1000 + extra), "after")

        assert [line[:6] for line in followed.read()] == ["before", "yyyyyy", "after"]


def test_checkpoint_stays_before_a_long_line_until_that_ends(log: Path) -> None:
    with FollowedLog(log, max_line_bytes=1000) as followed:
        append(log, "before")
        with log.open("ab", buffering=0) as writer:
            writer.write(b"x" * 5000)
        followed.read()

        assert [checkpoint.offset for checkpoint in followed.saved] == [7]


# Restart


def test_restart_goes_on_from_the_checkpoint(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
    append(log, "two")
    with FollowedLog(log, checkpoints=followed.saved, read_from="end") as again:
        assert again.read() == ["two"]


def test_checkpoint_wins_over_reading_from_the_beginning(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
    with FollowedLog(log, checkpoints=followed.saved, read_from="beginning") as again:
        assert again.read() == []


def test_file_of_which_nothing_was_read_yet_has_a_checkpoint_at_once(log: Path) -> None:
    append(log, "old")
    with FollowedLog(log) as followed:
        pass
    append(log, "while we were away")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        assert again.read() == ["while we were away"]


def test_log_that_was_renamed_while_nobody_read_is_drained_first(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
    append(log, "two")
    log.rename(log.with_name("app.log.1"))
    append(log, "three")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        assert (again.read(), again.gaps) == (["two", "three"], [])


def test_hundred_rotations_while_nobody_read_lose_nothing(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "read")
        followed.read()
    for generation in range(100):
        append(log, f"generation {generation}")
        for number in range(generation, 0, -1):
            log.with_name(f"app.log.{number}").rename(log.with_name(f"app.log.{number + 1}"))
        log.rename(log.with_name("app.log.1"))
    append(log, "live")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        assert again.read() == [*(f"generation {generation}" for generation in range(100)), "live"]


def test_number_says_more_about_the_age_of_a_rotated_file_than_its_last_change(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "read")
        followed.read()
    for number in (3, 2, 1):
        append(log.with_name(f"app.log.{number}"), f"number {number}")
        os.utime(log.with_name(f"app.log.{number}"), (number, number))
    with FollowedLog(log, checkpoints=followed.saved) as again:
        assert again.read() == ["number 3", "number 2", "number 1"]


def test_rotated_files_from_before_the_first_start_are_never_read(log: Path) -> None:
    append(log.with_name("app.log.1"), "history")
    with FollowedLog(log, read_from="beginning") as followed:
        before = followed.read()
        log.with_name("app.log.1").rename(log.with_name("app.log.2"))
        log.rename(log.with_name("app.log.1"))
        append(log, "new")

        assert (before, followed.read()) == ([], ["new"])


@pytest.mark.parametrize("name", ROTATED_NAMES)
def test_log_that_was_copied_and_truncated_while_nobody_read_loses_nothing(log: Path, name: str) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES[:5])
        followed.read()
    append(log, *LINES[5:7])
    copy_and_truncate(log, name)
    append(log, *LINES[10:30])
    with FollowedLog(log, checkpoints=followed.saved) as again:
        assert (again.read(), again.gaps) == (LINES[5:7] + LINES[10:30], [])


def test_log_that_was_truncated_while_nobody_read_is_a_gap(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES[:5])
        followed.read()
    os.truncate(log, 0)
    append(log, "fresh")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        lines = again.read()

        assert (lines, [gap.reason.split(" while")[0] for gap in again.gaps]) == (["fresh"], ["truncated or rewritten"])


def test_log_that_was_replaced_while_nobody_read_is_a_gap(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
        log.rename(log.parent / "gone")
    append(log, "fresh")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        lines = again.read()

        assert (lines, [gap.reason.split(" while")[0] for gap in again.gaps]) == (["fresh"], ["replaced"])


def test_gap_is_told_once(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
    os.truncate(log, 0)
    with FollowedLog(log, checkpoints=followed.saved) as again:
        again.read()
    with FollowedLog(log, checkpoints=again.saved) as third:
        third.read()

        assert third.gaps == []


def test_log_that_is_missing_at_the_restart_goes_on_from_its_checkpoint_when_it_is_back(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
    log.parent.rename(log.parent.with_name("unmounted"))
    with FollowedLog(log, checkpoints=followed.saved) as again:
        again.read()
        log.parent.with_name("unmounted").rename(log.parent)
        append(log, "two")

        assert (again.read(), again.gaps) == (["two"], [])


def test_log_that_may_not_be_read_at_the_restart_goes_on_from_its_checkpoint_although_it_is_renamed_meanwhile(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
    forbidden = {log.stat().st_ino}
    real_open = os.open

    def open_if_allowed(path: str, *args: int) -> int:
        if Path(path).exists() and Path(path).stat().st_ino in forbidden:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real_open(path, *args)

    monkeypatch.setattr("opsbot.adapters.sources.file.descriptor.os.open", open_if_allowed)
    with FollowedLog(log, checkpoints=followed.saved) as again:
        log.rename(log.with_name("app.log.1"))
        append(log, "two")
        first = again.read()
        forbidden.clear()

        assert (first, again.read(), again.gaps) == (["two"], [], [])


def test_rotated_file_that_is_missing_at_the_restart_is_not_read_again_when_it_is_back(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        log.rename(log.with_name("app.log.1"))
        append(log, "two")
        followed.read()
    log.parent.rename(log.parent.with_name("unmounted"))
    with FollowedLog(log, checkpoints=followed.saved) as again:
        again.read()
        log.parent.with_name("unmounted").rename(log.parent)

        assert again.read() == []


def test_log_on_a_device_with_another_number_goes_on_from_its_checkpoint(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
    append(log, "two")
    moved = [replace(each, device=each.device + 1) for each in followed.saved]
    with FollowedLog(log, checkpoints=moved) as again:
        assert (again.read(), again.gaps) == (["two"], [])


def test_checkpoint_of_a_deleted_generation_is_forgotten(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
        log.rename(log.with_name("app.log.1"))
        append(log, "two")
        followed.read()
        log.with_name("app.log.1").unlink()
        followed.read_after(LONG_WAIT_S)

        assert [checkpoint.path for checkpoint in followed.saved] == [str(log)]


def test_checkpoint_of_a_closed_generation_is_forgotten_when_that_is_deleted(log: Path) -> None:
    with FollowedLog(log) as followed:
        log.rename(log.with_name("app.log.1"))
        append(log, "two")
        followed.read_after(LONG_WAIT_S)
        log.with_name("app.log.1").unlink()
        followed.read()
        followed.read_after(LONG_WAIT_S)

        assert [checkpoint.path for checkpoint in followed.saved] == [str(log)]


def test_checkpoint_of_a_generation_that_was_deleted_while_nobody_read_is_forgotten_without_a_gap(log: Path) -> None:
    with FollowedLog(log) as followed:
        log.rename(log.with_name("app.log.1"))
        append(log, "two")
        followed.read()
    log.with_name("app.log.1").unlink()
    with FollowedLog(log, checkpoints=followed.saved) as again:
        again.read()

        assert ([checkpoint.path for checkpoint in again.saved], again.gaps) == ([str(log)], [])


def test_checkpoint_names_the_file_by_where_it_is_now(log: Path) -> None:
    with FollowedLog(log) as followed:
        log.rename(log.with_name("app.log.1"))
        append(log, "two")
        followed.read()

        assert sorted(checkpoint.path for checkpoint in followed.saved) == [str(log), str(log.with_name("app.log.1"))]


# Batches and turns


def test_batch_holds_only_so_many_records_and_its_checkpoint_covers_exactly_them(log: Path) -> None:
    with FollowedLog(log, batch_records=2) as followed:
        append(log, "a", "b", "c")
        followed.read()

        full = next(batch for batch in followed.batches if batch.records)
        assert ([record.text for record in full.records], [each.offset for each in full.checkpoints]) == (["a", "b"], [4])


def test_progress_without_matches_is_handed_over_after_a_while(log: Path) -> None:
    with FollowedLog(log, rules=[Rule("never")], flush_s=1.0) as followed:
        append(log, "dull")
        followed.reader.reconcile()
        followed.reader.turn()
        at_once = [each.offset for each in followed.saved]
        followed.clock.passed_s += 1.0
        followed.reader.turn()

        assert (at_once, [each.offset for each in followed.saved]) == ([0], [5])


def test_much_progress_without_matches_is_handed_over_at_once(log: Path) -> None:
    with FollowedLog(log, rules=[Rule("never")], flush_bytes=100) as followed:
        append(log, *LINES[:10])
        followed.reader.reconcile()
        followed.reader.turn()

        assert [each.offset for each in followed.saved] == [log.stat().st_size]


def test_busy_log_lets_a_quiet_one_have_its_turn(tmp_path: Path) -> None:
    with FollowedLog(tmp_path / "*.log", turn_bytes=1000, chunk_bytes=500) as followed:
        append(tmp_path / "busy.log", *LINES * 50)
        append(tmp_path / "quiet.log", "me too")
        followed.reader.reconcile()
        followed.reader.turn()
        texts = [record.text for record in followed.records]

        assert ("me too" in texts, len(texts) < 100) == (True, True)


@pytest.mark.parametrize("read_from", ["end", "beginning"])
def test_more_files_than_may_be_open_are_all_followed_from_the_start(tmp_path: Path, read_from: str) -> None:
    logs = [tmp_path / f"{number}.log" for number in range(20)]
    for log in logs:
        append(log, f"{log.stem} before")
    with FollowedLog(tmp_path / "*.log", open_files=4, read_from=read_from) as followed:
        for log in logs:
            append(log, f"{log.stem} after")
        while followed.read():
            assert len(open_files() & {str(log) for log in logs}) <= 8

    words = ["before", "after"] if read_from == "beginning" else ["after"]
    assert sorted(record.text for record in followed.records) == sorted(f"{log.stem} {word}" for log in logs for word in words)


def test_log_that_appears_while_nobody_reads_is_read_from_its_beginning(log: Path) -> None:
    append(log, "old")
    with FollowedLog(log.with_name("*.log")) as followed:
        followed.read()
    append(log.with_name("second.log"), "appeared")
    with FollowedLog(log.with_name("*.log"), checkpoints=followed.saved) as again:
        assert again.read() == ["appeared"]


def test_named_log_that_appears_while_nobody_reads_is_read_from_its_beginning(log: Path) -> None:
    with FollowedLog(log) as followed:
        followed.read()
    append(log, "appeared")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        assert again.read() == ["appeared"]


def test_log_of_a_pattern_that_is_new_begins_at_its_end(log: Path) -> None:
    append(log, "old")
    with FollowedLog(log.with_name("a*.log")) as followed:
        followed.read()
    append(log.with_name("second.log"), "history")
    with FollowedLog(log.with_name("*.log"), checkpoints=followed.saved) as again:
        assert again.read() == []


def test_log_of_another_directory_that_is_new_begins_at_its_end(log: Path) -> None:
    append(log, "old")
    with FollowedLog([log.with_name("*.log")]) as followed:
        followed.read()
    other = log.parent / "other" / "second.log"
    other.parent.mkdir()
    append(other, "history")
    with FollowedLog([log.with_name("*.log"), other.with_name("*.log")], checkpoints=followed.saved) as again:
        assert again.read() == []


def test_log_that_could_not_be_opened_at_the_first_start_is_no_new_one_at_the_second(tmp_path: Path) -> None:
    for number in range(9):
        append(tmp_path / f"{number}.log", "old")
    with FollowedLog(tmp_path / "*.log", open_files=2) as followed:
        pass  # killed before all were opened once
    with FollowedLog(tmp_path / "*.log", checkpoints=followed.saved) as again:
        assert again.read() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read")
def test_log_that_could_not_be_read_at_the_first_start_is_no_new_one_at_the_second(log: Path) -> None:
    append(log, "old")
    log.chmod(0)
    for directory in (log.parent, *log.parent.parents[:3]):
        directory.chmod(0o755)
    os.seteuid(65534)
    try:
        with FollowedLog(log.with_name("*.log")) as followed:
            followed.read()
    finally:
        os.seteuid(0)
    with FollowedLog(log.with_name("*.log"), checkpoints=followed.saved) as again:
        assert again.read() == []


def test_log_whose_directory_was_not_there_at_the_first_start_is_no_new_one_at_the_second(log: Path) -> None:
    mounted = log.parent / "mounted" / "app.log"
    with FollowedLog(mounted) as followed:
        followed.read()
    mounted.parent.mkdir()
    append(mounted, "history")
    with FollowedLog(mounted, checkpoints=followed.saved) as again:
        assert again.read() == []


def test_own_file_of_a_run_is_no_new_log_in_the_next(log: Path) -> None:
    append(log, "our own words")
    with FollowedLog(log.with_name("*.log"), is_own=lambda path, _: path == str(log)) as followed:
        followed.read()
    with FollowedLog(log.with_name("*.log"), checkpoints=followed.saved) as again:
        assert again.read() == []


@pytest.mark.parametrize("has_rest", [False, True])
@pytest.mark.parametrize("is_seen", [False, True])
@pytest.mark.parametrize("banner", [(), ("=== started ===",)])
def test_copy_that_is_written_over_that_of_last_night_is_not_read_again(
    log: Path, banner: tuple[str, ...], *, is_seen: bool, has_rest: bool
) -> None:
    copy = log.with_name("app.log.1")
    written: list[str] = []
    with FollowedLog(log, read_from="beginning") as followed:
        for night in range(4):
            lines = [*banner, *(f"{night}:{number} {'z' * 60}" for number in range(10 + night))]
            rest = [f"{night}:rest"] * has_rest
            append(log, *lines)
            followed.read_after(LONG_WAIT_S)
            append(log, *rest)
            shutil.copyfile(log, copy)
            if is_seen:
                followed.read()
            os.truncate(log, 0)
            followed.read_after(LONG_WAIT_S)
            written += [*lines, *rest]

        assert [record.text for record in followed.records] == written


def test_progress_is_committed_while_a_long_log_without_matches_is_caught_up_with(log: Path) -> None:
    append(log, *["x" * 99] * 100_000)
    offsets: list[int] = []
    with FollowedLog(log, rules=[Rule("never")], read_from="beginning", chunk_bytes=65536, turn_bytes=65536) as followed:
        while followed.reader.turn():
            offsets = [checkpoint.offset for checkpoint in followed.saved]

    assert 0 < offsets[-1] < 10_000_000
    assert len({each.offset for batch in followed.batches for each in batch.checkpoints}) > 2


def test_file_that_cannot_be_read_for_a_moment_is_tried_again(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
        make_unreadable(log)
        append(log, "two")
        followed.read()

        assert followed.read() == ["two"]


@pytest.mark.parametrize("fate", ["stays", "is renamed", "is deleted"])
def test_file_whose_handle_is_stale_is_opened_again(log: Path, monkeypatch: pytest.MonkeyPatch, fate: str) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
        make_stale(log, monkeypatch)
        if fate == "is renamed":
            log.rename(log.with_name("app.log.1"))
        elif fate == "is deleted":
            log.unlink()
        append(log, "two")
        lines = followed.read() + followed.read() + followed.read_after(40)
        append(log, "three")

        assert lines + followed.read() == ["two", "three"]


def make_stale(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything that is asked of the open file fail, as NFS does when its server does not know the file any more."""
    stale = {fd_of(log)}

    def failing(call: Callable[..., Any]) -> Callable[..., Any]:
        def answer(fd: int, *args: object) -> object:
            if fd in stale:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            return call(fd, *args)

        return answer

    def close(fd: int, close: Callable[[int], None] = os.close) -> None:
        stale.discard(fd)
        close(fd)

    for name in ("fstat", "pread", "preadv", "lseek"):
        monkeypatch.setattr(os, name, failing(getattr(os, name)))
    monkeypatch.setattr(os, "close", close)


def fd_of(log: Path) -> int:
    [fd] = [int(each.name) for each in Path("/proc/self/fd").iterdir() if each.exists() and str(each.readlink()) == str(log)]
    return fd


def make_unreadable(log: Path) -> None:
    """Let reads of the open file fail, as those of a file system that went away do."""
    fd = fd_of(log)
    directory = os.open(log.parent, os.O_RDONLY)
    os.dup2(directory, fd)
    os.close(directory)


def test_names_of_many_files_leave_together(tmp_path: Path) -> None:
    """Each batch is a transaction: a thousand of them would keep the first lines waiting."""
    for number in range(20):
        append(tmp_path / f"{number}.log", "before")
    with FollowedLog(tmp_path / "*.log") as followed:
        before = len(followed.batches)
        followed.reader.turn()

        assert len(followed.batches) == before + 1


def test_only_so_many_files_stay_open_and_all_are_followed(tmp_path: Path) -> None:
    names = [tmp_path / f"{letter}.log" for letter in "abcdef"]
    with FollowedLog(tmp_path / "*.log", open_files=3) as followed:
        for name in names:
            append(name, "first")
        while followed.read():
            pass
        opened = len(open_files() & {str(name) for name in names})
        for name in names:
            append(name, f"second of {name.stem}")

        assert (opened <= 3, sorted(followed.read())) == (True, [f"second of {letter}" for letter in "abcdef"])


@pytest.mark.parametrize("event", ["append", "rename", "copy"])
def test_line_that_is_written_between_the_last_read_and_a_look_at_the_file_is_not_lost(log: Path, event: str) -> None:
    happened: list[str] = []

    def between(path: str) -> None:
        if not happened and log.stat().st_size:
            happened.append(path)
            append(log, "in between")
            if event == "rename":
                log.rename(log.with_name("app.log.1"))
                append(log, "next")
            if event == "copy":
                copy_and_truncate(log, "app.log.1")

    with FollowedLog(log, between=between) as followed:
        append(log, "one")
        lines = followed.read() + followed.read_after(LONG_WAIT_S)

        assert lines == ["one", "in between"] + ["next"] * (event == "rename")


# Complaints


def test_missing_log_is_complained_about_once_and_so_is_its_return(log: Path) -> None:
    log.unlink()
    with capture_logs() as told, FollowedLog(log) as followed:
        followed.read_after(10)
        log.touch()
        followed.read_after(10)

        assert [entry["event"] for entry in told] == ["log_lost", "log_back"]


def test_log_that_is_away_for_a_moment_is_not_complained_about(log: Path) -> None:
    with capture_logs() as told, FollowedLog(log) as followed:
        log.rename(log.with_name("app.log.1"))
        followed.read_after(1)
        log.touch()
        followed.read()

        assert told == []


@pytest.mark.parametrize("beside", [[], ["b.log"]])
def test_directory_that_is_named_is_complained_about_once_with_the_mend(tmp_path: Path, beside: Sequence[str]) -> None:
    (tmp_path / "app.log").mkdir()
    for name in beside:
        append(tmp_path / name, name)
    with capture_logs() as told, FollowedLog([tmp_path / name for name in ("app.log", *beside)]) as followed:
        for _ in range(3):
            followed.read_after(10)

        mend = f"a directory; {tmp_path}/app.log/* names the files in it"
        assert [(entry["event"], entry["reason"]) for entry in told] == [("log_lost", mend)]


def test_pipe_is_complained_about_once_whatever_names_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "app.log")
    with capture_logs() as told, FollowedLog([tmp_path / "app.log", tmp_path / "*"]) as followed:
        followed.read_after(10)

    assert [(entry["path"], entry["reason"]) for entry in told] == [(f"{tmp_path}/app.log", "a pipe, and no file")]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give up reading rights for a moment")
def test_log_without_the_right_to_read_it_is_read_once_the_right_is_given(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    log = tmp_path / "app.log"
    append(log, "old")
    log.chmod(0o600)
    with capture_logs() as told:
        os.seteuid(65534)
        try:
            with FollowedLog(log) as followed:
                followed.read_after(10)
                os.seteuid(0)
                log.chmod(0o644)
                os.seteuid(65534)
                first = followed.read()
                os.seteuid(0)
                append(log, "new")
                os.seteuid(65534)

                assert (first, followed.read()) == ([], ["new"])
        finally:
            os.seteuid(0)

    assert [(entry["event"], entry.get("reason")) for entry in told] == [("log_lost", "Permission denied"), ("log_back", None)]
