"""Records of several lines, other encodings and nasty content, read turn by turn from real files."""

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.sources.file.source import FileSource
from opsbot.adapters.sources.file.tuning import Tuning
from opsbot.adapters.sources.tail import read_tail
from opsbot.core.log import Multiline, Rule, RuleFigures, Scan, marker_of
from tests.integration.followed_log import FollowedLog, a_matcher, append, append_bytes, open_files

PYTHON = Multiline(kind="python")
DATED = Multiline(kind="start", start=r"^\d\d:\d\d ")
TRACEBACK = [
    "10:01 ERROR login failed 登录失败",
    "Traceback (most recent call last):",
    '  File "bot.py", line 7, in log_in',
    "    self.scan()",
    "KeyError: '扫码'",
]
WHOLE = "\n".join(TRACEBACK)
LONG_WAIT_S = 31.0
CODECS = {"utf-8": "utf-8", "gb18030": "gb18030", "utf-16": "utf-16-le"}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.touch()
    return path


# Records of several lines


def test_record_of_several_lines_is_told_when_the_next_one_begins(log: Path) -> None:
    with FollowedLog(log, multiline=PYTHON) as followed:
        append(log, *TRACEBACK)
        before = followed.read()
        append(log, "10:02 INFO next")

        assert (before, followed.read()) == ([], [WHOLE])


def test_lines_that_come_one_by_one_are_one_record(log: Path) -> None:
    with FollowedLog(log, multiline=PYTHON) as followed:
        for line in TRACEBACK:
            append(log, line)
            assert followed.read() == []
            followed.clock.passed_s += 0.9

        assert followed.read_after(0.1) == [WHOLE]


def test_record_is_told_when_nothing_came_for_a_while(log: Path) -> None:
    with FollowedLog(log, multiline=PYTHON) as followed:
        append(log, *TRACEBACK)

        assert (followed.read(), followed.read_after(0.9), followed.read_after(0.1)) == ([], [], [WHOLE])


def test_reader_wants_to_be_woken_when_a_record_is_over(log: Path) -> None:
    with FollowedLog(log, multiline=Multiline(kind="python", timeout_s=7.0)) as followed:
        append(log, *TRACEBACK)
        followed.read()
        followed.clock.passed_s += 3.0
        before = followed.reader.due_in_s()
        followed.clock.passed_s += 4.0

        assert (before, followed.reader.due_in_s()) == (4.0, 0.0)


async def test_reader_wakes_up_when_a_record_is_over(log: Path) -> None:
    multiline = Multiline(kind="python", timeout_s=0.1)
    tuning = Tuning(reconcile_s=600.0, flush_s=600.0)
    source = FileSource(
        "app", str(log), a_matcher([Rule("")], multiline), clock=SystemClock(), multiline=multiline, tuning=tuning
    )

    async with source, asyncio.timeout(20):
        await asyncio.to_thread(append, log, *TRACEBACK)
        batch = await anext(batch async for batch in source.batches() if batch.records)

        assert [record.text for record in batch.records] == [WHOLE]


def test_nothing_is_waited_for_when_no_record_is_open(log: Path) -> None:
    with FollowedLog(log, multiline=PYTHON) as followed:
        append(log, *TRACEBACK)
        followed.read()
        followed.read_after(1.0)

        assert followed.reader.due_in_s() is None


def test_record_is_told_once_its_time_is_over_although_nothing_was_written_to_the_file(log: Path) -> None:
    with FollowedLog(log, multiline=PYTHON) as followed:
        append(log, *TRACEBACK)
        followed.read()
        followed.clock.passed_s += 1.0
        followed.reader.turn()

        assert [record.text for record in followed.records] == [WHOLE]


def test_lines_that_were_there_before_the_time_was_over_belong_to_the_record_however_late_they_are_read(log: Path) -> None:
    with FollowedLog(log, multiline=PYTHON) as followed:
        append(log, *TRACEBACK[:3])
        followed.read()
        append(log, *TRACEBACK[3:])
        followed.clock.passed_s += 3600.0

        assert (followed.read(), followed.read_after(1.0)) == ([], [WHOLE])


def test_lines_that_come_too_late_are_a_record_of_their_own(log: Path) -> None:
    with FollowedLog(log, multiline=DATED) as followed:
        append(log, "10:00 one", "more")
        followed.read()
        first = followed.read_after(1.0)
        append(log, "late", "later")
        followed.read()
        second = followed.read_after(1.0)
        append(log, "10:01 two", "10:02 three")

        assert (first, second, followed.read()) == (["10:00 one\nmore"], ["late\nlater"], ["10:01 two"])


def test_unfinished_line_does_not_hold_a_record_up(log: Path) -> None:
    with FollowedLog(log, multiline=DATED) as followed:
        append(log, "10:00 one", "more")
        append_bytes(log, b"progress: 10 %")
        followed.read()
        first = followed.read_after(1.0)
        append_bytes(log, b" 20 %\n")
        followed.read()

        assert (first, followed.read_after(1.0)) == (["10:00 one\nmore"], ["progress: 10 % 20 %"])


def test_checkpoint_stays_at_the_beginning_of_an_open_record(log: Path) -> None:
    with FollowedLog(log, multiline=PYTHON) as followed:
        append(log, "10:00 INFO fine", *TRACEBACK)
        followed.read()

        assert [checkpoint.offset for checkpoint in followed.saved] == [len(b"10:00 INFO fine\n")]


def test_checkpoint_of_a_record_of_several_lines_stands_behind_its_last_line(log: Path) -> None:
    with FollowedLog(log, multiline=PYTHON, rules=[Rule("ERROR")]) as followed:
        append(log, "10:00 INFO fine", *TRACEBACK, "10:02 INFO next", "10:03 INFO next")
        followed.read()

        (record,) = followed.records
        assert (record.offset, record.checkpoint.offset) == (16, 16 + len(f"{WHOLE}\n".encode()))
        assert record.checkpoint.marker == marker_of(f"10:00 INFO fine\n{WHOLE}\n".encode())


def test_restart_in_the_middle_of_a_record_reads_it_from_its_beginning(log: Path) -> None:
    with FollowedLog(log, multiline=PYTHON) as followed:
        append(log, "10:00 INFO fine", *TRACEBACK[:3])
        before = followed.read()
    append(log, *TRACEBACK[3:])

    with FollowedLog(log, multiline=PYTHON, checkpoints=followed.saved) as again:
        assert (before, again.read(), again.read_after(1.0)) == (["10:00 INFO fine"], [], [WHOLE])


@pytest.mark.parametrize("chunk_bytes", [*range(1, 40), 64, 100, 1000])
def test_boundary_of_a_read_may_lie_anywhere_in_a_record(log: Path, chunk_bytes: int) -> None:
    append(log, "10:00 INFO fine", *TRACEBACK, "10:02 INFO next", *TRACEBACK)
    rules = [Rule("(?s)登录失败.*self.*扫码'$"), Rule("fine")]
    with FollowedLog(log, multiline=PYTHON, rules=rules, chunk_bytes=chunk_bytes, read_from="beginning") as followed:
        followed.read()
        followed.read_after(1.0)

        found = [(record.text, record.hits[0].rule) for record in followed.records]
        assert found == [("10:00 INFO fine", 1), (WHOLE, 0), (WHOLE, 0)]


@pytest.mark.parametrize("chunk_bytes", [1, 7, 4096])
def test_record_ends_at_its_bounds(log: Path, chunk_bytes: int) -> None:
    multiline = Multiline(kind="start", start="^head", max_lines=3)
    with FollowedLog(log, multiline=multiline, chunk_bytes=chunk_bytes) as followed:
        append(log, "head", "1", "2", "3", "4", "5")

        assert followed.read() == ["head\n1\n2", "3\n4\n5"]


def test_record_that_is_larger_than_a_read_is_read_whole(log: Path) -> None:
    lines = ["10:00 large", *[f"{number} {'x' * 90}" for number in range(400)]]
    with FollowedLog(log, multiline=DATED, chunk_bytes=1000) as followed:
        append(log, *lines, "10:01 next")

        assert followed.read() == ["\n".join(lines)]


class Hesitant:
    """A matcher that never ends a record by itself."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:
        self.sizes.append(len(block))
        return Scan((), len(block) if is_end else 0)

    def search(self, record: str) -> Scan:
        return Scan((), len(record))

    def figures(self) -> Sequence[RuleFigures]:
        return ()


def test_matcher_that_never_ends_a_record_is_made_to(log: Path) -> None:
    hesitant = Hesitant()
    multiline = Multiline(kind="python", max_bytes=1000)
    with FollowedLog(log, matcher=hesitant, multiline=multiline, chunk_bytes=100) as followed:
        append(log, *["x" * 50] * 400)
        followed.read()

        assert max(hesitant.sizes) <= 2 * 1000 + 2 * 100
        assert followed.saved[0].offset > 400 * 51 - 3 * 1000


def test_files_have_their_open_records_apart(tmp_path: Path) -> None:
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    one.touch()
    two.touch()
    with FollowedLog(tmp_path / "*.log", multiline=DATED) as followed:
        append(one, "10:00 one")
        followed.read()
        append(two, "10:00 two")
        first = followed.read_after(0.25)
        append(one, "more")
        second = followed.read_after(0.25)

        assert (first, second) == ([], [])
        assert (followed.read_after(0.75), followed.read_after(0.25)) == (["10:00 two"], ["10:00 one\nmore"])


# Rotation in the middle of a record


def test_record_ends_with_its_file_when_the_log_goes_on_in_another(log: Path) -> None:
    with FollowedLog(log, multiline=DATED) as followed:
        append(log, "10:00 one", "more")
        followed.read()
        log.rename(log.with_name("app.log.1"))
        append(log, "of the next file", "10:01 two", "10:02 three")

        assert followed.read() == ["10:00 one\nmore", "of the next file", "10:01 two"]


def test_late_lines_of_a_renamed_file_belong_to_its_last_record(log: Path) -> None:
    with FollowedLog(log, multiline=DATED) as followed, log.open("ab", buffering=0) as late:
        late.write(b"10:00 one\n")
        followed.read()
        log.rename(log.with_name("app.log.1"))
        log.touch()
        before = followed.read()
        late.write(b"more\n")
        followed.read()

        assert (before, followed.read_after(1.0)) == ([], ["10:00 one\nmore"])


def test_record_that_was_begun_before_a_copy_and_truncation_goes_on_in_the_copy(log: Path) -> None:
    with FollowedLog(log, multiline=PYTHON) as followed:
        append(log, "10:00 INFO fine", *TRACEBACK[:3])
        followed.read()
        append(log, *TRACEBACK[3:])
        shutil.copyfile(log, log.with_name("app.log.1"))
        os.truncate(log, 0)
        append(log, "10:02 INFO next", "10:03 INFO next")

        assert (followed.read(), followed.gaps) == ([WHOLE, "10:02 INFO next"], [])


def test_copy_of_a_log_with_an_open_record_is_closed_when_that_is_over(log: Path) -> None:
    with FollowedLog(log, multiline=DATED) as followed:
        append(log, "10:00 one", "more")
        copy = log.with_name("app.log.1")
        followed.read()
        shutil.copyfile(log, copy)
        followed.read()
        followed.read_after(LONG_WAIT_S)
        followed.read_after(LONG_WAIT_S)

        assert [record.text for record in followed.records] == ["10:00 one\nmore"]
        assert str(copy) not in open_files()


@pytest.mark.parametrize("before", [[], ["09:59 before"]])
def test_open_record_is_not_lost_when_the_log_is_truncated(log: Path, before: list[str]) -> None:
    with FollowedLog(log, multiline=DATED) as followed:
        append(log, *before, "10:00 one", "more")
        followed.read()
        os.truncate(log, 0)
        followed.read()
        append(log, "10:01 two", "10:02 three")
        followed.read()

        assert [record.text for record in followed.records] == [*before, "10:00 one\nmore", "10:01 two"]
        assert followed.gaps == []


def test_open_record_is_not_lost_when_the_log_is_truncated_before_that_was_read_to_its_end(log: Path) -> None:
    with FollowedLog(log, multiline=DATED, turn_bytes=1) as followed:
        append(log, "09:58 rotated")
        followed.read()
        log.rename(log.with_name("app.log.1"))
        append(log, "09:59 before", "10:00 one", "more")
        followed.reader.reconcile()
        while "09:59 before" not in [record.text for record in followed.records]:
            followed.reader.turn()
        os.truncate(log, 0)

        assert (followed.read(), followed.gaps) == (["10:00 one\nmore"], [])


def test_open_record_at_the_beginning_is_not_lost_when_the_truncated_log_has_grown_beyond_it(log: Path) -> None:
    with FollowedLog(log, multiline=DATED) as followed:
        append(log, "10:00 one", "more")
        followed.read()
        os.truncate(log, 0)
        append(log, "10:01 two and more than before", "10:02 three")

        assert followed.read() == ["10:00 one\nmore", "10:01 two and more than before"]


def test_only_the_unfinished_line_behind_an_open_record_is_a_gap_when_the_log_is_truncated(log: Path) -> None:
    with FollowedLog(log, multiline=DATED) as followed:
        append(log, "10:00 one", "more")
        append_bytes(log, b"half")
        followed.read()
        os.truncate(log, 0)
        after = followed.read()

        assert (after, [gap.lost_bytes for gap in followed.gaps]) == (["10:00 one\nmore"], [4])


def test_open_record_that_is_cut_in_the_file_is_told_as_it_was(log: Path) -> None:
    with FollowedLog(log, multiline=DATED) as followed:
        append(log, "09:59 before", "10:00 one", "more")
        followed.read()
        os.truncate(log, len(b"09:59 before\n"))
        append(log, "10:01 two", "10:02 three")

        assert followed.read() == ["10:00 one\nmore", "10:01 two"]


def test_open_record_goes_on_when_only_the_unfinished_line_behind_it_is_cut_off(log: Path) -> None:
    with FollowedLog(log, multiline=DATED) as followed:
        append(log, "09:59 before", "10:00 one")
        append_bytes(log, b"half")
        followed.read()
        os.truncate(log, len(b"09:59 before\n10:00 one\n"))
        followed.read()
        append(log, "more")
        followed.read()

        assert followed.read_after(1.0) == ["10:00 one\nmore"]


def test_record_of_a_deleted_log_ends_with_its_unfinished_line(log: Path) -> None:
    multiline = Multiline(kind="start", start="^10", timeout_s=60.0)
    with FollowedLog(log, multiline=multiline) as followed:
        append(log, "10:00 one", "more")
        append_bytes(log, b"half")
        followed.read()
        log.unlink()
        followed.read()

        assert followed.read_after(LONG_WAIT_S) == ["10:00 one\nmore\nhalf"]
        assert followed.saved == ()


def test_open_record_of_a_file_that_nobody_writes_to_is_told_when_that_is_closed(tmp_path: Path) -> None:
    dated = tmp_path / "app-2026-11-19.log"
    with FollowedLog(tmp_path / "*.log", multiline=Multiline(kind="start", start="^10", timeout_s=60.0)) as followed:
        append(dated, "10:00 one", "more")
        followed.read()

        assert followed.read_after(LONG_WAIT_S) == ["10:00 one\nmore"]
        assert str(dated) not in open_files()


def test_file_with_an_open_record_is_not_closed_to_save_descriptors(tmp_path: Path) -> None:
    logs = [tmp_path / f"{number}.log" for number in range(4)]
    for each in logs:
        each.touch()
    with FollowedLog(tmp_path / "*.log", multiline=DATED, open_files=2) as followed:
        for each in logs:
            append(each, "10:00 one")
        followed.read()
        followed.read()
        opened = open_files()
        told = followed.read_after(1.0)
        followed.read()

        assert ({*map(str, logs)} <= opened, told) == (True, ["10:00 one"] * 4)
        assert len({*map(str, logs)} & open_files()) == 2


def test_records_that_nobody_waits_for_any_longer_are_told_as_they_are(log: Path) -> None:
    with FollowedLog(log, multiline=DATED) as followed:
        append(log, "10:00 one", "more")
        append_bytes(log, b"half")
        followed.read()
        followed.reader.conclude()
        followed.reader.flush()

        assert [record.text for record in followed.records] == ["10:00 one\nmore\nhalf"]


def test_line_by_line_the_unfinished_last_line_is_told_when_nobody_waits_for_it(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        append_bytes(log, b"half")
        followed.read()
        followed.reader.conclude()
        followed.reader.flush()

        assert [record.text for record in followed.records] == ["one", "half"]


# Encodings


def encoded(text: str, codec: str, *, bom: bool = False) -> bytes:
    return ("\ufeff" * bom + text).encode(codec)


@pytest.mark.parametrize("chunk_bytes", [*range(1, 30), 4096])
@pytest.mark.parametrize(
    ("encoding", "codec", "bom"),
    [
        ("utf-8", "utf-8", True),
        ("gb18030", "gb18030", False),
        ("gb18030", "gb18030", True),
        ("utf-16", "utf-16-le", False),
        ("utf-16", "utf-16-le", True),
        ("utf-16", "utf-16-be", True),
    ],
)
def test_lines_are_read_in_any_encoding_wherever_a_read_ends(
    log: Path, encoding: str, codec: str, chunk_bytes: int, *, bom: bool
) -> None:
    # ਊ and 上 have a byte in common with a newline, Ā and 一 with a zero.
    lines = ["一ਊĀ上 one", "", "扫码登录 😀", "\u0a0a\u0a00\u0a0d", "last"]
    log.write_bytes(encoded("".join(f"{line}\n" for line in lines), codec, bom=bom))
    with FollowedLog(log, encoding=encoding, chunk_bytes=chunk_bytes, read_from="beginning") as followed:
        assert followed.read() == lines
        assert followed.saved[0].offset == log.stat().st_size


@pytest.mark.parametrize("encoding", CODECS)
def test_record_of_several_lines_is_found_in_any_encoding(log: Path, encoding: str) -> None:
    codec = CODECS[encoding]
    rules = [Rule("(?s)登录失败.*'扫码'")]
    with FollowedLog(log, encoding=encoding, multiline=PYTHON, rules=rules, chunk_bytes=100) as followed:
        for line in ["10:00 信息", *TRACEBACK, "10:02 下一行"]:
            append(log, line, encoding=codec)
            followed.read()

        (record,) = followed.records
        content = log.read_bytes()
        assert (record.text, content[: record.offset].decode(codec)) == (WHOLE, "10:00 信息\n")
        assert content[: record.checkpoint.offset].decode(codec) == f"10:00 信息\n{WHOLE}\n"


@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "utf-16-le", "utf-16-be"])
def test_half_written_character_stays_unread(log: Path, codec: str) -> None:
    encoding = codec[:6] if codec.startswith("utf-16") else codec
    content = encoded("扫码😀\n登录\n", codec, bom=True)
    with FollowedLog(log, encoding=encoding) as followed:
        for byte in content:
            append_bytes(log, bytes([byte]))
            followed.read()

        assert [record.text for record in followed.records] == ["扫码😀", "登录"]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_byte_order_of_a_file_is_known_after_a_restart(log: Path, codec: str) -> None:
    append_bytes(log, encoded("one 一\ntwo 二\n", codec, bom=True))
    with FollowedLog(log, encoding="utf-16", read_from="beginning") as followed:
        first = followed.read()
    append_bytes(log, encoded("three 三\n", codec))

    with FollowedLog(log, encoding="utf-16", checkpoints=followed.saved) as again:
        assert (first, again.read()) == (["one 一", "two 二"], ["three 三"])


def test_byte_order_is_that_of_the_new_content_after_a_truncation(log: Path) -> None:
    with FollowedLog(log, encoding="utf-16") as followed:
        append_bytes(log, encoded("one\n", "utf-16-be", bom=True))
        followed.read()
        os.truncate(log, 0)
        followed.read()
        append_bytes(log, encoded("two\n", "utf-16-le", bom=True))

        assert followed.read() == ["two"]


@pytest.mark.parametrize("there_bytes", range(10, 60))
def test_log_that_is_followed_from_its_end_begins_with_a_whole_line(log: Path, there_bytes: int) -> None:
    content = encoded("one\nਊĀ unfinished ਊĀ line\n", "utf-16-le", bom=True)
    append_bytes(log, content[:there_bytes])
    with FollowedLog(log, encoding="utf-16") as followed:
        append_bytes(log, content[there_bytes:])

        assert followed.read() == ["ਊĀ unfinished ਊĀ line"] * (there_bytes < len(content))


def test_log_that_ends_with_half_a_unit_is_followed_from_its_last_line(log: Path) -> None:
    content = encoded("one\n" * 20_000 + "unfinished 一", "utf-16-le")
    append_bytes(log, content[:-1])
    with FollowedLog(log, encoding="utf-16") as followed:
        append_bytes(log, content[-1:] + encoded(" line\n", "utf-16-le"))

        assert followed.read() == ["unfinished 一 line"]


def test_byte_order_mark_alone_is_no_line(log: Path) -> None:
    with FollowedLog(log, encoding="utf-16") as followed:
        append_bytes(log, b"\xff\xfe")
        before = followed.read()
        append_bytes(log, encoded("one\n", "utf-16-le"))

        assert (before, followed.read(), followed.records[0].offset) == ([], ["one"], 2)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 7, 64, 4096])
def test_zeroes_between_lines_of_two_byte_units_are_skipped(log: Path, codec: str, chunk_bytes: int) -> None:
    with FollowedLog(log, encoding="utf-16", chunk_bytes=chunk_bytes) as followed:
        append_bytes(log, encoded("one\n", codec, bom=True) + bytes(5000) + encoded("two 一\nĀ\n", codec))

        assert followed.read() == ["one", "two 一", "Ā"]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_unfinished_last_line_of_a_rotated_file_ends_with_its_last_whole_unit(log: Path, codec: str) -> None:
    with FollowedLog(log, encoding="utf-16") as followed:
        append_bytes(log, encoded("one\ntwo Ā一", codec, bom=True) + b"\x4e")
        followed.read()
        log.rename(log.with_name("app.log.1"))
        log.touch()
        followed.read()

        assert followed.read_after(LONG_WAIT_S) == ["two Ā一"]


def test_encoding_may_be_set_right_later(log: Path) -> None:
    append_bytes(log, encoded("one\n", "utf-16-le"))
    with FollowedLog(log, read_from="beginning") as followed:
        followed.read()
    append_bytes(log, encoded("two\n", "utf-16-le"))

    with FollowedLog(log, encoding="utf-16", checkpoints=followed.saved) as again:
        assert again.read() == ["two"]


def test_invalid_bytes_and_carriage_returns_alone_do_not_disturb_the_lines_around_them(log: Path) -> None:
    with FollowedLog(log) as followed:
        append_bytes(log, b"one\n\xff\xfe\n10 %\r20 %\r\nthree\r\nfour\n")

        assert followed.read() == ["one", "\ufffd\ufffd", "10 %\r20 %", "three", "four"]


def test_carriage_return_and_newline_may_come_in_two_reads(log: Path) -> None:
    with FollowedLog(log) as followed:
        append_bytes(log, b"one\r")
        before = followed.read()
        append_bytes(log, b"\ntwo\r\n")

        assert (before, followed.read()) == ([], ["one", "two"])


@pytest.mark.parametrize("encoding", CODECS)
def test_end_of_a_log_is_shown_to_people_as_text(log: Path, encoding: str) -> None:
    codec = CODECS[encoding]
    lines = [f"{number} 一\u0a0a" for number in range(50)]
    log.write_bytes(encoded("".join(f"{line}\n" for line in lines), codec, bom=True))
    all_of_it = read_tail(str(log), 10_000, encoding)
    some = {read_tail(str(log), limit, encoding)[1] for limit in (97, 98, 99)}

    assert all_of_it == ("app.log", "".join(f"{line}\n" for line in lines))
    assert {text.split("\n")[-2] for text in some} == {"49 一\u0a0a"}
    assert all(line in lines for text in some for line in text.split("\n")[:-1])


def test_end_of_a_log_that_a_double_star_finds_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "app.log").write_bytes(b"deep\n")

    assert read_tail(f"{tmp_path}/**", 100) == ("app.log", "deep\n")


# What is very long, or very much


@pytest.mark.parametrize("extra", [-1, 0, 1])
@pytest.mark.parametrize("encoding", CODECS)
def test_line_around_the_limit_keeps_its_neighbours_in_any_encoding(log: Path, encoding: str, extra: int) -> None:
    with FollowedLog(log, encoding=encoding, max_line_bytes=1001, chunk_bytes=63) as followed:
        append(log, "before", "y" * (1001 // len("y".encode(CODECS[encoding])) + extra), "after", encoding=CODECS[encoding])

        assert [line[:6] for line in followed.read()] == ["before", "yyyyyy", "after"]


@pytest.mark.parametrize("encoding", CODECS)
def test_end_of_a_line_that_is_too_long_is_found_in_any_encoding(log: Path, encoding: str) -> None:
    with FollowedLog(log, encoding=encoding, max_line_bytes=1001, chunk_bytes=63) as followed:
        append(log, "y" * 1001 + "ਊĀ" * 100, "after", encoding=CODECS[encoding])

        assert [line[:5] for line in followed.read()] == ["yyyyy", "after"]


def test_line_that_is_too_long_ends_the_record_before_it(log: Path) -> None:
    with FollowedLog(log, multiline=DATED, max_line_bytes=1000, chunk_bytes=64) as followed:
        append(log, "10:00 one", "more", "x" * 3000, "10:01 two", "10:02 three")

        assert followed.read() == ["10:00 one\nmore", "x" * 1000, "10:01 two"]


def test_zeroes_behind_an_open_record_do_not_disturb_it(log: Path) -> None:
    append_bytes(log, bytes(100_000))
    with (
        FollowedLog(log, multiline=DATED, read_from="beginning", chunk_bytes=500) as followed,
        log.open("r+b", buffering=0) as writer,
    ):
        for line in (b"10:00 one\n", b"more\n"):
            writer.write(line)
            assert followed.read() == []
        told = followed.read_after(1.0)
        writer.write(b"10:01 two\n10:02 three\n")

        assert (told, followed.read()) == (["10:00 one\nmore"], ["10:01 two"])


def test_hole_ends_a_record(log: Path) -> None:
    with FollowedLog(log, multiline=DATED) as followed:
        append_bytes(log, b"10:00 one\nmore\n" + bytes(5000) + b"behind\n10:01 two\n")
        followed.read()
        followed.read_after(1.0)
        followed.read_after(1.0)

        assert [record.text for record in followed.records] == ["10:00 one\nmore", "behind", "10:01 two"]


def test_line_of_a_hundred_megabytes_takes_little_memory(log: Path) -> None:
    hesitant = Hesitant()
    with FollowedLog(log, matcher=hesitant) as followed:
        with log.open("r+b") as writer:
            writer.seek(0)
            piece = b"x" * (4 * 1024 * 1024)
            for _ in range(25):
                writer.write(piece)
            writer.write(b"\nnext\n")
        followed.read()

        assert followed.saved[0].offset == log.stat().st_size
        assert max(hesitant.sizes) == 1024 * 1024
        assert len(followed.reader._buffer.raw) <= 1024 * 1024 + 512  # noqa: SLF001 that is the memory


@pytest.mark.parametrize("multiline", [None, PYTHON, DATED])
def test_million_empty_lines_take_little_memory(log: Path, multiline: Multiline | None) -> None:
    sizes = []

    class Measured:
        inner = a_matcher([Rule("ERROR")], multiline)

        def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:
            sizes.append(len(block))
            return self.inner.scan(block, is_end=is_end)

        def search(self, record: str) -> Scan:
            return self.inner.search(record)

        def figures(self) -> Sequence[RuleFigures]:
            return self.inner.figures()

    with FollowedLog(log, matcher=Measured(), multiline=multiline) as followed:
        append_bytes(log, b"\n" * 1_000_000 + b"10:00 ERROR\n10:01 next\n")
        followed.read()

        assert [record.text for record in followed.records] == ["10:00 ERROR"]
        assert max(sizes) <= 256 * 1024 + 1000
