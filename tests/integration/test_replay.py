"""`opsbot replay` on the shipped operations: the real pipeline over a file; nobody is told."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result

from opsbot.cli import opsbot
from opsbot.cli.replay import replay
from opsbot.core.account_record import starter_record
from opsbot.core.chat import AccountEvent, AccountEventKind, ScanStatus
from opsbot.core.errors import ConfigError
from tests.integration.followed_log import append

CONFIG = """
name: alice
state_dir: state
pair_key: pair-key-of-the-test
channels:
  page: {kind: local, listen: 127.0.0.1:0}
  phone: {kind: apprise, url: "ntfy://topic-secret"}
people:
  archy: {roles: [owner], ids: {page: archy}}
  bob: {roles: [bot], ids: {page: wxid_bob}}
rooms: {OPS: {page: ops}}
sources: {bob: {path: bob.log}}
operation_dirs: [operations]
operations:
  errors: {use: log_alert, source: bob, patterns: ['ERROR'], tell: ["room:OPS@page"], fallback: [archy@phone]}
  rescue: {use: qr_rescue, source: bob, partner: bob@page, tell: [archy@page]}
  restart: {use: pm2_restart, process: bob}
  starts: {use: starts, source: bob, tell: [archy@page]}
"""
STARTS = '''
"""Runs a program when it starts, and has a bug."""

from opsbot.api import Context, CommandError, LogEvent, Notification, Operation, Rule


class Starts(Operation):
    """Runs a program when it starts."""

    def rules(self):
        """See what is wrong."""
        return [Rule("wrong")]

    async def on_start(self, ctx: Context):
        """Ask a program."""
        try:
            await ctx.run("uptime", "--pretty").lines()
        except CommandError as exc:
            return Notification(f"no answer: {exc}")

    async def on_log(self, ctx: Context, event: LogEvent):
        """Fail."""
        raise ZeroDivisionError
'''
CODE = "http://weixin.qq.com/x/AbCdEf"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "operations").mkdir()
    (tmp_path / "operations" / "starts.py").write_text(STARTS)
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "old.log"


def replayed(config: Path, scene: str, log: Path) -> Result:
    outcome = CliRunner().invoke(replay, ["-c", str(config), scene, str(log)])
    if isinstance(outcome.exception, ConfigError):
        raise outcome.exception
    assert outcome.exception is None, outcome.exception
    return outcome


def said(config: Path, scene: str, log: Path) -> list[str]:
    return replayed(config, scene, log).stdout.splitlines()


def test_each_message_stands_below_its_record_with_those_who_would_be_told(config: Path, log: Path) -> None:
    append(log, "INFO fine", "ERROR 磁盘", "INFO fine")

    assert said(config, "errors", log) == [
        f"{log}:2: ERROR 磁盘",
        "    important to room:OPS@page; if nobody is reached: archy@phone",
        "      [bob] ERROR 磁盘",
        "records found by the rules of errors: 1; messages: 1",
    ]


def test_compressed_log_is_replayed_too(config: Path, log: Path) -> None:
    compressed = log.with_name("old.log.1.gz")
    compressed.write_bytes(gzip.compress(b"INFO fine\nERROR half"))

    assert said(config, "errors", compressed)[0] == f"{compressed}:2: ERROR half"


def causes(config: Path, log: Path) -> list[str]:
    return [line.removeprefix(f"{log}:") for line in said(config, "errors", log) if line.startswith(str(log))]


def test_record_of_several_lines_stands_at_its_first_line(config: Path, log: Path) -> None:
    config.write_text(CONFIG.replace("bob.log}", "bob.log, multiline: python}"))
    trace = ["Traceback (most recent call last):", "  File x", "ERROR: y"]
    append(log, "fine", "", "go", *trace, "fine", "fine", *trace)

    found = [line for line in causes(config, log) if line[0].isdigit()]

    assert found == ["3: go", "8: fine"]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_lines_of_utf_16_are_counted_as_such(config: Path, log: Path, codec: str) -> None:
    config.write_text(CONFIG.replace("bob.log}", "bob.log, encoding: utf-16}"))
    log.write_bytes("\ufeff\u0a0a\n\u000d\u0a00一\nERROR\nERROR".encode(codec))

    assert causes(config, log) == ["3: ERROR", "4: ERROR"]


def test_lines_are_counted_over_many_batches(config: Path, log: Path) -> None:
    append(log, *(f"{'ERROR' if number % 10 == 0 else 'x' * 3000} {number}" for number in range(1, 2001)))

    assert causes(config, log) == [f"{number}: ERROR {number}" for number in range(10, 2001, 10)]


def test_nothing_is_written_but_what_is_printed(config: Path, log: Path, tmp_path: Path) -> None:
    append(log, "ERROR disk")
    before = sorted(tmp_path.rglob("*"))
    said(config, "errors", log)

    assert [path for path in sorted(tmp_path.rglob("*")) if "__pycache__" not in path.parts] == before


def test_secrets_are_masked_in_the_record_too(config: Path, log: Path) -> None:
    append(log, "ERROR for ntfy://topic-secret")

    assert "topic-secret" not in "\n".join(said(config, "errors", log)).replace(str(log), "")


def test_code_that_nobody_signed_goes_out_once_the_partner_has_not_answered(config: Path, log: Path) -> None:
    append(log, f"INFO StarterBot onScan: Waiting(2) - https://wechaty.js.org/qrcode/{quote(CODE, safe='')}")
    lines = said(config, "rescue", log)
    asked, told = lines.index("    urgent to bob@page"), lines.index("      [qr.png]")

    assert lines[asked + 1] == "      #ping"
    assert lines[asked + 2] == "a timer of the scene"
    assert asked < told
    assert CODE not in "\n".join(lines[asked:])


def test_records_that_the_partner_signed_are_believed_however_old_they_are(config: Path, log: Path) -> None:
    began_at = datetime(2024, 2, 29, tzinfo=UTC)
    for seconds, event in enumerate(
        [
            AccountEvent(kind=AccountEventKind.LOGOUT, at=began_at, account_name="bob"),
            AccountEvent(kind=AccountEventKind.SCAN, at=began_at, scan_status=ScanStatus.WAITING, payload=CODE),
            AccountEvent(kind=AccountEventKind.LOGIN, at=began_at, account_name="bob", account_id="wxid_bob"),
        ]
    ):
        at = began_at + timedelta(seconds=seconds)
        append(log, starter_record(event, name="bob", pair_key="pair-key-of-the-test", at_ms=int(at.timestamp() * 1000)))
    lines = said(config, "rescue", log)

    assert "      bob@page: is out; the login code follows." in lines
    assert "      [qr.png]" in lines
    assert "      bob@page: is back." in lines
    assert lines[-1].startswith("records found by the rules of rescue: 3;")


def test_program_is_shown_and_cannot_be_started_and_a_bug_is_what_the_owners_would_read(config: Path, log: Path) -> None:
    append(log, "something is wrong")
    lines = said(config, "starts", log)

    assert lines[:4] == [
        "at the start",
        "    would run: uptime --pretty",
        "    normal to archy@page",
        "      no answer: uptime is not run: this is a replay",
    ]
    assert lines[4:7] == [
        f"{log}:1: something is wrong",
        "    urgent to archy@page",
        "      Scene starts: on_log failed with a bug (ZeroDivisionError); the host's log has it.",
    ]


@pytest.mark.parametrize(
    ("scene", "name", "reason"),
    [
        ("nothing", "old.log", "there is no scene nothing; that read logs: errors, rescue, starts"),
        ("restart", "old.log", "reads no log"),
        ("errors", "none.log", "No such file"),
        ("errors", "text.gz", "[Nn]ot a gzip"),
    ],
)
def test_what_cannot_be_replayed_is_said(config: Path, log: Path, scene: str, name: str, reason: str) -> None:
    append(log, "ERROR")
    append(log.with_name("text.gz"), "ERROR")
    with pytest.raises(ConfigError, match=reason):
        replayed(config, scene, log.with_name(name))


def test_command_is_listed() -> None:
    assert "replay" in CliRunner().invoke(opsbot, ["--help"]).output
