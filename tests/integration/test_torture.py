"""Rotation as it is done out there, while a program writes an exact sequence: nothing lost, nothing twice."""

import asyncio
import fcntl
import gzip
import os
import random
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Self

import pytest
import pytest_asyncio

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.sources.file.source import FileSource
from opsbot.adapters.sources.file.tuning import Tuning
from opsbot.core.log import Checkpoint, Rule
from tests.integration.followed_log import open_files
from tests.peers import log_reader, log_writer
from tests.peers.log_writer import PRINTED_ALL_THE_TIME, PRINTED_AT_ONCE, PRINTED_ROUNDS, cut, line
from tests.peers.logrotate import Logrotate, find_logrotate
from tests.peers.pm2 import Pm2

pytestmark = pytest.mark.real

PATIENCE_S = 30.0
EVERY_LINE = Rule.every_line()
NOTHING: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
TUNING = Tuning(reconcile_s=0.5, rotate_wait_s=0.3)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "app.log"
    path.parent.mkdir()
    path.touch()
    return path


@pytest.fixture
def logrotate() -> str:
    found = find_logrotate()
    if found is None:
        pytest.skip("logrotate is missing: apt-get install logrotate")
    return found


# --- what was read, held against what was written


def whole(number: int) -> str:
    return line(number)[:-1].decode()


def parts(number: int) -> list[str]:
    """Give what becomes of a torn line that was truncated in between: one part in the copy, the other in the log."""
    text, torn = line(number)[:-1], cut(number)
    return [part.decode("utf-8", "replace") for part in (text[:torn], text[torn:]) if torn]


def difference(texts: Iterable[str], written: int) -> tuple[Counter[str], Counter[str]]:
    """Give what was lost, and what was read too often."""
    found = Counter(texts)
    wanted: Counter[str] = Counter()
    for number in range(1, written + 1):
        wanted.update([whole(number)] if whole(number) in found or not cut(number) else parts(number))
    return wanted - found, found - wanted


class Account:
    """The records that came, by key and text."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str]] = []
        self._grew = asyncio.Event()

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.records]

    @property
    def texts_by_key(self) -> list[str]:
        """What is left when a key is believed only once; too little if two records had the same."""
        return list(dict(self.records).values())

    async def read(self, source: FileSource) -> None:
        async for batch in source.batches():
            self.records += [(record.key(EVERY_LINE), record.text) for record in batch.records]
            self._grew.set()

    async def has(self, written: int) -> None:
        """Wait until nothing is missing."""
        await self.grows_until(lambda: len(self.records) >= written and not difference(self.texts, written)[0])

    async def grows_until(self, is_enough: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not is_enough():
                    self._grew.clear()
                    await self._grew.wait()
        except TimeoutError:  # the test says what is missing
            return


@asynccontextmanager
async def reading(log: Path, checkpoints: Iterable[Checkpoint] = ()) -> AsyncIterator[Account]:
    account = Account()
    matcher = RegexMatcher([EVERY_LINE])
    source = FileSource("app", str(log), matcher, tuple(checkpoints), clock=SystemClock(), tuning=TUNING)
    async with asyncio.TaskGroup() as group, source:
        group.create_task(account.read(source))
        yield account
        await rotated_files_are_closed(log)


async def rotated_files_are_closed(log: Path) -> None:
    """Wait until everything that could be read twice had its time for that."""
    async with asyncio.timeout(PATIENCE_S):
        while any(is_rotated(log.parent, path) for path in await asyncio.to_thread(open_files)):  # noqa: ASYNC110 the kernel does not tell
            await asyncio.sleep(0.02)


def is_rotated(directory: Path, path: str) -> bool:
    return path.startswith(str(directory)) and bool(re.search(r"\d", path[len(str(directory)) :]))


async def is_open(log: Path) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while str(log) not in await asyncio.to_thread(open_files):  # noqa: ASYNC110 the kernel does not tell
            await asyncio.sleep(0.002)


# --- who writes


class Writer:
    """A `tests.peers.log_writer`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.pid = process.pid
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout

    async def says(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            return (await self._stdout.readline()).decode().strip()

    def go_on(self) -> None:
        self._stdin.write(b"\n")

    async def ends(self) -> int:
        """Let it end; gives how many lines it wrote."""
        self._stdin.close()
        written = int(await self.says())
        await self._process.wait()
        return written


@asynccontextmanager
async def writing(log: Path, style: str) -> AsyncIterator[Writer]:
    argv = (sys.executable, "-m", "tests.peers.log_writer", str(log), style)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe)
    try:
        yield Writer(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def writer_pauses(log: Path) -> AsyncIterator[None]:
    """Keep the writer from writing what copy-and-truncate would destroy: whatever comes between its two steps."""
    lock = os.open(log.with_name("lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


# --- as fast as it goes


@pytest.mark.parametrize("style", ["rotate_by_numbers", "rotate_by_dates", "write_late", "copy_and_truncate"])
async def test_180_rotations_in_a_burst_lose_nothing_and_double_nothing(log: Path, style: str) -> None:
    async with reading(log) as account, writing(log, style) as writer:
        written = int(await writer.says())
        await account.has(written)

    assert difference(account.texts, written) == difference(account.texts_by_key, written) == NOTHING


async def test_180_truncations_of_a_log_that_grows_again_at_once_lose_nothing_and_double_nothing(log: Path) -> None:
    async with reading(log) as account, writing(log, "truncate_and_regrow") as writer:
        for _ in range(180):
            written = int(await writer.says())
            await account.grows_until(lambda: len(account.records) >= written)  # noqa: B023 called at once
            writer.go_on()

    assert difference(account.texts, written) == difference(account.texts_by_key, written) == NOTHING


# --- with the real logrotate


class Mode(NamedTuple):
    """A way to rotate; `is_paced` when the tool itself takes a file away, which has to stand until somebody can open it."""

    directives: tuple[str, ...]
    rotations: int = 25
    is_paced: bool = False
    pause_s: float = 0.0


RENAMING = {
    "create": Mode(("rotate 50", "create 0644")),
    "nocreate": Mode(("rotate 50", "nocreate", "missingok")),
    "dateext": Mode(("rotate 50", "create", "dateext", "dateformat -%s"), rotations=3, pause_s=1.01),
    "olddir": Mode(("rotate 50", "create", "olddir old", "createolddir 0755"), is_paced=True),
    "compress": Mode(("rotate 50", "create", "compress"), is_paced=True),
    "delaycompress": Mode(("rotate 50", "create", "compress", "delaycompress")),
    "deletion": Mode(("rotate 1", "create"), is_paced=True),
}
COPYING = {
    "copytruncate": Mode(("rotate 50", "copytruncate")),
    "copytruncate compress": Mode(("rotate 50", "copytruncate", "compress")),
    "copytruncate delaycompress": Mode(("rotate 50", "copytruncate", "compress", "delaycompress")),
}


@pytest.mark.parametrize("name", RENAMING)
async def test_logrotate_that_renames_loses_nothing_and_doubles_nothing(log: Path, logrotate: str, name: str) -> None:
    mode = RENAMING[name]
    async with reading(log) as account, writing(log, "follow_signals") as writer:
        await writer.says()
        tool = Logrotate(logrotate, log, mode.directives, writer.pid)
        for _ in range(mode.rotations):
            if mode.is_paced:
                await is_open(log)
            await tool.rotate()
            await asyncio.sleep(mode.pause_s)  # the tool refuses to use the name of a second twice
        written = await writer.ends()
        await account.has(written)

    assert difference(account.texts, written) == difference(account.texts_by_key, written) == NOTHING


@pytest.mark.parametrize("name", COPYING)
async def test_logrotate_that_copies_and_truncates_loses_nothing_and_doubles_nothing(
    log: Path, logrotate: str, name: str
) -> None:
    mode = COPYING[name]
    async with reading(log) as account, writing(log, "follow_signals") as writer:
        await writer.says()
        tool = Logrotate(logrotate, log, mode.directives, writer.pid)
        for _ in range(mode.rotations):
            async with writer_pauses(log):
                await tool.rotate()
            await asyncio.sleep(mode.pause_s)  # the tool refuses to use the name of a second twice
        written = await writer.ends()
        await account.has(written)

    assert difference(account.texts, written) == difference(account.texts_by_key, written) == NOTHING


async def test_logrotate_that_destroys_lines_between_copy_and_truncation_costs_no_line_that_is_left(
    log: Path, logrotate: str
) -> None:
    async with reading(log) as account, writing(log, "follow_signals") as writer:
        await writer.says()
        tool = Logrotate(logrotate, log, ("rotate 50", "copytruncate"), writer.pid)
        for _ in range(40):
            await tool.rotate()
        written = await writer.ends()
        await account.grows_until(lambda: not unread(log.parent, "app", account.texts))

    assert unread(log.parent, "app", account.texts) == []
    assert doubled(account.texts, written) == []


def doubled(texts: Iterable[str], written: int) -> list[str]:
    """Give the whole lines that were read more than once."""
    found = Counter(texts)
    return [whole(number) for number in range(1, written + 1) if found[whole(number)] > 1]


def unread(directory: Path, prefix: str, texts: Iterable[str]) -> list[str]:
    """Give the lines, finished or not, that stand in some file but were read neither alone nor as part of a whole one."""
    read = set(texts)
    read |= {part for number in numbers_in(read) for part in parts(number)}
    found = []
    for file in directory.glob(f"{prefix}*"):
        *finished, last = content_of(file).decode("utf-8", "replace").split("\n")
        found += [line for line in finished if line not in read]
        # The tool may have copied while a line was being written.
        found += [last] if not any(each.startswith(last.rstrip("\ufffd")) for each in read) else []
    return found


def numbers_in(texts: Iterable[str]) -> Iterable[int]:
    return [int(text[:8]) for text in texts if text[:8] == text[-8:] and text[:8].isdigit()]


def content_of(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()


# --- with the real pm2-logrotate


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pm2(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pm2]:
    async with Pm2(tmp_path_factory.mktemp("pm2") / "home") as it:
        await it.install_logrotate(max_size="1K")
        yield it


async def printing(pm2: Pm2, style: str) -> None:
    name = style.replace("_", "-")  # as pm2 does it
    log = pm2.home / "logs" / f"{name}-out.log"
    options = ("--interpreter", sys.executable, "--no-autorestart")
    await pm2.start(Path(log_writer.__file__), name, str(log), style, options=options)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("pattern", ["print-between-rotations-out.log", "print-between*.log"])
async def test_pm2_logrotate_loses_nothing_and_doubles_nothing(pm2: Pm2, pattern: str) -> None:
    written = PRINTED_ROUNDS * PRINTED_AT_ONCE
    async with reading(pm2.home / "logs" / pattern) as account:
        await printing(pm2, "print_between_rotations")
        await account.has(written)
    await pm2.delete("print-between-rotations")
    for each in (pm2.home / "logs").glob("print-between*"):
        each.unlink()

    assert difference(account.texts, written) == difference(account.texts_by_key, written) == NOTHING


@pytest.mark.asyncio(loop_scope="module")
async def test_pm2_logrotate_that_destroys_lines_costs_no_line_that_is_left(pm2: Pm2) -> None:
    logs = pm2.home / "logs"
    async with reading(logs / "print-all-the-time-out.log") as account:
        await printing(pm2, "print_all_the_time")
        await account.grows_until(lambda: whole(PRINTED_ALL_THE_TIME) in account.texts)
        await account.grows_until(lambda: not unread(logs, "print-all", account.texts))

    assert unread(logs, "print-all", account.texts) == []
    assert doubled(account.texts, PRINTED_ALL_THE_TIME) == []


# --- while the reader dies, or is away


class MortalReader:
    """A `tests.peers.log_reader`, which is killed and comes back."""

    def __init__(self, log: Path) -> None:
        self.database = log.parent.parent / "opsbot.db"
        self._argv = (sys.executable, "-m", "tests.peers.log_reader", str(self.database), str(log))
        self._process: asyncio.subprocess.Process | None = None
        self._count = 0

    async def __aenter__(self) -> Self:
        await self.start()
        await self.commits(1)  # where it begins
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        self._count = len(await log_reader.committed(self.database))
        self._process = await asyncio.create_subprocess_exec(*self._argv, stdout=asyncio.subprocess.PIPE)
        assert await self._says() == "ready"

    async def commits(self, times: int) -> None:
        for _ in range(times):
            self._count += int(await self._says())

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def commits_all_of(self, written: int) -> list[tuple[str, str]]:
        """Wait until nothing is missing; gives what was committed."""
        found: list[tuple[str, str]] = []
        while not found or difference((text for _, text in found), written)[0]:
            try:
                await self.commits(1)
            except TimeoutError:  # the test says what is missing
                break
            if self._count >= written:
                found = await log_reader.committed(self.database)
        return found

    async def _says(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            return (await self._process.stdout.readline()).decode().strip()


KILLS = 3


@pytest.mark.parametrize("name", ["delaycompress", "copytruncate"])
async def test_reader_that_is_killed_between_rotations_commits_every_line_once(log: Path, logrotate: str, name: str) -> None:
    mode = {**RENAMING, **COPYING}[name]
    chance = random.Random(20261120)  # noqa: S311 no secret is made of it
    async with MortalReader(log) as reader, writing(log, "follow_signals") as writer:
        await writer.says()
        tool = Logrotate(logrotate, log, mode.directives, writer.pid)
        for _ in range(KILLS):
            await reader.commits(chance.randint(1, 20))
            await tool_rotates(tool, log, name, chance.randint(0, 2))
            await reader.kill()
            await tool_rotates(tool, log, name, chance.randint(0, 1))
            await reader.start()
        written = await writer.ends()
        committed = await reader.commits_all_of(written)

    assert difference((text for _, text in committed), written) == difference(dict(committed).values(), written) == NOTHING


async def tool_rotates(tool: Logrotate, log: Path, name: str, times: int) -> None:
    for _ in range(times):
        if name in COPYING:
            async with writer_pauses(log):
                await tool.rotate()
        else:
            await tool.rotate()


@pytest.mark.parametrize("style", ["rotate_by_numbers", "copy_and_truncate"])
async def test_180_rotations_while_nobody_reads_lose_nothing_and_double_nothing(log: Path, style: str) -> None:
    async with MortalReader(log) as reader:
        await reader.kill()
        async with writing(log, style) as writer:
            written = int(await writer.says())
            await reader.start()
            committed = await reader.commits_all_of(written)

    assert difference((text for _, text in committed), written) == difference(dict(committed).values(), written) == NOTHING
