"""A daemon with a log on another machine: it goes on where it was, and says so while it cannot."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.process.runner import ProcessRunner
from opsbot.app.house import House, open_house
from opsbot.app.own_file import OwnFiles
from opsbot.app.preparation import prepare
from opsbot.app.source_check import source_findings
from opsbot.app.sources import make_source
from opsbot.config.load import load
from opsbot.config.model import Configuration
from opsbot.core.context import Part, PartState
from opsbot.core.errors import CommandError
from opsbot.core.finding import Finding, Level
from opsbot.core.log import Rule
from tests.peers import remote_tail

WITHIN_S = 20.0


async def configuration(folder: Path, command: str, *, language: str = "en") -> Configuration:
    (folder / "state").mkdir(exist_ok=True)
    file = folder / "config.yaml"
    file.write_text(
        f"name: solo\nlanguage: {language}\nchannels:\n  page: {{kind: local, listen: '127.0.0.1:0'}}\n"
        "people:\n  archy: {roles: [owner], ids: {page: archy}}\n"
        f"sources:\n  bob: {{command: {command}}}\n"
        "operations:\n  errors: {use: log_alert, source: bob, patterns: [ERROR], tell: [archy@page]}\n"
    )
    return await asyncio.to_thread(load, file, {})


def a_tail(folder: Path) -> str:
    """A partner's tail, behind something that keeps its pid; $$ is one dollar in a configuration."""
    pid, log = folder / "pid", folder / "bob.log"
    script = f"echo $$$$ >{pid}; exec {sys.executable} -S {remote_tail.__file__} tail --json {log}"
    return f"[sh, -c, '{script}']"


class OverError(Exception):
    """Ends a house."""


def end() -> NoReturn:
    raise OverError


@asynccontextmanager
async def a_house(configuration: Configuration) -> AsyncIterator[House]:
    try:
        async with asyncio.timeout(60), open_house(configuration) as house:
            yield house
            end()
    except* OverError:
        pass


async def finding_about_bob(configuration: Configuration) -> Finding:
    def look() -> Finding:
        return next(each for each in source_findings(configuration, prepare(configuration)) if each.check_id == "source.bob")

    return await asyncio.to_thread(look)


class Watched:
    """Waits until a house has come so far."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.states: list[tuple[str, str]] = []
        house.parts.listen(self._note)

    def _note(self, part: Part) -> None:
        if part.kind == "source":
            self.states.append((part.state, part.detail))

    @property
    def records(self) -> int:
        return self.house.insight.watches["bob"].standing().records

    async def until_records(self, count: int) -> None:
        async with asyncio.timeout(WITHIN_S):
            while self.records < count:  # noqa: ASYNC110 nothing is told of a count
                await asyncio.sleep(0.01)

    async def until_state(self, state: str, *, times: int = 1) -> None:
        async with asyncio.timeout(WITHIN_S):
            while [one for one, _ in self.states].count(state) < times:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def until_committed(house: House, content: bytes) -> None:
    async with asyncio.timeout(WITHIN_S):
        while [each.offset for each in await house._store.checkpoints("bob")] != [len(content)]:  # noqa: SLF001, ASYNC110
            await asyncio.sleep(0.01)


def append(folder: Path, *lines: str) -> None:
    with (folder / "bob.log").open("a") as log:
        log.write("".join(f"{line}\n" for line in lines))


async def test_partner_that_dies_is_started_again_and_nothing_is_lost_or_told_twice(tmp_path: Path) -> None:
    append(tmp_path, "ERROR one")
    async with a_house(await configuration(tmp_path, a_tail(tmp_path))) as house:
        watched = Watched(house)
        await house.start()
        await watched.until_records(1)
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        await watched.until_state(PartState.BACKOFF)
        append(tmp_path, "fine", "ERROR two")
        await watched.until_records(2)
        await watched.until_state(PartState.RUNNING, times=2)
        records = watched.records

    assert (records, watched.states[:4]) == (
        2,
        [
            (PartState.STARTING, ""),
            (PartState.RUNNING, ""),
            (PartState.BACKOFF, "sh ended with exit status -9"),
            (PartState.STARTING, "sh ended with exit status -9"),
        ],
    )


async def test_log_goes_on_where_it_was_after_a_restart_of_the_daemon(tmp_path: Path) -> None:
    append(tmp_path, "ERROR one")
    counts: list[int] = []
    for line in ("ERROR two", "ERROR three"):
        async with a_house(await configuration(tmp_path, a_tail(tmp_path))) as house:
            await house.start()
            append(tmp_path, line)
            await until_committed(house, (tmp_path / "bob.log").read_bytes())
            counts.append(Watched(house).records)

    assert counts == [2, 1]


@pytest.mark.parametrize(("language", "words"), [("en", "not on this machine"), ("zh", "不在本机")])
async def test_end_of_a_log_that_is_elsewhere_cannot_be_shown(tmp_path: Path, language: str, words: str) -> None:
    async with a_house(await configuration(tmp_path, "[sleep, '60']", language=language)) as house:
        with pytest.raises(CommandError, match=words):
            await house._tail("bob", 1000)  # noqa: SLF001 - what ctx.log_tail calls


async def test_command_is_shown_as_one(tmp_path: Path) -> None:
    async with a_house(await configuration(tmp_path, "[sleep, '60']")) as house:
        house.parts.set("source", "bob", PartState.RUNNING)

        assert [source.kind for source in house.insight.snapshot().sources] == ["command"]


@pytest.mark.parametrize(("name", "value"), [("SSH_AUTH_SOCK", "/tmp/agent"), ("OPSBOT_PAIR_KEY", "")])
async def test_command_of_a_source_gets_the_agent_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, "/tmp/agent")
    chosen = await configuration(tmp_path, f"[sh, -c, 'echo $${name}; sleep 60']")
    rules = [Rule.every_line()]
    async with await make_source("bob", chosen, rules, (), ProcessRunner(os.environ), SystemClock(), OwnFiles()) as source:
        batch = await anext(source.batches())

    assert [record.text for record in batch.records] == [value]


async def test_traceback_that_a_command_prints_is_one_record(tmp_path: Path) -> None:
    append(tmp_path, "Traceback (most recent call last):", "  at x", "KeyError: y")
    chosen = await configuration(tmp_path, f"[sh, -c, 'cat {tmp_path}/bob.log; sleep 60'], multiline: python")
    rules = [Rule("(?s)Trace.*Key")]
    async with await make_source("bob", chosen, rules, (), ProcessRunner(os.environ), SystemClock(), OwnFiles()) as source:
        batch = await anext(source.batches())

    assert [record.text for record in batch.records] == ["Traceback (most recent call last):\n  at x\nKeyError: y"]


async def test_doctor_finds_the_program_of_a_command(tmp_path: Path) -> None:
    finding = await finding_about_bob(await configuration(tmp_path, "[sh, -c, x]"))

    assert (finding.level, finding.text.partition(";")[0]) == (Level.OK, shutil.which("sh"))


async def test_doctor_misses_the_program_of_a_command(tmp_path: Path) -> None:
    finding = await finding_about_bob(await configuration(tmp_path, "[opsbot-no-such-program, s3cret]"))

    assert (finding.level, finding.text) == (Level.FAIL, "opsbot-no-such-program is not installed")
