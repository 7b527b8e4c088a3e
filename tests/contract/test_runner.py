"""What every runner promises (`opsbot.core.ports.Runner`)."""

import asyncio
import os
from collections.abc import Sequence
from typing import Protocol

import pytest

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.process.runner import ProcessRunner
from opsbot.core.errors import CommandError
from opsbot.core.ports import Runner
from opsbot.testing.runner import FakeRunner


class Stage(Protocol):
    """A runner, and the programs that it can run."""

    @property
    def runner(self) -> Runner: ...

    def prints(self, *lines: str, exit_status: int = 0) -> Sequence[str]:
        """Arrange a program that prints lines and exits; gives its argv."""

    def hangs(self, *lines: str) -> Sequence[str]:
        """Arrange a program that prints lines and never ends; gives its argv."""

    def complains(self, complaint: str, exit_status: int) -> Sequence[str]:
        """Arrange a program that says something on stderr and exits; gives its argv."""


class RealStage:
    def __init__(self) -> None:
        self.runner: Runner = ProcessRunner(os.environ)

    def prints(self, *lines: str, exit_status: int = 0) -> Sequence[str]:
        return ["sh", "-c", 'for line in "$@"; do printf "%s\\n" "$line"; done; exit $0', str(exit_status), *lines]

    def hangs(self, *lines: str) -> Sequence[str]:
        return ["sh", "-c", 'for line in "$@"; do printf "%s\\n" "$line"; done; exec sleep 60', "sh", *lines]

    def complains(self, complaint: str, exit_status: int) -> Sequence[str]:
        return ["sh", "-c", 'echo "$1" >&2; exit $0', str(exit_status), complaint]


class FakeStage:
    def __init__(self) -> None:
        self._fake = FakeRunner(SystemClock())
        self._fake.runs("opsbot-no-such-program", "--token", "s3cret").fails_to_start("opsbot-no-such-program: not found")
        self._programs = 0
        self.runner: Runner = self._fake

    def prints(self, *lines: str, exit_status: int = 0) -> Sequence[str]:
        argv = self._new()
        self._fake.runs(*argv).prints(*lines).exits(exit_status)
        return argv

    def hangs(self, *lines: str) -> Sequence[str]:
        argv = self._new()
        self._fake.runs(*argv).prints(*lines).hangs()
        return argv

    def complains(self, complaint: str, exit_status: int) -> Sequence[str]:
        argv = self._new()
        self._fake.runs(*argv).complains(complaint).exits(exit_status)
        return argv

    def _new(self) -> Sequence[str]:
        self._programs += 1
        return ["program", str(self._programs)]


@pytest.fixture(params=[RealStage, FakeStage])
def stage(request: pytest.FixtureRequest) -> Stage:
    made: Stage = request.param()
    return made


async def lines_of(runner: Runner, argv: Sequence[str], *, timeout_s: float = 20) -> tuple[list[str], int, bool]:
    async with runner.run(argv, timeout_s=timeout_s) as process:
        lines = [line async for line in process]
    return lines, process.exit_status, process.timed_out


async def test_lines_come_in_order_and_without_their_ends(stage: Stage) -> None:
    lines, _, _ = await lines_of(stage.runner, stage.prints("one", "", "三 three"))

    assert lines == ["one", "", "三 three"]


async def test_program_that_says_nothing_gives_no_lines(stage: Stage) -> None:
    lines, _, _ = await lines_of(stage.runner, stage.prints())

    assert lines == []


@pytest.mark.parametrize("status", [0, 3, 255])
async def test_exit_status_is_the_program_s(stage: Stage, status: int) -> None:
    _, exit_status, timed_out = await lines_of(stage.runner, stage.prints("x", exit_status=status))

    assert (exit_status, timed_out) == (status, False)


async def test_lines_are_there_before_the_program_ends(stage: Stage) -> None:
    async with stage.runner.run(stage.hangs("early"), timeout_s=20) as process, asyncio.timeout(10):
        first = await anext(aiter(process))

    assert first == "early"


async def test_program_that_takes_too_long_is_ended(stage: Stage) -> None:
    async with asyncio.timeout(10):
        lines, exit_status, timed_out = await lines_of(stage.runner, stage.hangs("early"), timeout_s=0.3)

    assert (lines, exit_status < 0, timed_out) == (["early"], True, True)


async def test_programs_at_the_same_time_do_not_mix(stage: Stage) -> None:
    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(lines_of(stage.runner, stage.prints(*[f"{n}"] * 50))) for n in range(5)]

    assert [run.result()[0] for run in runs] == [[f"{n}"] * 50 for n in range(5)]


async def test_run_can_be_left_before_its_end(stage: Stage) -> None:
    async with asyncio.timeout(10):
        async with stage.runner.run(stage.hangs("early"), timeout_s=20) as process:
            async for _ in process:
                break

        lines, _, _ = await lines_of(stage.runner, stage.prints("next"))

    assert lines == ["next"]


async def test_error_inside_the_run_comes_out_as_it_is(stage: Stage) -> None:
    async with asyncio.timeout(10):
        with pytest.raises(KeyError, match="mine"):
            async with stage.runner.run(stage.hangs(), timeout_s=20):
                raise KeyError("mine")


async def test_program_that_is_not_there_is_named_without_its_arguments(stage: Stage) -> None:
    with pytest.raises(CommandError, match="opsbot-no-such-program") as caught:
        await lines_of(stage.runner, ["opsbot-no-such-program", "--token", "s3cret"])

    assert "s3cret" not in str(caught.value)


async def piped(runner: Runner, argv: Sequence[str]) -> bytes:
    async with runner.pipe(argv) as pipe, asyncio.timeout(10):
        return b"".join([chunk async for chunk in pipe])


async def test_pipe_gives_what_is_printed_as_bytes(stage: Stage) -> None:
    assert await piped(stage.runner, stage.prints("one", "", "三 three")) == "one\n\n三 three\n".encode()


async def test_pipe_keeps_the_complaint_apart_from_what_is_printed(stage: Stage) -> None:
    async with stage.runner.pipe(stage.complains("no route", 255)) as pipe, asyncio.timeout(10):
        printed = [chunk async for chunk in pipe]

    assert (printed, pipe.exit_status, pipe.last_words) == ([], 255, "no route")


async def test_pipe_gives_what_is_printed_before_the_program_ends(stage: Stage) -> None:
    async with stage.runner.pipe(stage.hangs("early")) as pipe, asyncio.timeout(10):
        first = await anext(aiter(pipe))

    assert first == b"early\n"


async def test_pipe_to_a_program_that_is_not_there_names_it_without_its_arguments(stage: Stage) -> None:
    with pytest.raises(CommandError, match="opsbot-no-such-program") as caught:
        await piped(stage.runner, ["opsbot-no-such-program", "--token", "s3cret"])

    assert "s3cret" not in str(caught.value)


async def test_waiting_at_a_pipe_can_be_given_up_and_begun_again(stage: Stage) -> None:
    async with stage.runner.pipe(stage.hangs("early")) as pipe, asyncio.timeout(10):
        first = await anext(aiter(pipe))
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await anext(aiter(pipe))

    assert first == b"early\n"
