"""Listening to real programs: bytes as they are, stdin that stays open, and floods."""

import asyncio
import os
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.adapters.process.pipe import QUEUED_CHUNKS, WORDS_BYTES
from opsbot.adapters.process.runner import ProcessRunner
from opsbot.adapters.process.running import CHUNK_BYTES
from opsbot.core.errors import CommandError

PIPE_BYTES = 64 * 1024  # pipe(7)


@pytest.fixture
def runner() -> ProcessRunner:
    return ProcessRunner({"PATH": os.environ["PATH"]})


@pytest.fixture(autouse=True)
async def _bounded() -> AsyncIterator[None]:
    async with asyncio.timeout(30):
        yield


def fds() -> set[str]:
    return {f"{fd.name} {fd.readlink()}" for fd in Path("/proc/self/fd").iterdir() if fd.exists()}


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def test_bytes_come_as_they_are(runner: ProcessRunner) -> None:
    async with runner.pipe(["printf", r"\033[32mok\r\n\377\000"]) as pipe:
        printed = b"".join([chunk async for chunk in pipe])

    assert printed == b"\x1b[32mok\r\n\xff\x00"


async def test_what_is_said_arrives_however_long_it_is(runner: ProcessRunner) -> None:
    async with runner.pipe(["head", "-c", "3000000"], said=b"x" * 3_000_000) as pipe:
        printed = b"".join([chunk async for chunk in pipe])

    assert printed == b"x" * 3_000_000


async def test_stdin_stays_open_until_the_pipe_is_left(runner: ProcessRunner, tmp_path: Path) -> None:
    script = "read line; echo $line; cat; echo closed >$0"
    async with runner.pipe(["sh", "-c", f"trap '' TERM; {script}", str(tmp_path / "end")], said=b"hello\n") as pipe:
        first = await anext(aiter(pipe))
        was_closed = (tmp_path / "end").exists()

    assert (first, was_closed, (tmp_path / "end").read_text()) == (b"hello\n", False, "closed\n")


async def test_program_that_never_reads_its_stdin_is_heard_all_the_same(runner: ProcessRunner) -> None:
    bugs: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: bugs.append(context))
    async with runner.pipe(["sh", "-c", "exec <&-; echo heard"], said=b"x" * 3_000_000) as pipe:
        printed = b"".join([chunk async for chunk in pipe])

    assert (printed, bugs) == (b"heard\n", [])


async def test_flood_stops_at_the_program_while_nobody_takes_it(runner: ProcessRunner, tmp_path: Path) -> None:
    counter = tmp_path / "written"
    script = f"""
import os
total = 0
while True:
    total += os.write(1, b"x" * 4096)
    os.pwrite(fd := os.open({str(counter)!r}, os.O_WRONLY | os.O_CREAT), b"%012d" % total, 0)
    os.close(fd)
"""
    async with runner.pipe([sys.executable, "-c", script]) as pipe:
        await anext(aiter(pipe))
        before, after = -1, 0
        while after != before:
            before = after
            await asyncio.sleep(0.3)  # a program that waits shows it by writing nothing
            after = int(counter.read_text())

    assert 0 < after <= QUEUED_CHUNKS * CHUNK_BYTES + 2 * PIPE_BYTES + CHUNK_BYTES


async def test_flood_of_complaints_leaves_the_output_alone(runner: ProcessRunner) -> None:
    script = "i=0; while [ $i -lt 20000 ]; do echo complaint $i; i=$((i+1)); done >&2; echo done"
    async with runner.pipe(["sh", "-c", script]) as pipe:
        printed = b"".join([chunk async for chunk in pipe])

    assert printed == b"done\n"
    assert len(pipe._words._kept) <= WORDS_BYTES  # noqa: SLF001 - what is bounded is inside


async def test_last_words_are_the_last_line_that_says_something(runner: ProcessRunner) -> None:
    script = r"printf '\033[31mfirst\033[0m\nssh: no route to host\r\n\n' >&2; exit 3"
    async with runner.pipe(["sh", "-c", script]) as pipe:
        async for _ in pipe:
            pass

        assert pipe.last_words == "ssh: no route to host"


async def test_pipes_are_closed_when_the_program_could_not_be_started(runner: ProcessRunner) -> None:
    before = fds()
    with pytest.raises(CommandError):
        async with runner.pipe(["opsbot-no-such-program"], said=b"x"):
            pass

    assert fds() <= before


async def test_pipes_are_closed_when_there_are_not_enough(runner: ProcessRunner) -> None:
    before = fds()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 3, limits[1]))
    try:
        with pytest.raises(CommandError, match="Too many open files"):
            async with runner.pipe(["cat"]):
                pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert fds() <= before


async def test_pipes_are_closed_when_it_is_left(runner: ProcessRunner) -> None:
    async with runner.pipe(["cat"], said=b"x"):  # the first one opens what asyncio keeps
        pass
    before = fds()
    async with runner.pipe(["cat"], said=b"x"):
        pass

    assert fds() <= before


async def test_child_of_the_program_does_not_outlive_the_pipe(runner: ProcessRunner) -> None:
    async with runner.pipe(["sh", "-c", "sleep 300 & echo $!; wait"]) as pipe:
        pid = int(await anext(aiter(pipe)))

    assert not lives(pid)
