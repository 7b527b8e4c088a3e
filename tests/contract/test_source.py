"""What every source promises (`opsbot.core.ports.Source`)."""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.process.runner import ProcessRunner
from opsbot.adapters.sources.command.source import CommandSource
from opsbot.adapters.sources.file.source import FileSource
from opsbot.core.log import Batch, Checkpoint, Record, Rule
from opsbot.core.ports import Source
from opsbot.testing.source import FakeLog, FakeSource
from tests.peers import remote_tail

PATIENCE_S = 10.0


class Log(Protocol):
    """A log that a test writes, and sources that read it from its beginning."""

    def writes(self, *lines: str) -> None: ...
    def source(self, checkpoints: Sequence[Checkpoint] = (), rules: Sequence[Rule] = (Rule.every_line(),)) -> Source: ...


class RealLog:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "app.log"
        self.path.touch()

    def writes(self, *lines: str) -> None:
        with self.path.open("ab") as log:
            log.write("".join(f"{line}\n" for line in lines).encode())

    def source(self, checkpoints: Sequence[Checkpoint] = (), rules: Sequence[Rule] = (Rule.every_line(),)) -> Source:
        matcher = RegexMatcher(rules)
        return FileSource("app", str(self.path), matcher, checkpoints, clock=SystemClock(), read_from="beginning")


class RemoteLog(RealLog):
    """A log that is followed by a partner's `tail --json`, in a child process."""

    def source(self, checkpoints: Sequence[Checkpoint] = (), rules: Sequence[Rule] = (Rule.every_line(),)) -> Source:
        argv = (sys.executable, "-S", remote_tail.__file__, "tail", "--json", str(self.path))
        runner = ProcessRunner(os.environ)
        return CommandSource("app", argv, RegexMatcher(rules), checkpoints, runner=runner, clock=SystemClock())


class LogInMemory(FakeLog):
    def source(self, checkpoints: Sequence[Checkpoint] = (), rules: Sequence[Rule] = (Rule.every_line(),)) -> Source:
        return FakeSource("app", self, RegexMatcher(rules), checkpoints, SystemClock())


MAKERS: dict[str, Callable[[Path], Log]] = {"fake": lambda _: LogInMemory(), "file": RealLog, "command": RemoteLog}


@pytest.fixture(params=sorted(MAKERS))
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Log:
    return MAKERS[request.param](tmp_path)


async def batches_until(source: Source, text: str) -> list[Batch]:
    batches: list[Batch] = []
    async with asyncio.timeout(PATIENCE_S):
        async for batch in source.batches():
            batches.append(batch)
            if any(record.text == text for record in batch.records):
                break
    return batches


async def read_until(source: Source, text: str) -> list[Record]:
    return [record for batch in await batches_until(source, text) for record in batch.records]


async def test_source_has_the_name_it_was_given(log: Log) -> None:
    assert log.source().name == "app"


async def test_lines_that_match_come_in_the_order_of_the_file(log: Log) -> None:
    async with log.source(rules=[Rule("a"), Rule("b")]) as source:
        log.writes("1 a", "2 x", "3 ab", "4 b end")
        records = await read_until(source, "4 b end")

    assert [(record.text, *(hit.rule for hit in record.hits)) for record in records] == [
        ("1 a", 0),
        ("3 ab", 0, 1),
        ("4 b end", 1),
    ]


async def test_lines_that_are_written_while_it_reads_come_too(log: Log) -> None:
    async with log.source() as source:
        log.writes("one")
        first = await read_until(source, "one")
        log.writes("two")
        second = await read_until(source, "two")

    assert ([record.text for record in first], [record.text for record in second]) == (["one"], ["two"])


async def test_records_say_where_they_began(log: Log) -> None:
    async with log.source() as source:
        log.writes("日志", "two")
        records = await read_until(source, "two")

    assert [record.offset for record in records] == [0, 7]


async def test_batches_carry_the_name_of_the_source_and_an_aware_time(log: Log) -> None:
    async with log.source() as source:
        log.writes("one")
        batch = (await batches_until(source, "one"))[-1]

    assert (batch.source, batch.observed_at.utcoffset() is not None) == ("app", True)


async def test_committed_checkpoints_are_where_the_next_reader_begins(log: Log) -> None:
    async with log.source() as source:
        log.writes("one", "two")
        batch = (await batches_until(source, "two"))[-1]
    log.writes("three")
    async with log.source(batch.checkpoints) as source:
        records = await read_until(source, "three")

    assert [record.text for record in records] == ["three"]


async def test_what_was_not_committed_is_read_again(log: Log) -> None:
    async with log.source() as source:
        log.writes("one")
        await read_until(source, "one")
    async with log.source() as source:
        records = await read_until(source, "one")

    assert [record.text for record in records] == ["one"]


async def test_checkpoint_of_a_record_is_behind_its_line(log: Log) -> None:
    async with log.source() as source:
        log.writes("one", "two")
        records = await read_until(source, "two")
    async with log.source([records[0].checkpoint]) as source:
        again = await read_until(source, "two")

    assert [record.text for record in again] == ["two"]


async def test_slow_consumer_loses_nothing(log: Log) -> None:
    async with log.source() as source:
        for number in range(3000):
            log.writes(f"{number}")
        records = await read_until(source, "2999")

    assert [record.text for record in records] == [f"{number}" for number in range(3000)]


async def test_leaving_ends_the_stream_for_who_waits_on_it(log: Log) -> None:
    ended = asyncio.Event()

    async def consume(source: Source) -> None:
        async for _ in source.batches():
            pass
        ended.set()

    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group, log.source() as source:
        group.create_task(consume(source), name="consume:source")
        log.writes("one")
        await asyncio.sleep(0)

    assert ended.is_set()


async def test_leaving_takes_less_than_five_seconds_when_nobody_takes_the_batches(log: Log) -> None:
    source = log.source()
    async with asyncio.timeout(5), source:
        log.writes(*(f"{number} {'x' * 100}" for number in range(20_000)))


async def test_leaving_twice_is_like_leaving_once(log: Log) -> None:
    async with log.source() as source:
        await source.__aexit__(None, None, None)


async def test_stream_that_is_asked_for_after_leaving_is_over(log: Log) -> None:
    async with log.source() as source:
        pass

    async with asyncio.timeout(PATIENCE_S):
        assert [record for batch in [each async for each in source.batches()] for record in batch.records] == []
