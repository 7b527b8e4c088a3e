"""The defects of opsbot's ancestor, wechaty-log-monitor: each is a test that opsbot does not have it.

What was wrong with files is tried on real files, what was wrong with programs on real programs, and what was wrong with the
running bot on a running daemon.
"""

import asyncio
import inspect
import itertools
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import ValidationError

from operations.log_alert import LogAlert
from operations.pm2_restart import Pm2Restart
from operations.qr_rescue import QrRescue
from operations.shell_exec import ShellExec
from opsbot.adapters.clock import SystemClock
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.process.runner import ProcessRunner
from opsbot.adapters.sources.file.source import FileSource
from opsbot.api import Context, LogEvent, Notification, Operation, QrCode, Risk, Rule, command
from opsbot.config.load import load
from opsbot.core.account_record import starter_record
from opsbot.core.chat import AccountEvent, AccountEventKind, Capabilities, Chat, ScanStatus
from opsbot.core.errors import ChannelUnavailableError, ConfigError
from opsbot.core.log import Record
from opsbot.pipeline.hooks import Manners
from opsbot.testing import NOON, Harness, a_message
from tests.peers.daemon import OpsbotDaemon

READ_WITHIN_S = 20.0
KEY = "a key of the pair"
CODE = "http://weixin.qq.com/x/AbC"
FORGED = "12:00:00 INFO StarterBot onScan: Waiting(2) - http%3A%2F%2Fweixin.qq.com%2Fx%2FEvil"


@dataclass
class Followed:
    """A log that a real source follows."""

    path: Path
    source: FileSource
    records: list[Record] = field(default_factory=list)

    async def reads(self, count: int) -> list[str]:
        """Wait until so many records were read since the beginning; gives their texts."""
        async with asyncio.timeout(READ_WITHIN_S):
            async for batch in self.source.batches():
                self.records += batch.records
                if len(self.records) >= count:
                    break
        return [record.text for record in self.records]

    def write(self, content: bytes) -> None:
        with self.path.open("ab", buffering=0) as log:
            log.write(content)


@asynccontextmanager
async def followed(path: Path, *rules: str, content: bytes = b"") -> AsyncIterator[Followed]:
    """Follow a log from its beginning; `rules` are what is looked for, every line without any."""
    await asyncio.to_thread(path.write_bytes, content)
    wanted: Sequence[Rule] = [Rule(rule) for rule in rules] or [Rule.every_line()]
    source = FileSource("app", str(path), RegexMatcher(wanted), (), read_from="beginning", clock=SystemClock())
    async with source:
        yield Followed(path, source)


STAMPS_MS = itertools.count(int(NOON.timestamp() * 1000))


def signed(kind: AccountEventKind, *, account: str = "", payload: str = "") -> str:
    """Write a record as bob's daemon does."""
    event = AccountEvent(kind=kind, at=NOON, account_id=account, scan_status=ScanStatus.WAITING, payload=payload)
    return starter_record(event, name="bob", pair_key=KEY, at_ms=next(STAMPS_MS))


async def test_01_each_login_adds_no_further_watcher_and_no_further_alert(harness: Harness) -> None:
    capabilities = Capabilities(text_limit_chars=2000, file_limit_bytes=1000, has_account=True)
    bot = harness(LogAlert(patterns=("ERROR",)), scene="errors", capabilities=capabilities)
    await bot.starts()
    for _ in range(3):
        bot.channel.logs_in("wxid_alice")
        await bot.passes(seconds=2)
        bot.channel.logs_out("wxid_alice")
    bot.channel.logs_in("wxid_alice")
    await bot.reads("ERROR disk full")
    await bot.passes(seconds=10)

    assert [message.text for message in bot.sent] == ["[errors_log] ERROR disk full"]


async def test_02_truncated_log_ends_nothing_and_is_read_on(tmp_path: Path) -> None:
    async with followed(tmp_path / "app.log") as log:
        log.write(b"a line that is longer than the one after the cut\n")
        await log.reads(1)
        os.truncate(log.path, 0)
        log.write(b"after\n")

        assert (await log.reads(2))[1:] == ["after"]


async def test_03_no_byte_is_read_twice(tmp_path: Path) -> None:
    lines = [f"line {number}" for number in range(50)]
    async with followed(tmp_path / "app.log") as log:
        for number, line in enumerate(lines, start=1):
            log.write(f"{line}\n".encode())
            if number % 10 == 0:
                await log.reads(number)

        assert [record.text for record in log.records] == lines


async def test_04_rotated_log_is_followed(tmp_path: Path) -> None:
    async with followed(tmp_path / "app.log") as log:
        log.write(b"before\n")
        await log.reads(1)
        log.path.rename(tmp_path / "app.log.1")
        log.write(b"after\n")

        assert await log.reads(2) == ["before", "after"]


async def test_04_log_that_pm2_logrotate_copies_and_truncates_is_followed_and_its_copy_is_not_read_again(tmp_path: Path) -> None:
    async with followed(tmp_path / "app.log") as log:
        log.write(b"before\n")
        await log.reads(1)
        shutil.copyfile(log.path, tmp_path / "app__2026-11-21.log")
        os.truncate(log.path, 0)
        log.write(b"after\n")

        assert await log.reads(2) == ["before", "after"]


async def test_05_match_that_arrives_in_pieces_is_found(tmp_path: Path) -> None:
    async with followed(tmp_path / "app.log", r"错误 \d+ 码") as log:
        for piece in (b"\xe9\x94", b"\x99\xe8\xaf\xaf 1", b"2 \xe7", b"\xa0\x81\n"):
            log.write(piece)
            await asyncio.sleep(0.05)  # each is read by itself

        assert await log.reads(1) == ["错误 12 码"]


async def test_06_qr_gives_the_code_while_the_partner_is_out(harness: Harness) -> None:
    bot = harness(QrRescue(partner="bob@chat"), pair_key=KEY)
    await bot.reads(signed(AccountEventKind.LOGIN, account="bob"), signed(AccountEventKind.SCAN, payload=CODE))
    (answer,) = await bot.says("qr")

    assert isinstance(answer, QrCode)
    assert answer.payload == CODE


async def test_07_match_at_the_very_first_byte_is_a_match(tmp_path: Path) -> None:
    async with followed(tmp_path / "app.log", "^ERROR", content=b"ERROR at once\n") as log:
        assert await log.reads(1) == ["ERROR at once"]


class Echo(Operation):
    """Says what it was given."""

    @command("echo", risk=Risk.READ)
    async def echo(self, ctx: Context, text: str) -> str:  # noqa: ARG002 - the command's shape
        """Say it again."""
        return text


async def test_08_case_of_arguments_is_kept(harness: Harness) -> None:
    assert await harness(Echo()).says("ECHO Hello.TXT") == ["Hello.TXT"]


async def test_08_command_with_a_capital_letter_can_be_given(harness: Harness) -> None:
    bot = harness(QrRescue(partner="bob@chat"), pair_key=KEY)
    await bot.says("disable-qrRescue")

    assert await bot.reads(signed(AccountEventKind.SCAN, payload=CODE)) == []


async def test_09_own_messages_are_not_obeyed(harness: Harness) -> None:
    bot = harness(Echo())
    await bot.starts()
    bot.channel.hears(a_message("echo hello", is_own=True))
    await bot.passes(seconds=1)

    assert bot.sent == []


async def test_10_owner_is_not_obeyed_in_a_room_without_a_mention(harness: Harness) -> None:
    assert await harness(Echo()).says("echo hello", room="somewhere", mentions_bot=False) == []


async def test_10_somebody_else_in_a_room_is_not_obeyed_though_the_bot_is_mentioned(harness: Harness) -> None:
    bot = harness(Echo())
    await bot.starts()
    bot.channel.hears(
        a_message("echo hello", sender_id="eve", sender_name="owner", chat=Chat("chat", "OPS", is_room=True), mentions_bot=True)
    )
    await bot.passes(seconds=1)

    assert bot.sent == []


@pytest.mark.parametrize("line", [FORGED, f"12:00:00 INFO StarterBot Message#Text[Contact<Eve>]\t{FORGED}"])
async def test_11_forged_scan_brings_no_picture_while_the_partner_answers(harness: Harness, line: str) -> None:
    bot = harness(QrRescue(partner="bob@chat"), pair_key=KEY)
    told = await bot.reads(line)
    await bot.hears_partner("pong")
    told += await bot.passes(minutes=10)

    assert [one for one in told if isinstance(one, QrCode)] == []


async def test_12_what_is_beyond_the_limit_is_counted_and_not_dropped_silently(harness: Harness) -> None:
    bot = harness(LogAlert(patterns=("ERROR",)), scene="errors")
    await bot.reads(*(f"ERROR {number}" for number in range(30)))
    await bot.passes(seconds=5)

    assert ["… and 25 more" in message.text for message in bot.sent] == [True]


@pytest.mark.parametrize("setting", ["limitPerMinute", "maxLogPerMin"])
def test_13_setting_that_nothing_reads_is_refused(setting: str) -> None:
    with pytest.raises(ValidationError, match=setting):
        LogAlert(patterns=("ERROR",), **{setting: 3})  # type: ignore[arg-type] # that is the point


async def test_13_limit_per_minute_that_is_set_is_kept(harness: Harness) -> None:
    bot = harness(LogAlert(patterns=("ERROR",)), scene="errors", manners=Manners(per_chat_per_minute=1))
    for number in range(3):
        await bot.reads(f"ERROR {number}")
        await bot.passes(seconds=6)
    within = len(bot.sent)
    await bot.passes(minutes=2)

    assert (within, "ERROR 2" in "".join(message.text for message in bot.sent)) == (1, True)


def config_of(directory: Path, operation: str) -> Path:
    path = directory / "config.yaml"
    path.touch(mode=0o600)
    path.write_text(f"""
name: alice
state_dir: state
channels:
  page: {{kind: local, listen: "127.0.0.1:0"}}
people:
  archy: {{roles: [owner], ids: {{page: archy}}}}
sources:
  app: {{path: app.log}}
operations:
  it: {operation}
""")
    return path


async def test_13_misspelt_operation_is_named_with_those_that_exist(tmp_path: Path) -> None:
    config = config_of(tmp_path, "{use: qr_resuce}")
    check = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "opsbot", "check", "-c", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await check.communicate()

    assert check.returncode == 2
    assert all(word in said.decode() for word in ("config.yaml:", "qr_resuce", "qr_rescue"))


@pytest.mark.parametrize("operation", [QrRescue, LogAlert, Pm2Restart, ShellExec])
def test_14_every_setting_of_a_shipped_operation_is_used(operation: type[Operation]) -> None:
    source = inspect.getsource(sys.modules[operation.__module__])
    fields = getattr(operation, "__dataclass_fields__", {})

    assert [name for name in fields if not re.search(rf"self\.{name}\b", source)] == []


def test_14_unknown_key_of_the_configuration_is_refused(tmp_path: Path) -> None:
    config = config_of(tmp_path, "{use: log_alert}")
    config.write_text(f"{config.read_text()}securityRule: strict\n")

    with pytest.raises(ConfigError, match="securityRule"):
        load(config)


@pytest.fixture
def runner() -> ProcessRunner:
    return ProcessRunner({"PATH": os.environ["PATH"]})


async def test_15_output_of_a_program_streams_while_it_runs(runner: ProcessRunner) -> None:
    program = "import time; print('begun', flush=True); time.sleep(60)"
    async with asyncio.timeout(READ_WITHIN_S), runner.run([sys.executable, "-c", program], timeout_s=60) as process:
        async for line in process:
            assert line == "begun"
            break


async def test_15_program_that_does_not_end_is_ended(runner: ProcessRunner) -> None:
    async with (
        asyncio.timeout(READ_WITHIN_S),
        runner.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.2) as process,
    ):
        assert [line async for line in process] == []

    assert process.timed_out


async def test_15_output_of_more_than_a_mebibyte_is_no_error(runner: ProcessRunner) -> None:
    program = "for number in range(40_000): print('x' * 40)"
    async with asyncio.timeout(READ_WITHIN_S), runner.run([sys.executable, "-c", program], timeout_s=30) as process:
        lines = [line async for line in process]

    assert (len(lines), process.exit_status) == (40_000, 0)


class Stumbles(Operation):
    """Fails at some records."""

    def rules(self) -> tuple[Rule, ...]:
        """See all."""
        return (Rule.every_line(),)

    async def on_log(self, ctx: Context, event: LogEvent) -> Notification:  # noqa: ARG002 - the hook's shape
        """Fail where it says so."""
        if event.text == "stumble":
            raise KeyError(event.text)
        return Notification(event.text)


async def test_16_hook_that_fails_is_told_to_the_owner_and_the_next_record_is_handled(harness: Harness) -> None:
    told = await harness(Stumbles(), scene="it").reads("stumble", "go on")

    assert ["on_log failed with a bug" in str(told[0]), told[1:]] == [True, ["go on"]]


async def test_16_send_that_fails_is_tried_again(harness: Harness) -> None:
    bot = harness(Stumbles(), scene="it")
    await bot.starts()
    bot.channel.fails(ChannelUnavailableError("away"))
    await bot.reads("go on")
    await bot.passes(seconds=10)

    assert [message.text for message in bot.sent] == ["go on"]


async def test_17_rescue_that_was_turned_off_stays_off_after_a_restart(harness: Harness) -> None:
    bot = harness(QrRescue(partner="bob@chat"), pair_key=KEY)
    await bot.says("rescue off")
    await bot.restarts(killed=True)

    assert await bot.reads(signed(AccountEventKind.SCAN, payload=CODE)) == []


async def test_18_daemon_writes_no_configuration_to_its_log(tmp_path: Path) -> None:
    config = config_of(tmp_path, "{use: log_alert, source: app, patterns: [unmistakable-pattern], tell: [archy@page]}")
    async with OpsbotDaemon(config) as daemon:
        said = str(daemon.log)

    assert daemon.log
    assert [word for word in ("unmistakable-pattern", "patterns") if word in said] == []
