"""`opsbot tail` as a user runs it: a process, real files, real rotation, signals and pipes."""

# ruff: noqa: ASYNC110, ASYNC230, ASYNC240 - what is waited for is a process, which tells no event; and files are written at once

import asyncio
import gzip
import json
import os
import resource
import shutil
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from opsbot.cli.tail import tail as tail_command
from opsbot.core.log import marker_of
from tests.integration.followed_log import append

PATIENCE_S = 20.0
Rotate = Callable[[Path], object]


class Tail:
    """A running `opsbot tail`; `heard` is what it printed."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.heard: list[str] = []

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = (await self.process.stdout.readline()).decode()
        assert line.endswith("\n"), await self.complaints()
        self.heard.append(line[:-1])
        return line[:-1]

    async def lines(self, count: int) -> list[str]:
        return [await self.line() for _ in range(count)]

    async def complaint(self) -> str:
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            return (await self.process.stderr.readline()).decode()

    async def complaints(self) -> str:
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            return (await self.process.stderr.read()).decode()

    async def end(self, by: int = signal.SIGTERM) -> int:
        """Send a signal, and give the exit status; what was still printed is in `heard`."""
        self.process.send_signal(by)
        return await self.ended()

    async def ended(self) -> int:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            self.heard += (await self.process.stdout.read()).decode().splitlines()
            return await self.process.wait()


@asynccontextmanager
async def tailing(*arguments: object, cwd: Path | None = None) -> AsyncIterator[Tail]:
    argv = [sys.executable, "-m", "opsbot", "tail", *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(*argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=cwd)
    try:
        yield Tail(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - else its pipes outlive the loop


async def run(*arguments: object, cwd: Path | None = None) -> tuple[int, list[str], str]:
    """Run it to its end: status, lines, complaints."""
    async with tailing(*arguments, cwd=cwd) as tail:
        status = await tail.ended()
        return status, tail.heard, await tail.complaints()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "app.log"
    path.parent.mkdir()
    path.touch()
    return path


def shift(log: Path) -> None:
    first = Path(f"{log}.1")
    if first.exists():
        first.rename(f"{log}.2")


def rename(log: Path) -> None:
    shift(log)
    log.rename(f"{log}.1")
    log.touch()


def compress(log: Path) -> None:
    """Rotate as logrotate does without delaycompress."""
    for number in (3, 2, 1):
        if (older := Path(f"{log}.{number}.gz")).exists():
            older.rename(f"{log}.{number + 1}.gz")
    Path(f"{log}.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    log.touch()


def copy_and_truncate(log: Path) -> None:
    shift(log)
    shutil.copyfile(log, f"{log}.1")
    os.truncate(log, 0)


# --- to the present end


async def test_matching_lines_are_printed_as_they_are(log: Path) -> None:
    append(log, "ok", "ERROR 扫码", "fine", "WARN x")

    assert await run(log, "-e", "ERROR", "-e", "^WARN", "--no-follow") == (0, ["ERROR 扫码", "WARN x"], "")


async def test_every_line_is_printed_without_a_rule_the_unfinished_one_too(log: Path) -> None:
    log.write_bytes(b"one\r\n\ntwo")

    assert await run(log, "--no-follow") == (0, ["one", "", "two"], "")


async def test_status_is_1_when_nothing_matched(log: Path) -> None:
    append(log, "ok")

    assert await run(log, "-e", "ERROR", "--no-follow") == (1, [], "")


async def test_lines_of_several_files_say_where_they_stand_as_they_were_named(log: Path) -> None:
    append(log, "one")
    append(log.with_name("b.log"), "two")
    status, lines, _ = await run("logs/*.log", "--no-follow", cwd=log.parents[1])

    assert (status, sorted(lines)) == (0, ["logs/app.log: one", "logs/b.log: two"])


async def test_file_that_is_named_twice_is_read_once_and_rotations_among_the_names_are_no_logs_of_their_own(log: Path) -> None:
    append(log, "new")
    append(log.with_name("app.log.1"), "old")
    status, lines, _ = await run(log, log, f"{log}.1", log.parent / "*.log", "--no-follow")

    assert (status, lines) == (0, [f"{log}: old", f"{log}: new"])


async def test_directories_that_a_glob_finds_are_passed_over(log: Path) -> None:
    append(log, "one")
    (log.parent / "folder").mkdir()

    assert await run("logs/*", "--no-follow", cwd=log.parents[1]) == (0, ["logs/app.log: one"], "")


async def test_directory_that_is_named_is_refused_with_the_mend(log: Path) -> None:
    complaint = f"opsbot tail: {log.parent}: a directory; {log.parent}/* names the files in it\n"

    assert await run(log.parent, "--no-follow") == (2, [], complaint)


async def test_file_whose_name_looks_like_a_pattern_is_found(tmp_path: Path) -> None:
    append(tmp_path / "a[1].log", "one")

    assert await run(tmp_path / "a[1].log", "--no-follow") == (0, [f"{tmp_path}/a[1].log: one"], "")


async def test_compressed_rotations_that_a_shell_names_are_left_out_and_that_is_said(log: Path) -> None:
    append(log, "one")
    compressed = log.with_name("app.log.2.gz")
    compressed.touch()

    mend = f"zcat {compressed} > old.log, then opsbot tail --no-follow old.log"
    complaint = f"opsbot tail: {compressed}: compressed, and left out; to read it: {mend}\n"
    assert await run(log, compressed, "--no-follow") == (0, ["one"], complaint)


async def test_file_that_is_not_there_is_an_error_and_the_others_are_read(log: Path) -> None:
    append(log, "one")
    status, lines, complaints = await run(log, log.with_name("none.log"), "--no-follow")

    assert (status, lines, complaints) == (2, [f"{log}: one"], f"opsbot tail: {log.with_name('none.log')}: missing\n")


async def test_counts_of_all_rules_come_in_their_order_and_records_are_counted_once(log: Path, tmp_path: Path) -> None:
    append(log, "ERROR disk", "ok", "ERROR net", "disk")
    rules = tmp_path / "rules.txt"
    rules.write_bytes("ERROR\r\n\r\nnever 扫码\r\n  \r\ndisk$\r\n".encode())

    assert await run(log, "-f", rules, "--count", "--no-follow") == (0, ["ERROR\t2", "never 扫码\t0", "disk$\t2", "total\t3"], "")


async def test_rules_in_yaml_have_names_and_an_object_says_everything(log: Path, tmp_path: Path) -> None:
    append(log, "ok", "user=bob 扫码 failed")
    rules = tmp_path / "rules.yaml"
    rules.write_text("login: 'user=(?P<who>\\w+)'\nscan: 扫码\n", "utf-8")
    status, lines, _ = await run(log, "-f", rules, "-e", "failed$", "--json", "--no-follow")
    found: list[dict[str, Any]] = [json.loads(line) for line in lines]
    times, keys = {each.pop("time") for each in found}, [each.pop("key") for each in found]

    common = {"source": str(log), "path": str(log), "line": "user=bob 扫码 failed", "offset": 3}
    assert (status, found) == (
        0,
        [
            {**common, "rule": "failed$", "groups": {}},
            {**common, "rule": "login", "groups": {"who": "bob"}},
            {**common, "rule": "scan", "groups": {}},
        ],
    )
    assert len(set(keys)) == 3
    assert all(len(time) == len("2026-11-20T12:00:00.000Z") and time.endswith("Z") for time in times)


async def test_wrong_rule_ends_it_with_status_2_and_is_counted(log: Path) -> None:
    status, _, complaints = await run(log, "-e", "fine", "-e", "*")

    assert (status, complaints) == (2, "-e:2: '*': no regular expression: nothing to repeat at position 0\n")


@pytest.mark.parametrize(
    "options",
    [("--resume", "--state", "x"), ("--count", "--json"), ("--multiline", "("), ("--encoding", "klingon"), ("--resume",)],
)
def test_contradictions_and_nonsense_are_refused(options: Sequence[str]) -> None:
    outcome = CliRunner().invoke(tail_command, ["app.log", *options], input="{}\n")

    assert (outcome.exit_code, outcome.stdout) == (2, "")


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        (["-f", "app.log"], "To follow a log: opsbot tail app.log, without an option"),
        ([], "opsbot tail app.log"),
        (["-"], "stdin cannot be read"),
        (["-F", "app.log"], "-F: it follows by name, through rotation, unless --no-follow is given; leave it out"),
        (["--follow", "app.log"], "leave it out"),
        (["--follow=name", "app.log"], "leave it out"),
        (["-F", "-n", "0", "app.log"], "leave it out"),
        (["-n", "10", "app.log"], "-n: it begins at the end of a file, or at its beginning with --from-start"),
        (["-n10", "app.log"], "--from-start"),
        (["-10", "app.log"], "--from-start"),
        (["--lines=10", "app.log"], "--from-start"),
        (["-c", "10", "app.log"], "--from-start"),
        (["-f", "-n", "10", "app.log"], "To follow a log: opsbot tail app.log, without an option"),
        (["app.log.1.gz"], "app.log.1.gz > old.log, then opsbot tail --no-follow old.log"),
        (["a b.xz"], "xzcat '"),
        (["logs/*.gz"], "logs/*.gz > old.log"),
    ],
)
def test_what_is_meant_for_another_tail_is_answered_with_what_to_write_instead(arguments: Sequence[str], mend: str) -> None:
    outcome = CliRunner().invoke(tail_command, arguments)

    assert outcome.exit_code == 2
    assert mend in outcome.stderr


async def test_home_directory_is_found_in_quotes(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(log.parent))
    append(log, "one")

    status, lines, _ = await run("~/*.log", "--no-follow")

    assert (status, lines) == (0, [f"{log}: one"])


async def test_encoding_may_be_written_in_capitals(log: Path) -> None:
    log.write_bytes("错误\n".encode("gb18030"))

    status, lines, _ = await run(log, "--no-follow", "--encoding", "GB18030", "-e", "错误")

    assert (status, lines) == (0, ["错误"])


# --- following


@pytest.mark.parametrize("rotate", [rename, copy_and_truncate])
async def test_rotation_loses_and_repeats_nothing(log: Path, rotate: Rotate) -> None:
    append(log, "0")
    async with tailing(log, "--from-start") as tail:
        await tail.line()
        for number in range(1, 30):
            append(log, str(number))
            await tail.line()
            if number % 10 == 0:
                rotate(log)
                append(log, f"after {number}")
                await tail.line()
        status = await tail.end()

    expected = [text for number in range(30) for text in (str(number), f"after {number}")]
    wanted = [text for text in expected if text.isdigit() or text in ("after 10", "after 20")]
    assert (status, tail.heard) == (0, wanted)


async def test_file_that_is_not_there_yet_is_waited_for_and_that_is_said_once(log: Path) -> None:
    path = log.with_name("later.log")
    async with tailing(path) as tail:
        first = await tail.complaint()
        append(path, "one")
        await tail.line()
        status = await tail.end(signal.SIGINT)
        rest = await tail.complaints()

    assert (first, status, tail.heard) == (f"opsbot tail: {path}: missing\n", 0, ["one"])
    assert rest == f"opsbot tail: {path}: can be read now\n"


async def test_counts_come_at_the_end_of_following(log: Path, tmp_path: Path) -> None:
    append(log, "a", "b")
    async with tailing(log, "--from-start", "--count", "-e", "a", "-e", "b", "--state", tmp_path / "state") as tail:
        await until_committed(tmp_path / "state", 4)
        append(log, "ab")
        await until_committed(tmp_path / "state", 7)
        status = await tail.end()

    assert (status, tail.heard) == (0, ["a\t2", "b\t2", "total\t3"])


async def test_reader_of_the_output_that_goes_ends_it_quietly(log: Path) -> None:
    append(log, *map(str, range(50_000)))
    async with tailing(log, "--from-start") as tail:
        await tail.line()
        tail.process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]  # noqa: SLF001 - as head does
        async with asyncio.timeout(PATIENCE_S):
            status = await tail.process.wait()

        assert (status, await tail.complaints()) == (0, "")


async def test_reader_of_the_output_that_goes_while_there_is_nothing_to_say_ends_it_too(log: Path) -> None:
    append(log, "one")
    async with tailing(log, "--from-start") as tail:
        await tail.line()
        tail.process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]  # noqa: SLF001
        async with asyncio.timeout(PATIENCE_S):
            status = await tail.process.wait()

        assert (status, await tail.complaints()) == (0, "")


async def test_second_signal_kills_while_nobody_reads_what_it_writes(log: Path) -> None:
    append(log, *["x" * 1000] * 5000)
    async with tailing(log, "--from-start") as tail:
        await tail.line()
        tail.process.send_signal(signal.SIGTERM)
        await until_default(tail.process, signal.SIGTERM)
        status = await tail.end()

    assert status == -signal.SIGTERM


async def test_full_disk_is_said_and_what_could_not_be_written_comes_again(log: Path, tmp_path: Path) -> None:
    append(log, "one")
    options = (log, "--from-start", "--no-follow", "--state", tmp_path / "state")
    argv = [sys.executable, "-m", "opsbot", "tail", *map(str, options)]
    with Path("/dev/full").open("wb") as full:
        process = await asyncio.create_subprocess_exec(*argv, stdout=full, stderr=PIPE)
        _, complaints = await process.communicate()

    assert (process.returncode, complaints) == (2, b"opsbot tail: the output cannot be written: No space left on device\n")
    assert await run(*options) == (0, ["one"], "")


async def test_output_in_the_followed_directory_does_not_feed_itself(log: Path) -> None:
    append(log, "one")
    with log.with_name("out.log").open("wb") as out:
        argv = [sys.executable, "-m", "opsbot", "tail", f"{log.parent}/*.log", "--no-follow"]
        process = await asyncio.create_subprocess_exec(*argv, stdout=out)
        await process.wait()

    assert log.with_name("out.log").read_text() == f"{log}: one\n"


async def until_default(process: Process, number: int) -> None:
    """Wait until a process no longer handles a signal itself."""
    async with asyncio.timeout(PATIENCE_S):
        while int(_status_of(process.pid, "SigCgt"), 16) >> (number - 1) & 1:
            await asyncio.sleep(0.01)


def _status_of(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


async def until_committed(state: Path, offset: int) -> None:
    """Wait until the position was written."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if (state / "tail.db").exists() and (offset,) in _positions(state / "tail.db"):
                return
            await asyncio.sleep(0.01)


def _positions(database: Path) -> list[tuple[int]]:
    with closing(sqlite3.connect(database)) as reader:
        is_made = reader.execute("SELECT count(*) FROM sqlite_master WHERE name = 'checkpoint'").fetchone()[0]
        return reader.execute("SELECT position FROM checkpoint").fetchall() if is_made else []


# --- remembering


async def test_next_run_goes_on_behind_the_last_record_that_was_printed(log: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    append(log, *map(str, range(20_000)))
    async with tailing(log, "--from-start", "--state", state) as tail:
        await tail.lines(10)
        first_status = await tail.end()
    rename(log)
    append(log, "new")
    log.write_bytes(log.read_bytes() + b"half")
    status, lines, _ = await run(log, "--no-follow", "--state", state)

    assert (first_status, status) == (0, 0)
    assert [*tail.heard, *lines] == [*map(str, range(20_000)), "new"]
    assert (state.stat().st_mode & 0o777, list(state.glob("*.db"))) == (0o700, [state / "tail.db"])


async def test_unfinished_line_comes_whole_with_the_next_run(log: Path, tmp_path: Path) -> None:
    options = (log, "--no-follow", "--state", tmp_path / "state", "--from-start")
    log.write_bytes(b"one\nhalf")
    first = await run(*options)
    append(log, " done")
    second = await run(*options)
    third = await run(*options)

    assert (first, second, third) == ((0, ["one"], ""), (0, ["half done"], ""), (1, [], ""))


async def test_record_of_several_lines_is_whole_although_only_time_tells_that_it_is_over(log: Path, tmp_path: Path) -> None:
    log.write_bytes("ok\n错误\nTraceback (most recent call last):\n  File x\nOSError: 满\n".encode("gb18030"))
    options = ("--multiline", "python", "--encoding", "gb18030", "--no-follow", "--from-start", "--state", tmp_path / "state")
    first = await run(log, "-e", "OSError", "--json", *options)
    second = await run(log, *options)

    assert [json.loads(line)["line"] for line in first[1]] == ["错误\nTraceback (most recent call last):\n  File x\nOSError: 满"]
    assert (first[0], second) == (0, (1, [], ""))


async def test_state_belongs_to_the_files_whatever_patterns_name_them(log: Path, tmp_path: Path) -> None:
    other = log.with_name("b.txt")
    options = ("--no-follow", "--from-start", "--state", tmp_path / "state")
    append(log, "a1")
    append(other, "b1")
    first = await run(log, *options)
    second = await run(other, *options)
    append(log, "a2")
    append(other, "b2")
    third = await run(log.parent / "*", *options)

    assert (first[1], second[1], sorted(third[1])) == (["a1"], ["b1"], [f"{log}: a2", f"{other}: b2"])


async def test_runs_between_rotations_that_are_compressed_at_once_repeat_nothing(log: Path, tmp_path: Path) -> None:
    options = ("--no-follow", "--from-start", "--state", tmp_path / "state")
    append(log, "first")
    heard = (await run(log, *options))[1]

    for number in range(3):
        append(log, f"{number} before")
        compress(log)
        append(log, f"{number} behind")
        heard += (await run(log, *options))[1]

    assert heard == ["first", *(f"{number} {where}" for number in range(3) for where in ("before", "behind"))]


async def test_kill_loses_nothing_and_repeats_with_equal_keys(log: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    append(log, *map(str, range(20_000)))
    found: list[dict[str, Any]] = []
    for _ in range(3):
        async with tailing(log, "--from-start", "--json", "--state", state) as tail:
            await tail.lines(4000)
            await tail.end(signal.SIGKILL)
            complete = tail.heard if not tail.heard[-1:] or tail.heard[-1].endswith("}") else tail.heard[:-1]
            found += map(json.loads, complete)
    found += map(json.loads, (await run(log, "--no-follow", "--json", "--state", state))[1])

    assert {each["key"]: each["line"] for each in found}.keys() == {each["key"] for each in found}
    assert sorted({each["key"]: int(each["line"]) for each in found}.values()) == list(range(20_000))


async def test_first_run_that_only_keeps_the_positions_says_how_to_see_what_is_there(log: Path, tmp_path: Path) -> None:
    options = (log, "--no-follow", "--state", tmp_path / "state")
    append(log, "old")
    first = await run(*options)
    append(log, "new")
    second = await run(*options)

    hint = "opsbot tail: positions are kept from now on; for what is there already, begin a new --state with --from-start\n"
    assert (first, second) == ((1, [], hint), (0, ["new"], ""))


@pytest.mark.parametrize("pattern", ["*.log", "[a-z]*.log", "app[0-9].log"])
async def test_log_that_appears_between_two_runs_is_printed_whole(tmp_path: Path, pattern: str) -> None:
    options = (tmp_path / pattern, "--no-follow", "--state", tmp_path / "state")
    append(tmp_path / "app1.log", "old")
    await run(*options)
    append(tmp_path / "app2.log", "appeared")
    _, lines, _ = await run(*options)

    assert lines == [f"{tmp_path / 'app2.log'}: appeared"]


async def test_first_run_without_a_file_says_only_that(log: Path, tmp_path: Path) -> None:
    log.unlink()
    status, lines, complaints = await run(log, "--no-follow", "--state", tmp_path / "state")

    assert (status, lines, complaints) == (2, [], f"opsbot tail: {log}: missing\n")


async def test_two_runs_do_not_share_a_state(log: Path, tmp_path: Path) -> None:
    append(log, "one")
    async with tailing(log, "--from-start", "--state", tmp_path / "state") as tail:
        await tail.line()
        status, lines, complaints = await run(log, "--state", tmp_path / "state")

    assert (status, lines) == (2, [])
    assert complaints.startswith(f"{tmp_path / 'state'}: another opsbot (pid {tail.process.pid}) uses it")


async def test_state_that_is_damaged_is_said_and_nothing_is_printed(log: Path, tmp_path: Path) -> None:
    append(log, "one")
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "tail.db").write_bytes(b"no database" * 1000)
    status, lines, complaints = await run(log, "--from-start", "--state", state)

    assert (status, lines) == (2, [])
    assert "damaged" in complaints


async def test_state_that_cannot_be_written_ends_it_and_the_next_run_repeats(log: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    append(log, "one")
    async with tailing(log, "--from-start", "--state", state) as tail:
        await tail.line()
        await until_committed(state, log.stat().st_size)
        resource.prlimit(tail.process.pid, resource.RLIMIT_FSIZE, (1, 1))  # to whoever writes, as a full disk
        append(log, "two")
        await tail.line()
        status, complaints = await tail.ended(), await tail.complaints()

    assert (status, complaints.startswith(f"{state / 'tail.db'}: the disk")) == (2, True)
    assert await run(log, "--no-follow", "--state", state) == (0, ["two"], "")


# --- resumed by a program


async def resumed(tail: Tail, positions: Sequence[object] = ()) -> list[dict[str, Any]]:
    """Give the positions, and read up to the first ones that are known."""
    assert tail.process.stdin is not None
    tail.process.stdin.write(json.dumps({"positions": positions}).encode() + b"\n")
    return [json.loads(line) for line in await tail.lines(2)]


async def test_listener_knows_the_first_positions_before_the_first_record(log: Path) -> None:
    append(log, "old")
    async with tailing(log, "--resume") as tail:
        opening, first = await resumed(tail)

    status = log.stat()
    position = {
        "path": str(log),
        "device": status.st_dev,
        "inode": status.st_ino,
        "offset": 4,
        "marker": marker_of(b"old\n").hex(),
        "generation": "",  # it has a name from when it is read
    }
    assert opening == {"positions": [], "forgotten": [], "gaps": []}
    assert first == {"positions": [position], "forgotten": [], "gaps": []}


async def next_record(tail: Tail) -> dict[str, Any]:
    while "line" not in (said := json.loads(await tail.line())):
        pass
    return dict(said)


async def test_listener_goes_on_from_the_positions_it_gives(log: Path) -> None:
    async with tailing(log, "--resume") as tail:
        _, first = await resumed(tail)
        append(log, "one", "two")
        before = [json.loads(await tail.line())]
        while "positions" not in before[-1] or before[-1]["positions"][0]["offset"] < log.stat().st_size:
            before.append(json.loads(await tail.line()))
    append(log, "three")
    async with tailing(log, "--resume") as tail:
        await resumed(tail, before[-1]["positions"])
        after = await next_record(tail)
    async with tailing(log, "--resume") as tail:
        await resumed(tail, first["positions"])
        again = await next_record(tail)

    records = [each for each in before if "line" in each]
    assert ([each["line"] for each in records], after["line"], again["line"]) == (["one", "two"], "three", "one")
    assert again["key"] == records[0]["key"]


async def test_listener_that_goes_takes_it_along(log: Path) -> None:
    async with tailing(log, "--resume") as tail:
        await resumed(tail)
        assert tail.process.stdin is not None
        tail.process.stdin.close()

        assert await tail.ended() == 0


async def test_listener_is_told_what_was_lost(log: Path) -> None:
    append(log, "one", "two")
    async with tailing(log, "--resume") as tail:
        _, first = await resumed(tail)
    log.write_bytes(b"other\n")
    async with tailing(log, "--resume") as tail:
        opening = await resumed(tail, first["positions"])
        await tail.end()

    gaps = [gap for each in (*opening, *map(json.loads, tail.heard)) for gap in each.get("gaps", ())]
    assert [(gap["path"], gap["lost_bytes"], bool(gap["reason"])) for gap in gaps[:1]] == [(str(log), None, True)]
