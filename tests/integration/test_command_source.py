"""Sources that are commands: children that speak as opsbot's `tail --json` does, die, lie and flood, and plain ones."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.process.runner import ProcessRunner
from opsbot.adapters.sources.command import source as module
from opsbot.adapters.sources.command.source import CommandSource
from opsbot.core.errors import SourceUnavailableError
from opsbot.core.log import Batch, Checkpoint, Rule, RuleFigures, Scan
from opsbot.core.ports import Matcher
from tests.peers import remote_tail

EVERY = (Rule.every_line(),)
PRELUDE = """
import json, os, signal, sys, time
def say(values):
    sys.stdout.write(json.dumps(values) + "\\n")
    sys.stdout.flush()
def record(line, offset):
    say({"source": "t", "path": "/bob.log", "line": line, "offset": offset, "rule": "r", "groups": {}, "time": "",
         "key": "gen1:%d:abc" % offset})
def positions(offset):
    say({"positions": [{"path": "/bob.log", "device": 1, "inode": 7, "offset": offset, "marker": "0a", "generation": "gen1"}],
         "forgotten": [], "gaps": []})
told = json.loads(sys.stdin.readline())["positions"]
"""


@pytest.fixture(autouse=True)
async def _bounded() -> AsyncIterator[None]:
    async with asyncio.timeout(30):
        yield


class Partner:
    """Writes the program that stands at the other end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def does(self, script: str) -> list[str]:
        file = self.folder / "partner.py"
        file.write_text(PRELUDE + script)
        return [sys.executable, "-S", str(file), "tail", "--json", "/bob.log"]


@pytest.fixture
def partner(tmp_path: Path) -> Partner:
    return Partner(tmp_path)


def a_source(
    argv: Sequence[str], checkpoints: Sequence[Checkpoint] = (), *, matcher: Matcher | None = None, settle_s: float = 1.0
) -> CommandSource:
    runner = ProcessRunner(os.environ)
    chosen = matcher or RegexMatcher(EVERY)
    return CommandSource("bob", argv, chosen, checkpoints, runner=runner, clock=SystemClock(), settle_s=settle_s)


async def heard(source: CommandSource, count: int = 10**9) -> tuple[list[Batch], str]:
    """Take so many batches, or all there are; gives them and why there were no more."""
    batches: list[Batch] = []
    try:
        async with source:
            async for batch in source.batches():
                batches.append(batch)
                if len(batches) == count:
                    break
    except SourceUnavailableError as exc:
        return batches, str(exc)
    return batches, ""


def texts(batches: Sequence[Batch]) -> list[str]:
    return [record.text for batch in batches for record in batch.records]


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


# How it ends


@pytest.mark.parametrize("status", [0, 1, 255])
async def test_command_that_ends_is_unavailable_whatever_its_status(status: int) -> None:
    batches, reason = await heard(a_source(sh(f"echo one; exit {status}")))

    assert (texts(batches), reason) == (["one"], f"sh ended with exit status {status}")


async def test_last_line_of_stderr_is_the_reason_and_no_record() -> None:
    batches, reason = await heard(a_source(sh("echo one; echo warning >&2; echo 'ssh: no route to host bob' >&2; exit 255")))

    assert (texts(batches), reason) == (["one"], "ssh: no route to host bob (sh ended with exit status 255)")


async def test_command_that_ends_at_once_cannot_be_entered() -> None:
    with pytest.raises(SourceUnavailableError, match="no such host"):
        async with a_source(sh("echo no such host >&2; exit 255")):
            pass


async def test_command_that_is_not_there_cannot_be_entered() -> None:
    with pytest.raises(SourceUnavailableError, match="opsbot-no-such-program cannot be run") as caught:
        async with a_source(["opsbot-no-such-program", "s3cret"]):
            pass

    assert "s3cret" not in str(caught.value)


async def test_silent_command_counts_as_running_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.05)

    async with a_source(["sleep", "60"]) as source:
        assert source.figures().watch == "pipe"


async def test_partner_that_does_not_answer_cannot_be_entered(partner: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GREETING_S", 0.5)

    with pytest.raises(SourceUnavailableError, match="does not answer: Password:"):
        async with a_source(partner.does("sys.stderr.write('Password: '); sys.stderr.flush(); time.sleep(60)")):
            pass


async def test_command_that_ignores_everything_is_ended_within_five_seconds() -> None:
    async with asyncio.timeout(30):
        source = a_source(sh("trap '' TERM HUP INT; echo started; while :; do sleep 60; done"))
        await source.__aenter__()
        async with asyncio.timeout(5):
            await source.__aexit__(None, None, None)


async def test_partner_that_dies_in_the_middle_of_a_record_costs_nothing(partner: Partner) -> None:
    argv = partner.does("record('one', 0); positions(4); record('two', 4); sys.stdout.write('{\"source'); sys.exit('cut off')")
    batches, reason = await heard(a_source(argv))

    assert (texts(batches), reason.partition(" (")[0]) == (["one"], "cut off")


async def test_partner_that_is_killed_says_by_what(partner: Partner) -> None:
    _, reason = await heard(a_source(partner.does("positions(0); os.kill(os.getpid(), signal.SIGKILL)")))

    assert reason.endswith("ended with exit status -9")


# What the partner says


async def test_partner_is_told_where_to_go_on(partner: Partner) -> None:
    argv = partner.does("record(json.dumps(told), 0); positions(0); sys.stdin.read()")
    told = Checkpoint(source="bob", path="/bob.log", device=1, inode=7, offset=0, marker=b"\n", generation="gen1")
    batches, _ = await heard(a_source(argv, [told]), 1)

    assert texts(batches) == [
        '[{"path": "/bob.log", "device": 1, "inode": 7, "offset": 0, "marker": "0a", "generation": "gen1"}]'
    ]


async def test_partner_goes_on_after_each_death(partner: Partner) -> None:
    argv = partner.does("at = told[-1]['offset'] if told else 0; record('line %d' % at, at); positions(at + 10); sys.exit(1)")
    found: list[Batch] = []
    for _ in range(3):
        found += (await heard(a_source(argv, found[-1].checkpoints if found else ())))[0]

    assert texts(found) == ["line 0", "line 10", "line 20"]


async def test_banner_before_the_first_record_is_skipped(partner: Partner) -> None:
    batches, _ = await heard(a_source(partner.does("print('Last login: today'); record('one', 0); positions(4)")))

    assert texts(batches) == ["one"]


async def test_partner_that_lies_is_left_with_the_reason(partner: Partner) -> None:
    argv = partner.does("record('one', 0); positions(4); positions(-1); sys.stdin.read()")
    batches, reason = await heard(a_source(argv))

    assert (texts(batches), "in offset" in reason) == (["one"], True)


async def test_partner_that_does_not_know_resume_says_so(partner: Partner) -> None:
    _, reason = await heard(a_source(partner.does("sys.exit('Error: No such option: ' + sys.argv[3])")))

    assert reason.startswith("Error: No such option: --resume (")


async def test_flood_waits_while_the_consumer_does(partner: Partner, tmp_path: Path) -> None:
    counter = tmp_path / "count"
    script = f"""
fd = os.open({str(counter)!r}, os.O_WRONLY | os.O_CREAT)
for number in range(10**9):
    record("x" * 1000, number * 1001)
    positions(number * 1001 + 1001)
    os.pwrite(fd, b"%012d" % number, 0)
"""
    async with a_source(partner.does(script)) as source:
        await anext(source.batches())
        before, after = -1, 0
        while after != before:
            before = after
            await asyncio.sleep(0.3)  # a program that waits shows it by writing nothing
            after = int(counter.read_text())

    assert 0 < after < 3000


async def test_flood_without_line_ends_ends_in_a_reason(partner: Partner) -> None:
    argv = partner.does("for _ in range(200): sys.stdout.write('x' * 2**16)\nprint(); record('one', 0); positions(4)")
    batches, _ = await heard(a_source(argv))

    assert ([gap.reason for batch in batches for gap in batch.gaps], texts(batches)) == (
        ["a line of more than 8 MiB was skipped"],
        ["one"],
    )


async def test_shell_may_stand_before_the_partner(tmp_path: Path) -> None:
    log = tmp_path / "a b.log"
    log.write_text("one\ntwo\n")
    command = f"echo Welcome; exec {sys.executable} -S {remote_tail.__file__} tail --json '{log}'"
    first, _ = await heard(a_source(sh(command)), 2)
    second, _ = await heard(a_source(sh(command), first[-1].checkpoints), 2)

    assert (texts(first), texts(second)) == (["one"], ["two"])


# Plain lines


async def test_any_command_may_print_lines() -> None:
    batches, _ = await heard(a_source(sh(r"printf 'one\ntwo\r\nthree'"), matcher=RegexMatcher([Rule("^t")])))

    assert texts(batches) == ["two", "three"]


class JoinsAll:
    """A matcher for which no record is ever complete by itself."""

    def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:
        return RegexMatcher(EVERY).scan(bytes(block).replace(b"\n", b"|")) if is_end else Scan((), 0)

    def search(self, record: str) -> Scan:
        return RegexMatcher(EVERY).search(record)

    def figures(self) -> Sequence[RuleFigures]:
        return ()


async def test_record_of_several_lines_ends_when_it_is_quiet() -> None:
    source = a_source(sh(r"printf 'Trace\n at x\n'; sleep 60"), matcher=JoinsAll(), settle_s=0.05)
    batches, _ = await heard(source, 1)

    assert texts(batches) == ["Trace| at x|"]


class NotesThreads(RegexMatcher):
    """A matcher that knows who called it."""

    def __init__(self) -> None:
        super().__init__(EVERY)
        self.threads: set[threading.Thread] = set()

    def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:
        self.threads.add(threading.current_thread())
        return super().scan(block, is_end=is_end)


async def test_matching_does_not_hold_up_the_loop() -> None:
    matcher = NotesThreads()
    await heard(a_source(sh("echo one"), matcher=matcher))

    assert matcher.threads
    assert threading.current_thread() not in matcher.threads


# What is known about it


async def test_figures_say_what_came(partner: Partner) -> None:
    gap = '{"path": "/bob.log", "reason": "gone", "lost_bytes": 5}'
    argv = partner.does(f"record('one', 0); say({{'positions': [], 'gaps': [{gap}]}}); positions(4); sys.stdin.read()")
    async with a_source(argv) as source:
        batches = source.batches()
        for _ in range(2):
            await anext(batches)
        figures = source.figures()

    assert (figures.watch, figures.files, figures.records, figures.gaps, figures.lost_bytes) == ("pipe", 1, 1, 1, 5)
    assert (figures.read_bytes > 200, figures.lag_bytes, [rule.matches for rule in figures.rules]) == (True, 0, [1])


async def test_figures_are_zeros_after_it_is_left() -> None:
    async with a_source(sh("echo one; sleep 60")) as source:
        await anext(source.batches())

    assert (source.figures().records, source.figures().read_bytes, source.figures().watch) == (0, 0, "pipe")
