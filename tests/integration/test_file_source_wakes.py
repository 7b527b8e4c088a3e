"""The file source as it runs: its thread, the operating system's wake-ups, and the way to the event loop."""

import asyncio
import errno
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx
from structlog.testing import capture_logs

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.sources.file.bell import Bell
from opsbot.adapters.sources.file.handover import Handover
from opsbot.adapters.sources.file.inotify import InotifyWatch
from opsbot.adapters.sources.file.observer import ObserverWatch
from opsbot.adapters.sources.file.source import FileSource
from opsbot.adapters.sources.file.task import Task
from opsbot.adapters.sources.file.thread import ReaderThread
from opsbot.adapters.sources.file.tuning import Tuning
from opsbot.adapters.sources.file.watch import News, Watch
from opsbot.core.log import Batch, Rule, RuleFigures, Scan, SourceFigures
from opsbot.core.ports import Matcher
from tests.integration.followed_log import append, open_files

PATIENCE_S = 10.0
NEVER_S = 3600.0
BY_EVENTS = Tuning(reconcile_s=NEVER_S, poll_s=NEVER_S, flush_s=0.0)
"""Only what the operating system says can wake the reader, and what it has done is told at once."""

EVERY_LINE = RegexMatcher([Rule.every_line()])


@pytest.fixture(autouse=True)
def loop_must_not_block() -> Iterator[None]:
    with blockbuster_ctx(scanned_modules=["opsbot"]):
        yield


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.touch()
    return path


def a_source(pattern: Path, matcher: Matcher = EVERY_LINE, tuning: Tuning = BY_EVENTS) -> FileSource:
    return FileSource("app", str(pattern), matcher, clock=SystemClock(), tuning=tuning)


async def until(stream: AsyncIterator[Batch], text: str) -> list[str]:
    texts: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        async for batch in stream:
            texts += [record.text for record in batch.records]
            if text in texts:
                break
    return texts


async def falls_asleep(source: "FileSource | Run") -> None:
    """Wait for the first batch, which tells of the files that are there: without a wake-up nothing more is read."""
    async with asyncio.timeout(PATIENCE_S):
        await anext(source.batches())


async def test_appended_line_wakes_the_reader(log: Path) -> None:
    async with a_source(log) as source:
        await falls_asleep(source)
        append(log, "one")

        assert await until(source.batches(), "one") == ["one"]


async def test_rotation_wakes_the_reader(log: Path) -> None:
    async with a_source(log) as source:
        await falls_asleep(source)
        rotate(log, "app.log.1")
        append(log, "two")

        assert await until(source.batches(), "two") == ["two"]


async def test_log_whose_directories_are_made_later_wakes_the_reader(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "down" / "app.log"
    async with a_source(log) as source:
        make_directory(log.parent)
        append(log, "one")

        assert await until(source.batches(), "one") == ["one"]


async def test_new_directory_that_a_glob_means_wakes_the_reader(tmp_path: Path) -> None:
    async with a_source(tmp_path / "*" / "app.log") as source:
        make_directory(tmp_path / "new")
        append(tmp_path / "new" / "app.log", "one")

        assert await until(source.batches(), "one") == ["one"]


async def test_log_in_a_directory_that_was_deleted_and_made_again_wakes_the_reader(log: Path) -> None:
    log = log.parent / "logs" / "app.log"
    make_directory(log.parent)
    async with a_source(log) as source:
        stream = source.batches()
        append(log, "one")
        await until(stream, "one")
        shutil.rmtree(log.parent)
        make_directory(log.parent)
        append(log, "two")

        assert await until(source.batches(), "two") == ["two"]


async def test_log_in_a_directory_that_was_renamed_and_made_again_wakes_the_reader(log: Path) -> None:
    log = log.parent / "logs" / "app.log"
    make_directory(log.parent)
    async with a_source(log) as source:
        rotate(log.parent, "logs.old")
        make_directory(log.parent)
        append(log, "one")

        assert await until(source.batches(), "one") == ["one"]


async def test_line_behind_a_symbolic_link_wakes_the_reader(tmp_path: Path) -> None:
    target, link = tmp_path / "files" / "monday", tmp_path / "links" / "app.log"
    make_link(link, target)
    async with a_source(link) as source:
        await falls_asleep(source)
        append(target, "one")

        assert await until(source.batches(), "one") == ["one"]


async def test_link_that_is_turned_to_a_directory_that_nobody_watched_wakes_the_reader(tmp_path: Path) -> None:
    link, target = tmp_path / "links" / "app.log", tmp_path / "tuesday" / "app.log"
    make_link(link, tmp_path / "monday" / "app.log")
    make_directory(target.parent)
    append(target, "one")
    async with a_source(link) as source:
        turn_link(link, target)
        first = await until(source.batches(), "one")
        append(target, "two")

        assert (first, await until(source.batches(), "two")) == (["one"], ["two"])


async def test_file_that_takes_the_place_of_a_pipe_wakes_the_reader(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    os.mkfifo(log)
    async with a_source(log) as source:
        rotate(log, "pipe")
        append(log, "one")

        assert await until(source.batches(), "one") == ["one"]


@pytest.mark.parametrize("kind", ["inotify", "watchdog"])
@pytest.mark.parametrize("way", ["renamed", "deleted"])
def test_directory_that_was_made_again_is_watched_again(tmp_path: Path, way: str, kind: str) -> None:
    logs = tmp_path / "logs"
    make_directory(logs)
    with watching(kind, logs, tmp_path) as heard:
        if way == "deleted":
            shutil.rmtree(logs)
            heard.until(lambda news: (str(logs), True) in news.named)
        else:
            rotate(logs, "logs.old")
        make_directory(logs)
        is_new = heard.watch.arm({str(logs), str(tmp_path)})
        append(logs / "app.log", "one")

        assert is_new
        heard.until(lambda news: str(logs / "app.log") in news.written)


@pytest.mark.parametrize("kind", ["inotify", "watchdog"])
def test_right_to_read_that_is_given_is_news(log: Path, kind: str) -> None:
    log.chmod(0)
    with watching(kind, log.parent) as heard:
        log.chmod(0o644)

        heard.until(lambda news: str(log) in news.written | {path for path, _ in news.named})


@pytest.mark.parametrize("kind", ["inotify", "watchdog"])
def test_news_name_what_was_written_and_what_was_renamed(log: Path, kind: str) -> None:
    with watching(kind, log.parent) as heard:
        append(log, "one")
        rotate(log, "app.log.1")
        names = [str(log), str(log.with_name("app.log.1"))]
        news = heard.until(lambda news: all((name, False) in news.named for name in names))

    assert (str(log) in news.written, [path for path, _ in news.named if path in names]) == (True, names)


def test_thousand_writes_to_one_file_are_one_piece_of_news(log: Path) -> None:
    other = log.with_name("other.log")
    with watching("inotify", log.parent) as heard:
        for _ in range(1000):
            append(log, "one")
            append(other, "one")
        news = heard.watch.take()

    assert news.written == {str(log), str(other)}


def test_directory_that_is_watched_no_more_is_silent(log: Path) -> None:
    with watching("inotify", log.parent) as heard:
        heard.watch.arm(set())
        append(log, "one")
        news = heard.watch.take()

    assert not news


def test_directory_that_was_moved_is_watched_under_its_new_name_only(tmp_path: Path) -> None:
    logs, old = tmp_path / "logs", tmp_path / "logs.old"
    make_directory(logs)
    with watching("inotify", tmp_path, logs) as heard:
        rotate(logs, "logs.old")
        heard.watch.take()
        heard.watch.arm({str(tmp_path), str(old)})
        append(old / "app.log", "one")
        news = heard.watch.take()

    assert news.written == {str(old / "app.log")}


def test_name_that_is_no_text_is_news_like_any_other(tmp_path: Path) -> None:
    name = os.fsdecode(b"app-\xff.log")
    with watching("inotify", tmp_path) as heard:
        append(tmp_path / name, "one")
        news = heard.watch.take()

    assert news.written == {str(tmp_path / name)}


class Heard:
    """A watch, and what it said since."""

    def __init__(self, watch: Watch, bell: Bell) -> None:
        self.watch = watch
        self._bell = bell

    def until(self, is_it: Callable[[News], bool]) -> News:
        news = News()
        for _ in range(1000):
            more = self.watch.take()
            news.written |= more.written
            news.named |= more.named
            if is_it(news):
                return news
            self._bell.wait(PATIENCE_S / 1000, self.watch.fd)
        raise AssertionError(news)


@contextmanager
def watching(kind: str, *directories: Path) -> Iterator[Heard]:
    with Bell() as bell:
        watch: Watch = InotifyWatch() if kind == "inotify" else ObserverWatch(bell.ring)
        try:
            watch.arm({str(each) for each in directories})
            yield Heard(watch, bell)
        finally:
            watch.disarm()


async def test_sweep_finds_what_no_event_told_of(log: Path) -> None:
    async with running(log, lambda _: DeafWatch(), Tuning(reconcile_s=0.02, flush_s=0.0)) as run:
        await falls_asleep(run)
        append(log, "one")

        assert await until(run.batches(), "one") == ["one"]


async def test_reader_that_may_not_watch_polls_and_says_so(log: Path) -> None:
    with capture_logs() as told:
        async with running(log, lambda _: RefusedWatch(), Tuning(reconcile_s=NEVER_S, poll_s=0.02, flush_s=0.0)) as run:
            await falls_asleep(run)
            append(log, "one")
            lines = await until(run.batches(), "one")

    assert (lines, [entry["event"] for entry in told]) == (["one"], ["watching_failed"])


async def test_reader_to_whom_no_events_come_polls_and_says_so(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsbot.adapters.sources.file.lookout._EVENT_S", 0.01)
    with capture_logs() as told:
        async with running(log, lambda _: DeafWatch(), Tuning(reconcile_s=0.02, poll_s=0.01)) as run:
            stream = run.batches()
            for line in ("one", "two", "three", "four"):
                append(log, line)
                await until(stream, line)

    assert [entry["event"] for entry in told] == ["events_missing"]


async def test_reader_to_whom_events_come_late_does_not_complain(log: Path) -> None:
    with capture_logs() as told:
        async with a_source(log, tuning=Tuning(reconcile_s=0.001, poll_s=0.001)) as source:
            for number in range(50):
                append(log, f"{number}")
                await until(source.batches(), f"{number}")

    assert told == []


async def test_reader_that_may_watch_again_says_so(log: Path) -> None:
    watch = RefusedWatch()
    with capture_logs() as told:
        async with running(log, lambda _: watch, Tuning(poll_s=0.01, rearm_s=0.02)):
            watch.is_refused = False
            await asyncio.to_thread(watch.armed.wait, PATIENCE_S)

    assert [entry["event"] for entry in told] == ["watching_failed", "watching_again"]


async def test_much_to_read_at_the_start_does_not_keep_the_source_from_being_entered(log: Path) -> None:
    append(log, *"abcdefghij")
    tuning = Tuning(batch_records=1, queued_batches=1)
    source = FileSource("app", str(log), EVERY_LINE, clock=SystemClock(), read_from="beginning", tuning=tuning)
    async with asyncio.timeout(PATIENCE_S), source:
        assert await until(source.batches(), "j") == list("abcdefghij")


async def test_slow_consumer_makes_the_reader_wait(log: Path) -> None:
    matcher = CountingMatcher()
    tuning = Tuning(chunk_bytes=2, turn_bytes=2, batch_records=1, queued_batches=3, reconcile_s=NEVER_S)
    async with a_source(log, matcher, tuning) as source:
        append(log, *"abcdefghij")
        taken, lead = 0, []
        async with asyncio.timeout(PATIENCE_S):
            async for batch in source.batches():
                taken += len(batch.records)
                for _ in range(20):
                    await asyncio.to_thread(matcher.scanned.acquire, timeout=0.001)
                lead.append(matcher.count - taken)
                if taken == 10:
                    break

    assert max(lead) <= 4


async def test_source_whose_consumer_is_gone_is_left_at_once(log: Path) -> None:
    matcher = CountingMatcher()
    async with asyncio.timeout(4):
        async with a_source(log, matcher, Tuning(batch_records=1, queued_batches=2, turn_bytes=2, chunk_bytes=2)):
            append(log, *"abcdefghij")
            await asyncio.to_thread(matcher.scanned.acquire)

    for thread in threading.enumerate():
        if thread.name == "read:app":
            await asyncio.to_thread(thread.join, PATIENCE_S)
            assert not thread.is_alive()


async def test_leaving_closes_the_files(log: Path) -> None:
    async with a_source(log):
        pass

    assert str(log) not in open_files()


async def test_progress_without_matches_is_handed_over_when_the_source_is_left(log: Path) -> None:
    matcher = CountingMatcher(RegexMatcher([Rule("never")]))
    source = a_source(log, matcher, Tuning(flush_s=NEVER_S))
    async with source:
        append(log, "dull")
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.to_thread(matcher.scanned.acquire)
    checkpoints = [each.offset for batch in [each async for each in source.batches()] for each in batch.checkpoints]

    assert checkpoints[-1] == 5


async def test_bug_in_the_reader_is_raised_where_the_batches_are_taken(log: Path) -> None:
    async with a_source(log, BrokenMatcher()) as source:
        append(log, "one")

        with pytest.raises(ZeroDivisionError):
            await until(source.batches(), "one")


async def test_matcher_that_never_ends_does_not_keep_the_source_open(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsbot.adapters.sources.file.source._STOP_S", 0.05)
    matcher = StuckMatcher()
    with capture_logs() as told:
        async with asyncio.timeout(PATIENCE_S):
            async with a_source(log, matcher) as source:
                append(log, "one")
                await asyncio.to_thread(matcher.entered.wait)
            batches = [each async for each in source.batches() if each.records]
    matcher.released.set()

    assert (batches, [entry["event"] for entry in told]) == ([], ["reader_stuck"])


async def test_burst_of_rotations_loses_nothing(log: Path) -> None:
    written = [f"{rotation} {number}" for rotation in range(60) for number in range(20)]

    def write() -> None:
        for rotation in range(60):
            append(log, *written[rotation * 20 : rotation * 20 + 20])
            rotate(log, f"app.log-20261120{rotation:02}")
        append(log, "end")

    async with a_source(log, tuning=Tuning()) as source:
        await asyncio.to_thread(write)
        lines = await until(source.batches(), "end")

    assert lines == [*written, "end"]


def rotate(log: Path, name: str) -> None:
    log.rename(log.with_name(name))


def make_directory(path: Path) -> None:
    path.mkdir(parents=True)


def make_link(link: Path, target: Path) -> None:
    link.parent.mkdir()
    target.parent.mkdir()
    target.touch()
    link.symlink_to(target)


@dataclass
class Run:
    handover: Handover
    thread: ReaderThread

    def batches(self) -> AsyncIterator[Batch]:
        return self.handover.batches()

    def figures(self) -> SourceFigures:
        return self.thread.standing.figures(())


def turn_link(link: Path, target: Path) -> None:
    """Let the link point elsewhere in one step, as `ln -sfn` and deployments do."""
    other = link.with_name("other")
    other.symlink_to(target)
    other.rename(link)


class DeafWatch:
    """Watches, but no event ever comes, as on a network file system."""

    kind = "deaf"
    fd = -1

    def arm(self, directories: set[str]) -> bool:  # noqa: ARG002 the port's
        return False

    def take(self) -> News:
        return News()

    def disarm(self) -> None: ...


class RefusedWatch(DeafWatch):
    """The system has no more watches to give."""

    def __init__(self) -> None:
        self.is_refused = True
        self.armed = threading.Event()

    def arm(self, directories: set[str]) -> bool:
        if self.is_refused:
            raise OSError(errno.ENOSPC, "no watches are left")
        self.armed.set()
        return super().arm(directories)


@asynccontextmanager
async def running(
    log: Path, make_watch: Callable[[Callable[[], None]], Watch], tuning: Tuning, matcher: Matcher = EVERY_LINE
) -> AsyncIterator[Run]:
    """Run a reader's thread with another watch."""
    loop, ready, ended = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    task = Task(source="app", pattern=str(log), matcher=matcher, checkpoints=(), clock=SystemClock(), tuning=tuning)
    with Bell() as bell:
        handover = Handover(tuning.queued_batches, bell.ring)
        thread = ReaderThread(
            task,
            handover,
            bell,
            lambda: loop.call_soon_threadsafe(ready.set),
            lambda: loop.call_soon_threadsafe(ended.set),
            make_watch,
        )
        thread.start()
        async with asyncio.timeout(PATIENCE_S):
            await ready.wait()
            yield Run(handover, thread)
            thread.stop()
            await ended.wait()


class CountingMatcher:
    def __init__(self, matcher: Matcher = EVERY_LINE) -> None:
        self.count = 0
        self.scanned = threading.Semaphore(0)
        self._matcher = matcher

    def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:
        self.count += 1
        self.scanned.release()
        return self._matcher.scan(block, is_end=is_end)

    def search(self, record: str) -> Scan:
        return self._matcher.search(record)

    def figures(self) -> Sequence[RuleFigures]:
        return self._matcher.figures()


class BrokenMatcher(CountingMatcher):
    def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:
        raise ZeroDivisionError(len(block), is_end)


class StuckMatcher(CountingMatcher):
    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.released = threading.Event()

    def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:
        self.entered.set()
        self.released.wait(PATIENCE_S)
        return EVERY_LINE.scan(block, is_end=is_end)
