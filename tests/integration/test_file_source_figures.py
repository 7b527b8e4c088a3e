"""What a source says about itself while it runs: how far it is, what it lost, how it is woken."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.sources.file import mount
from opsbot.adapters.sources.file.place import Entry
from opsbot.adapters.sources.file.source import FileSource
from opsbot.adapters.sources.file.standing import Standing
from opsbot.adapters.sources.file.tracked import Tracked
from opsbot.adapters.sources.file.tuning import Tuning
from opsbot.core.log import Rule, Scan, SourceFigures
from tests.integration.followed_log import FollowedLog, StoppedClock, append

PATIENCE_S = 10.0
EVERY_LINE = RegexMatcher([Rule.every_line()])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.touch()
    return path


def a_source(pattern: Path, tuning: Tuning | None = None, matcher: RegexMatcher = EVERY_LINE) -> FileSource:
    return FileSource("app", str(pattern), matcher, clock=SystemClock(), tuning=tuning or Tuning())


async def figures_when(source: FileSource, is_it: Callable[[SourceFigures], bool]) -> SourceFigures:
    async with asyncio.timeout(PATIENCE_S):
        while not is_it(figures := source.figures()):  # noqa: ASYNC110 the reader's thread tells nobody of its figures
            await asyncio.sleep(0.005)
    return figures


async def take(source: FileSource, count: int) -> list[str]:
    texts: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        async for batch in source.batches():
            texts += [record.text for record in batch.records]
            if len(texts) >= count:
                break
    return texts


async def test_source_that_is_not_entered_says_zero(log: Path) -> None:
    source = a_source(log)
    async with source:
        pass

    assert source.figures() == SourceFigures(rules=tuple(EVERY_LINE.figures()))


async def test_figures_count_files_bytes_and_records(log: Path) -> None:
    async with a_source(log.with_name("*.log")) as source:
        append(log, "one", "two")
        log.with_name("other.log").touch()
        await take(source, 2)
        figures = await figures_when(source, lambda figures: figures.files == 2)

    assert (figures.open_files, figures.read_bytes, figures.records, figures.lag_bytes, figures.lag_s) == (2, 8, 2, 0, 0.0)


async def test_source_says_that_it_is_woken_by_inotify(log: Path) -> None:
    async with a_source(log) as source:
        figures = source.figures()

    assert (figures.watch, figures.watch_reason) == ("inotify", "")


async def test_network_file_system_is_polled(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = log.with_name("mountinfo")
    mounts.write_text(f"1 0 8:1 / / rw - ext4 /dev/sda rw\n36 35 98:0 / {log.parent} rw shared:1 - nfs4 server:/logs rw\n")
    monkeypatch.setattr(mount, "_MOUNTS", mounts)
    async with a_source(log) as source:
        figures = source.figures()

    assert (figures.watch, figures.watch_reason) == ("polling", f"{log.parent} is on nfs4")


@pytest.mark.parametrize(
    ("kind", "is_silent"),
    [("ext4", False), ("overlay", False), ("fuseblk", False), ("tmpfs", False)]
    + [(kind, True) for kind in ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "virtiofs", "ceph")],
)
def test_file_systems_that_others_write_to_are_known(
    tmp_path: Path,
    kind: str,
    is_silent: bool,  # noqa: FBT001 a table
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 8:1 / / rw - btrfs /dev/sda rw\n36 35 98:0 / /mnt/my\\040logs rw - {kind} x rw\n")
    monkeypatch.setattr(mount, "_MOUNTS", mounts)

    assert bool(mount.silent(["/mnt/my logs/deep", "/mnt/my"])) == is_silent


async def test_lag_of_a_blocked_consumer_is_told_and_names_are_still_followed(log: Path) -> None:
    """An hour or ten milliseconds: what is rotated away meanwhile is held open, so that deleting it loses nothing."""
    older, oldest = log.with_name("app.log.1"), log.with_name("app.log.2")
    async with a_source(log, Tuning(queued_batches=2, reconcile_s=0.02, batch_records=1)) as source:
        append(log, "one")
        await figures_when(source, lambda figures: figures.records == 1)
        append(log, "two")
        rotate(log, older)
        append(log, "three")
        await figures_when(source, lambda figures: figures.open_files == 2)
        rotate(older, oldest)
        rotate(log, older)
        append(log, "four")
        figures = await figures_when(source, lambda figures: figures.open_files == 3 and figures.lag_bytes == 15)
        delete(oldest, older)
        await figures_when(source, lambda later: later.lag_s > figures.lag_s)
        texts = await take(source, 4)

    assert texts == ["one", "two", "three", "four"]


def rotate(log: Path, away: Path) -> None:
    log.rename(away)


def delete(*logs: Path) -> None:
    for log in logs:
        log.unlink()


def test_gaps_and_lost_bytes_are_counted(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        with log.open("a") as file:
            file.write("unfinished")
        followed.read()
        os.truncate(log, 0)
        followed.read()
        figures = followed.reader.standing.figures(())

    assert (figures.gaps, figures.lost_bytes) == (1, 10)


class Following:
    """A file that grows, and what a standing says when it was read so far."""

    def __init__(self, log: Path) -> None:
        self.clock = StoppedClock()
        self.standing = Standing(self.clock)
        self.tracked = Tracked.open(Entry(path=str(log), family=str(log), is_matched=True, real=str(log)))
        self._log = log

    def after(self, seconds: float, *, size: int, read: int) -> float:
        self.clock.passed_s += seconds
        with self._log.open("ab") as log:
            log.truncate(size)
        self.tracked.reached = read
        self.standing.measure([self.tracked] if read < size else [])
        return self.standing.figures(()).lag_s


def test_lag_in_seconds_is_the_age_of_the_oldest_unread_byte_and_not_of_the_first_delay(log: Path) -> None:
    following = Following(log)
    ages = [
        following.after(1, size=100, read=0),
        following.after(1, size=200, read=50),
        following.after(1, size=300, read=150),
        following.after(1, size=300, read=200),
        following.after(1, size=300, read=300),
    ]

    assert ages == [0, 1, 0, 1, 0]


async def test_asking_does_not_wait_for_a_reader_that_is_busy(log: Path) -> None:
    matcher = WaitingMatcher()
    async with a_source(log, matcher=matcher) as source:
        append(log, "one")
        await asyncio.to_thread(matcher.entered.wait, PATIENCE_S)
        figures = source.figures()
        matcher.released.set()

    assert (figures.files, figures.records) == (1, 0)


class WaitingMatcher(RegexMatcher):
    def __init__(self) -> None:
        super().__init__([Rule.every_line()])
        self.entered = threading.Event()
        self.released = threading.Event()

    def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:
        self.entered.set()
        self.released.wait(PATIENCE_S)
        return super().scan(block, is_end=is_end)
