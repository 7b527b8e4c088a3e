"""Sources that come to an end, and sources of several patterns."""

# ruff: noqa: ASYNC240 - a few bytes are written at once

import asyncio
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.sources.file.source import FileSource
from opsbot.adapters.sources.file.tuning import Tuning
from opsbot.core.log import Batch, Rule
from tests.integration.followed_log import FollowedLog, append

PATIENCE_S = 10.0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.touch()
    return path


def a_source(*patterns: Path, **options: Any) -> FileSource:
    options = {"until": "end", "read_from": "beginning", **options}
    return FileSource("app", [str(each) for each in patterns], RegexMatcher([Rule.every_line()]), clock=SystemClock(), **options)


async def all_of(source: FileSource) -> list[Batch]:
    async with asyncio.timeout(PATIENCE_S):
        return [batch async for batch in source.batches()]


def texts(batches: list[Batch]) -> list[str]:
    return [record.text for batch in batches for record in batch.records]


async def test_stream_ends_when_the_file_was_read_to_its_end_the_unfinished_line_included(log: Path) -> None:
    log.write_bytes(b"one\ntwo\nhalf")
    async with a_source(log) as source:
        batches = await all_of(source)

    assert (texts(batches), batches[-1].checkpoints[-1].offset) == (["one", "two", "half"], 12)


async def test_stream_that_ends_with_the_last_whole_line_leaves_the_unfinished_one(log: Path) -> None:
    log.write_bytes(b"one\nhalf")
    async with a_source(log, until="last_line") as source:
        batches = await all_of(source)

    assert (texts(batches), batches[-1].checkpoints[-1].offset) == (["one"], 4)


async def test_more_files_than_may_be_open_are_all_read(tmp_path: Path) -> None:
    for number in range(20):
        append(tmp_path / f"{number}.log", f"{number}")
    async with a_source(tmp_path / "*.log", tuning=Tuning(open_files=4)) as source:
        batches = await all_of(source)

    assert sorted(texts(batches)) == sorted(f"{number}" for number in range(20))


async def test_unfinished_lines_of_closed_files_are_read_too(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.log").write_bytes(b"whole\nhalf")
    async with a_source(tmp_path / "*.log", tuning=Tuning(open_files=1)) as source:
        batches = await all_of(source)

    assert sorted(texts(batches)) == ["half"] * 5 + ["whole"] * 5


async def test_more_than_fits_into_the_queue_arrives_before_the_end(log: Path) -> None:
    append(log, *map(str, range(100)))
    async with a_source(log, tuning=Tuning(batch_records=1, queued_batches=1)) as source:
        batches = await all_of(source)

    assert texts(batches) == [*map(str, range(100))]


async def test_source_that_is_to_finish_gives_all_that_it_has_read_and_nothing_twice(log: Path) -> None:
    append(log, *map(str, range(10_000)))
    tuning = Tuning(chunk_bytes=256, turn_bytes=1024, queued_batches=1, batch_records=10)
    async with a_source(log, until="stopped", tuning=tuning) as source:
        stream = source.batches()
        batches = [await anext(stream), await anext(stream)]
        source.finish()
        async with asyncio.timeout(PATIENCE_S):
            batches += [batch async for batch in stream]
    found = texts(batches)

    assert 0 < len(found) < 10_000
    assert found == [*map(str, range(len(found)))]
    assert batches[-1].checkpoints[-1].offset == sum(len(text) + 1 for text in found)


async def test_where_the_files_begin_is_told_before_anything_is_found(log: Path) -> None:
    append(log, "one")
    async with a_source(log) as source:
        batches = await all_of(source)

    assert ([each.offset for each in batches[0].checkpoints], texts(batches[:1])) == ([0], [])


def test_files_of_several_patterns_are_read_once_each(tmp_path: Path) -> None:
    a, b, c = (tmp_path / folder / "app.log" for folder in "abc")
    for path in (a, b, c):
        path.parent.mkdir()
        append(path, path.parent.name)
    append(b.with_name("other.log"), "stranger")
    patterns = [a, b, a, tmp_path / "[ac]" / "*.log"]
    with FollowedLog(patterns, read_from="beginning") as followed:
        assert sorted(followed.read()) == ["a", "b", "c"]


def test_rotation_is_followed_among_several_names(tmp_path: Path) -> None:
    a, b = tmp_path / "a.log", tmp_path / "b.log"
    append(a, "a1")
    append(b, "b1")
    with FollowedLog([a, b], read_from="beginning") as followed:
        followed.read()
        append(a, "a2")
        a.rename(tmp_path / "a.log.1")
        append(a, "a3")
        append(b, "b2")
        followed.read()

    assert sorted((record.path, record.text) for record in followed.records) == [
        (str(a), "a1"),
        (str(a), "a2"),
        (str(a), "a3"),
        (str(b), "b1"),
        (str(b), "b2"),
    ]


def test_each_path_that_is_missing_is_complained_about_once_and_when_it_is_back(tmp_path: Path) -> None:
    there, missing, pattern = tmp_path / "a.log", tmp_path / "b.log", tmp_path / "*.txt"
    there.touch()
    with capture_logs() as told, FollowedLog([there, missing, pattern]) as followed:
        followed.read()
        missing.touch()
        followed.read_after(5.0)

    assert [(each["event"], each["path"], each.get("reason")) for each in told] == [
        ("log_lost", str(missing), "missing"),
        ("log_lost", str(pattern), "no file matches"),
        ("log_back", str(missing), None),
    ]
