"""A partner's log through the real `opsbot tail --json`, with a shell in the place of ssh."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.process.runner import ProcessRunner
from opsbot.adapters.sources.command.source import CommandSource
from opsbot.cli import COMMANDS
from opsbot.core.errors import SourceUnavailableError
from opsbot.core.log import Batch, Checkpoint, Rule

pytestmark = [pytest.mark.e2e, pytest.mark.skipif("tail" not in COMMANDS, reason="this version has no opsbot tail")]

ROOT = Path(__file__).parents[2]
WITHIN_S = 60.0


class Partner:
    """Another machine: its logs, its opsbot, and whoever cuts the line to it."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "bob.log"
        self._pid = folder / "pid"
        self.committed: dict[tuple[int, int], Checkpoint] = {}
        self.heard: list[str] = []
        self.reason = ""

    def writes(self, *lines: str) -> None:
        with self.log.open("a") as log:
            log.write("".join(f"{line}\n" for line in lines))

    def rotates(self) -> None:
        self.log.rename(self.log.with_name("bob.log.1"))
        self.log.touch()

    def cut(self) -> None:
        os.kill(int(self._pid.read_text()), signal.SIGKILL)

    def source(self, *options: str, rules: Sequence[Rule] = (Rule.every_line(),)) -> CommandSource:
        tail = f"{sys.executable} -m opsbot tail --json {' '.join(options)} '{self.log}'"
        argv = ["sh", "-c", f"echo Welcome; echo $$ >'{self._pid}'; cd '{ROOT}'; exec {tail}"]
        checkpoints = tuple(self.committed.values())
        runner = ProcessRunner(os.environ)
        return CommandSource("bob", argv, RegexMatcher(rules), checkpoints, runner=runner, clock=SystemClock())

    def commit(self, batch: Batch) -> None:
        self.heard += [record.text for record in batch.records]
        for identity in batch.forgotten:
            self.committed.pop(identity, None)
        self.committed |= {(each.device, each.inode): each for each in batch.checkpoints}

    async def listen(self, source: CommandSource, until: str = "") -> None:
        """Listen and commit until a line came, or the line is cut."""
        try:
            async with asyncio.timeout(WITHIN_S), source:
                async for batch in source.batches():
                    self.commit(batch)
                    if until in self.heard:
                        return
        except SourceUnavailableError as exc:
            self.reason = str(exc)


@pytest.fixture
def partner(tmp_path: Path) -> Partner:
    return Partner(tmp_path)


async def test_log_goes_on_where_it_was_after_each_connection(partner: Partner) -> None:
    for number in range(3):
        partner.writes(f"one {number}", f"two {number}")
        await partner.listen(partner.source("--from-start"), until=f"two {number}")

    assert partner.heard == ["one 0", "two 0", "one 1", "two 1", "one 2", "two 2"]


async def test_nothing_is_lost_when_the_line_is_cut_and_the_log_is_rotated_meanwhile(partner: Partner) -> None:
    partner.writes("one")
    await partner.listen(partner.source("--from-start"), until="one")
    partner.writes("two")
    partner.rotates()
    partner.writes("three")
    await partner.listen(partner.source("--from-start"), until="three")

    assert partner.heard == ["one", "two", "three"]


async def test_remote_that_is_killed_is_gone_with_a_reason(partner: Partner) -> None:
    partner.writes("one")
    async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as group:
        listening = group.create_task(partner.listen(partner.source("--from-start")), name="listen:partner")
        while "one" not in partner.heard and not partner.reason:  # noqa: ASYNC110 the partner sets no Event
            await asyncio.sleep(0.01)
        partner.cut()
        await listening

    assert partner.reason.endswith("ended with exit status -9")


async def test_record_that_several_rules_of_the_remote_match_comes_once(partner: Partner) -> None:
    partner.writes("an ERROR", "fine", "an error and an ERROR")
    source = partner.source("--from-start", "-e", "ERROR", "-e", "an", rules=[Rule("ERR"), Rule("and")])
    await partner.listen(source, until="an error and an ERROR")

    assert partner.heard == ["an ERROR", "an error and an ERROR"]


async def test_record_of_several_lines_comes_whole(partner: Partner) -> None:
    partner.writes("Traceback (most recent call last):", "  at x", "KeyError: y", "end")
    rules = [Rule("(?s)Trace.*Key"), Rule("^end$")]
    await partner.listen(partner.source("--from-start", "--multiline", "python", rules=rules), until="end")

    assert partner.heard == ["Traceback (most recent call last):\n  at x\nKeyError: y", "end"]


async def test_remote_ends_when_nobody_listens_any_more(partner: Partner) -> None:
    partner.writes("one")
    source = partner.source("--from-start")
    await partner.listen(source, until="one")
    pid = int(partner._pid.read_text())  # noqa: SLF001

    assert partner.heard == ["one"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_remote_that_refuses_says_why(partner: Partner) -> None:
    await partner.listen(partner.source("-e", "'('"))

    assert ("exit status 2" in partner.reason, "unterminated subpattern" in partner.reason) == (True, True)
