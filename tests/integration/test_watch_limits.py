"""What the operating system has only so much of: watches, instances, room for events, descriptors; and nothing is lost."""

import asyncio
import functools
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.sources.file.source import FileSource
from opsbot.adapters.sources.file.tuning import Tuning
from opsbot.core.log import Rule, Scan
from tests.integration.followed_log import append

PATIENCE_S = 30.0
NEVER_S = 3600.0
LIMITED = 'echo "$1" > /proc/sys/user/$0 && shift && exec "$@"'
"""In a namespace of one's own root may set limits, and nobody else has them."""


@functools.cache
def reason_not_to_limit() -> str:
    """Say why limits cannot be set here."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return "unshare (util-linux) is missing"
    tried = subprocess.run(  # noqa: S603 argv
        [unshare, "-Ur", "sh", "-c", "echo 5 > /proc/sys/user/max_inotify_watches"], capture_output=True, check=False, timeout=10
    )
    return "" if tried.returncode == 0 else "the right to make user namespaces is missing"


@pytest.fixture
def _limits() -> None:
    if reason := reason_not_to_limit():
        pytest.skip(reason)


class Child:
    """A reader in another process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.texts: list[str] = []
        self.figures: dict[str, Any] = {}

    async def hear(self) -> None:
        """Take the next line of what it says."""
        assert self._process.stdout is not None
        said = json.loads(await self._process.stdout.readline())
        self.texts += said["texts"]
        self.figures = said["figures"]

    async def hear_lines(self, count: int) -> None:
        """Listen until so many lines of logs came."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.texts) < count:
                await self.hear()


@asynccontextmanager
async def reader(*argv: str) -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    try:
        child = Child(process)
        async with asyncio.timeout(PATIENCE_S):
            await child.hear()
        yield child
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.peers.limited_reader", *arguments]


def limited(limit: str, number: int, pattern: Path) -> list[str]:
    return ["unshare", "-Ur", "sh", "-c", LIMITED, limit, str(number), *command(str(pattern))]


@pytest.mark.usefixtures("_limits")
@pytest.mark.parametrize(("limit", "number"), [("max_inotify_watches", 5), ("max_inotify_instances", 0)])
async def test_reader_that_may_not_watch_loses_nothing_and_says_which_limit_it_met(
    tmp_path: Path, limit: str, number: int
) -> None:
    logs = some_logs(tmp_path, 20)
    async with reader(*limited(limit, number, tmp_path / "*" / "app.log")) as child:
        for log in logs:
            append(log, f"{log.parent.name} one", f"{log.parent.name} two")
        await child.hear_lines(40)

    assert sorted(child.texts) == sorted(f"{log.parent.name} {word}" for log in logs for word in ("one", "two"))
    assert (child.figures["watch"], f"fs.inotify.{limit.replace('inotify_', 'user_')}" in child.figures["watch_reason"]) == (
        "polling",
        True,
    )


async def test_more_files_than_descriptors_are_all_followed(tmp_path: Path) -> None:
    logs = some_logs(tmp_path, 150)
    async with reader(*command(str(tmp_path / "*" / "app.log"), "64")) as child:
        for word in ("one", "two"):
            for log in logs:
                append(log, f"{log.parent.name} {word}")
            await child.hear_lines(150 if word == "one" else 300)

    assert sorted(child.texts) == sorted(f"{log.parent.name} {word}" for log in logs for word in ("one", "two"))
    assert (child.figures["files"], child.figures["open_files"] <= 64) == (150, True)


def some_logs(directory: Path, count: int) -> list[Path]:
    logs = [directory / f"{number:03}" / "app.log" for number in range(count)]
    for log in logs:
        log.parent.mkdir()
        log.touch()
    return logs


async def test_overflow_of_the_queue_loses_nothing(tmp_path: Path) -> None:
    matcher = WaitingMatcher()
    log, other = tmp_path / "app.log", tmp_path / "other.log"
    writes = 1000 + events_kept()

    def overflow() -> None:
        with log.open("ab", buffering=0) as one, other.open("ab", buffering=0) as two:
            for number in range(writes // 2):
                one.write(b"app %d\n" % number)
                two.write(b"other %d\n" % number)
        log.rename(tmp_path / "app.log.1")
        append(tmp_path / "app.log", "app end")
        append(tmp_path / "new.log", "new end")

    tuning = Tuning(reconcile_s=NEVER_S, poll_s=NEVER_S)
    for each in (log, other):
        each.touch()
    async with FileSource("app", str(tmp_path / "*.log"), matcher, clock=SystemClock(), tuning=tuning) as source:
        for each in (log, other):
            append(each, f"{each.stem} begin")
        await take(source, 2)
        append(log, "wait")
        await asyncio.to_thread(matcher.entered.wait, PATIENCE_S)
        await asyncio.to_thread(overflow)
        matcher.released.set()
        texts = await take(source, writes // 2 * 2 + 3)
        watch = source.figures().watch

    expected = [
        *(f"{name} {number}" for name in ("app", "other") for number in range(writes // 2)),
        "wait",
        "app end",
        "new end",
    ]
    assert (sorted(texts), watch) == (sorted(expected), "inotify")


def events_kept() -> int:
    return int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())


async def take(source: FileSource, count: int) -> list[str]:
    texts: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        async for batch in source.batches():
            texts += [record.text for record in batch.records]
            if len(texts) >= count:
                break
    return texts


class WaitingMatcher(RegexMatcher):
    """Keeps the reader busy with one line."""

    def __init__(self) -> None:
        super().__init__([Rule.every_line()])
        self.entered = threading.Event()
        self.released = threading.Event()

    def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:
        if b"wait" in bytes(block):
            self.entered.set()
            self.released.wait(PATIENCE_S)
        return super().scan(block, is_end=is_end)
