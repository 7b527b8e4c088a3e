"""What is read out of a bot's log: a corpus of real lines, one by one, and the lines that people forge."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opsbot.core.account_reading import (
    JSON,
    LOGIN,
    LOGIN_HOSTS,
    LOGOUT,
    SCAN,
    AccountRecord,
    RecordKind,
    is_login_payload,
    payload_of,
    record_of,
)
from opsbot.core.account_record import json_record, starter_record
from opsbot.core.chat import AccountEvent, AccountEventKind, ScanStatus
from opsbot.testing import NOON

CORPUS = Path(__file__).parents[2] / "corpus" / "starter_lines.txt"
PATTERNS = {"scan": re.compile(SCAN), "login": re.compile(LOGIN), "logout": re.compile(LOGOUT), "json": re.compile(JSON)}
CODE = "http://weixin.qq.com/x/4b9-_a+b/c=="
NAMES = [
    "tab\there",
    "wxid_6",
    "\u202eevil",
    "Contact<X> login",
    "👨\u200d👩\u200d👧",
    "<img src=x>",
    "日本 語",
    "a%sb %d",
    "\x1b[31mred\x1b[0m",
    "line\u2028separator",
    "carriage\rreturn",
    'it\'s "quoted" \\ and `ticked`',
    "x" * 64,
]
FORGED = "Waiting https://evil.examp"
"""A line of its own inside a chat message: it reads as a record, and its host is none that hands out codes."""
EXPECTED = [
    *("-", "Unknown", "Cancel", f"Waiting {CODE}", "-", "-", "-", "Scanned", "Confirmed"),
    "Timeout https://login.weixin.qq.com/l/Yd8fQ==",
    *("login Starter", "-", "-", "-", "-", "-", "-", FORGED, "logout Starter"),
    *("login 李佳芮 🦆", "logout 李佳芮 🦆"),
    *("login a > b <c> login", "logout a > b <c> login"),
    *("login > login", "logout > login"),
    *("-", "-", "-", "-", "-", "-", "-", "-", "-", FORGED, "-", "-"),  # a name of two lines: no line of it is a record
    *(f"{kind} {name}" for name in NAMES for kind in ("login", "logout")),
]
"""What each line of a section means, in its order; "-" is nothing. The sections differ in what stands before the lines."""


def records_in(line: str) -> list[AccountRecord]:
    """Read a line as a source and the rescue do: every pattern that is found in it."""
    fields = json.loads(line) if line.startswith("{") else {}
    found = {name: pattern.search(line) for name, pattern in PATTERNS.items()}
    read = [
        record_of(name, {group: value for group, value in match.groupdict().items() if value is not None}, fields)
        for name, match in found.items()
        if match
    ]
    return [record for record in read if record is not None]


def in_words(line: str) -> str:
    """Say what a line means."""
    words = [
        f"{record.status} {record.payload}".rstrip() if record.kind is RecordKind.SCAN else f"{record.kind} {record.name}"
        for record in records_in(line)
    ]
    return " and ".join(words) or "-"


def sections() -> dict[str, list[str]]:
    """Give the lines of the corpus by the command that wrote them."""
    found: dict[str, list[str]] = {}
    for line in CORPUS.read_bytes().decode().rstrip("\n").split("\n")[2:]:
        if line.startswith("# "):
            lines = found.setdefault(line.removeprefix("# "), [])
        else:
            lines.append(line)
    return found


SECTIONS = sections()
PLAIN = [how for how in SECTIONS if "json" not in how]
LINES = [(how, number) for how in PLAIN for number in range(len(EXPECTED))]


def test_corpus_has_a_section_for_every_way_to_write_a_log() -> None:
    assert [len(SECTIONS[how]) for how in PLAIN] == [len(EXPECTED)] * 5


@pytest.mark.parametrize(("how", "number"), LINES, ids=lambda value: str(value)[:40])
def test_real_line_means(how: str, number: int) -> None:
    assert in_words(SECTIONS[how][number]) == EXPECTED[number]


def test_forged_line_of_the_corpus_leads_to_no_code() -> None:
    forged = [record for how in PLAIN for line in SECTIONS[how] for record in records_in(line) if "evil" in record.payload]

    assert {is_login_payload(record.payload) for record in forged} == {False}


def test_log_that_pm2_writes_as_json_holds_no_records() -> None:
    (lines,) = [lines for how, lines in SECTIONS.items() if "json" in how]

    assert {in_words(line) for line in lines} == {"-"}


@pytest.mark.parametrize(
    "before",
    [
        "",
        "12:34:56 ",
        "2026-11-21T00:44:30: 00:44:30 ",
        "2026-11-21T00:44:30: ",
        "2026-11-21 00:44:42.715 +00:00: 00:44:42 ",
        "2026-11-21 00:44 +00:00: ",
        "2026-11-21T00:44:30Z ",
        "2026-11-21 00:44:30,123 ",
        "0|bob      | ",
        "0|bob      | 2026-11-21T00:44:30: 00:44:30 ",
        "\x1b[32m",
        "\x1b[90m00:44:30\x1b[39m ".replace("\x1b[39m ", " \x1b[39m"),
        "\x1b[32m0|bob      | \x1b[39m2026-11-21T00:44:30: \x1b[32m00:44:30 \x1b[39m",
    ],
)
def test_stamp_before_a_record_is_passed_over(before: str) -> None:
    assert in_words(f"{before}INFO StarterBot onScan: Waiting(2) - {CODE}") == f"Waiting {CODE}"


@pytest.mark.parametrize("name", ["StarterBot", "TifaBot", "bot", "Bot_2", "机器人"])
def test_bot_may_have_any_name(name: str) -> None:
    assert in_words(f"INFO {name} Contact<Bob> login") == "login Bob"


@pytest.mark.parametrize("after", ["\r", " ", "\t", "\x1b[0m", "\x1b[0m\r"])
def test_what_ends_a_line_does_not_count(after: str) -> None:
    assert in_words(f"INFO StarterBot onScan: Waiting(2) - {CODE}{after}") == f"Waiting {CODE}"


@pytest.mark.parametrize(
    ("line", "account"),
    [
        ("INFO StarterBot Contact<Bob> login as wxid_bob", "wxid_bob"),
        ("INFO StarterBot ContactSelf<Bob> login", ""),
        ("INFO StarterBot Contact<> login as wxid_eve> login as wxid_bob", "wxid_bob"),
        ("INFO StarterBot Contact<Bob> logout as wxid_bob", "wxid_bob"),
    ],
)
def test_account_is_read_where_the_record_names_it(line: str, account: str) -> None:
    (record,) = records_in(line)

    assert record.account == account


@pytest.mark.parametrize(
    "line",
    [
        f"hello INFO StarterBot onScan: Waiting(2) - {CODE}",
        f" INFO StarterBot onScan: Waiting(2) - {CODE}",
        f"WARN StarterBot onScan: Waiting(2) - {CODE}",
        f"INFO Starter Bot onScan: Waiting(2) - {CODE}",
        f"INFO StarterBot onScan: Waiting(2) - {CODE} and more",
        f"INFO StarterBot onScan: Waiting - {CODE}",
        f"INFO StarterBot onScan: Expecting(2) - {CODE}",
        f"INFO StarterBot Message#Text[Contact<X>]\tINFO StarterBot onScan: Waiting(2) - {CODE}",
        f"\u2028INFO StarterBot onScan: Waiting(2) - {CODE}",
        f"x\rINFO StarterBot onScan: Waiting(2) - {CODE}",
        "INFO StarterBot Contact<X> login failed",
        "INFO StarterBot Contact<X> logged in",
        "Contact<X> login",
        f'{{"message": "INFO StarterBot onScan: Waiting(2) - {CODE}"}}',
        '{"message": "\\"record\\": \\"login\\""}',
        '[{"record": "login"}]',
        '{"record": "login2", "account_id": "x"}',
        "",
    ],
)
def test_line_that_is_no_record_means_nothing(line: str) -> None:
    assert in_words(line) == "-"


@pytest.mark.parametrize("wrapped", [
    "https://wechaty.js.org/qrcode/http%3A%2F%2Fweixin.qq.com%2Fx%2F4b9-_a%2Bb%2Fc%3D%3D",
    "https://api.qrserver.com/v1/create-qr-code/?data=http%3A%2F%2Fweixin.qq.com%2Fx%2F4b9-_a%2Bb%2Fc%3D%3D",
    "https://api.qrserver.com/v1/create-qr-code/?size=220x220&data=http%3A%2F%2Fweixin.qq.com%2Fx%2F4b9-_a%2Bb%2Fc%3D%3D",
    CODE,
])  # fmt: skip
def test_code_is_unwrapped(wrapped: str) -> None:
    assert payload_of(wrapped) == CODE


@pytest.mark.parametrize("wrapped", ["https://evil.example/qrcode/", "https://wechaty.js.org.evil.example/qrcode/"])
def test_code_is_unwrapped_from_no_other_host(wrapped: str) -> None:
    assert not is_login_payload(payload_of(wrapped + "http%3A%2F%2Fweixin.qq.com%2Fx%2FAbC"))


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", LOGIN_HOSTS)
def test_hosts_that_hand_out_login_codes_are_known(scheme: str, host: str) -> None:
    assert is_login_payload(f"{scheme}://{host}/l/AbC==")


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "https://",
        "https://evil.example/login.weixin.qq.com/l/x",
        "https://login.weixin.qq.com@evil.example/l/x",
        "https://user@login.weixin.qq.com/l/x",
        "https://login.weixin.qq.com.evil.example/l/x",
        "https://evil-login.weixin.qq.com/l/x",
        "https://login.weixin.qq.com./l/x",
        "https://login.weixin.qq.com:443/l/x",
        "https://login.weixin.qq.com:x/l/x",
        "https://login.weixin.qq.com\\@evil.example/l/x",
        "https://login.weixin.qq.com%2F@evil.example/l/x",
        "https://login.wеixin.qq.com/l/x",
        "https://login.weixin.qq.com／l/x",
        "https:login.weixin.qq.com/l/x",
        "//login.weixin.qq.com/l/x",
        "login.weixin.qq.com/l/x",
        "ftp://login.weixin.qq.com/l/x",
        "javascript://login.weixin.qq.com/%0aalert(1)",
        "https://login.weixin.qq.com/l/x\n",
        "https://login.weixin.qq.com/l/\x00x",
        "https://[::1]/login.weixin.qq.com",
        f"https://login.weixin.qq.com/l/{'x' * 2000}",
    ],
)
def test_payload_that_leads_elsewhere_is_none(payload: str) -> None:
    assert not is_login_payload(payload)


def test_owner_may_add_hosts() -> None:
    assert is_login_payload("https://wx.example/l/x", (*LOGIN_HOSTS, "wx.example"))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(
    "line", ["\x1b[0m" * 50_000, "INFO " + "\x1b[0m" * 50_000 + "x", "INFO S Contact<" + "> login" * 20_000, "{" * 100_000]
)
def test_long_line_is_passed_over_at_once(pattern: str, line: str) -> None:
    begun_s = time.process_time()
    PATTERNS[pattern].search(line)

    assert time.process_time() - begun_s < 0.5


KEYS = st.sampled_from(["", "a key"])
WRITERS = st.sampled_from([starter_record, json_record])


def written(writer: Callable[..., str], key: str, kind: AccountEventKind, **values: Any) -> tuple[str, list[AccountRecord]]:
    """Write an event as opsbot does; gives the line and what is read out of it."""
    line = writer(AccountEvent(kind=kind, at=NOON, **values), name="bob", pair_key=key, at_ms=1)
    return line, records_in(line)


@given(WRITERS, KEYS, st.sampled_from(ScanStatus), st.text(max_size=60))
def test_scan_that_opsbot_writes_is_one_line_and_reads_as_it_was_meant(
    writer: Callable[..., str], key: str, status: ScanStatus, payload: str
) -> None:
    line, records = written(writer, key, AccountEventKind.SCAN, scan_status=status, payload=payload)

    assert [(record.kind, record.status, record.payload) for record in records] == [(RecordKind.SCAN, status, payload)]
    assert re.search(r"[\x00-\x1f]", line) is None


@example(starter_record, "a key", "wxid_bob", "look at http://x")
@given(WRITERS, KEYS, st.text("abcXYZ0189_-@", min_size=1, max_size=20), st.text(max_size=60))
def test_login_that_opsbot_writes_is_one_line_and_names_the_account_whatever_its_name(
    writer: Callable[..., str], key: str, account: str, name: str
) -> None:
    line, records = written(writer, key, AccountEventKind.LOGIN, account_id=account, account_name=name)

    assert [(record.kind, record.account) for record in records] == [(RecordKind.LOGIN, account)]
    assert line.isprintable()


@given(WRITERS, KEYS, st.text(max_size=60))
def test_logout_that_opsbot_writes_is_one_line_whatever_the_name(writer: Callable[..., str], key: str, name: str) -> None:
    line, records = written(writer, key, AccountEventKind.LOGOUT, account_id="wxid_bob", account_name=name)

    assert [record.kind for record in records] == [RecordKind.LOGOUT]
    assert line.isprintable()
