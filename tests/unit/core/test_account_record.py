"""The records a bot writes for its partner, and whose signature is trusted."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.core.account_reading import record_of
from opsbot.core.account_record import Signed, json_record, one_line, starter_record, verify
from opsbot.core.chat import AccountEvent, AccountEventKind, ScanStatus
from opsbot.testing import NOON

KEY = "a pair key of some length"
AT_MS = int(NOON.timestamp() * 1000)
PAYLOAD = "http://weixin.qq.com/x/AbC"
LOGIN = AccountEvent(kind=AccountEventKind.LOGIN, at=NOON, account_id="wxid_bob", account_name="Bob")
LOGOUT = AccountEvent(kind=AccountEventKind.LOGOUT, at=NOON, account_id="wxid_bob", account_name="Bob")
SCAN = AccountEvent(kind=AccountEventKind.SCAN, at=NOON, scan_status=ScanStatus.WAITING, payload=PAYLOAD)
EMPTY_SCAN = replace(SCAN, payload="", scan_status=ScanStatus.CONFIRMED)
WRITERS = [starter_record, json_record]
EVENTS = [LOGIN, LOGOUT, SCAN, EMPTY_SCAN]


def written(writer: Any, event: AccountEvent = LOGIN, **changes: Any) -> str:
    values: dict[str, Any] = {"name": "bob", "pair_key": KEY, "at_ms": AT_MS}
    line: str = writer(event, **(values | changes))
    return line


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (LOGIN, "12:00:00 INFO StarterBot Contact<Bob> login as wxid_bob"),
        (replace(LOGIN, account_id=""), "12:00:00 INFO StarterBot Contact<Bob> login"),
        (replace(LOGIN, account_name=""), "12:00:00 INFO StarterBot Contact<wxid_bob> login as wxid_bob"),
        (LOGOUT, "12:00:00 INFO StarterBot Contact<Bob> logout"),
        (
            SCAN,
            "12:00:00 INFO StarterBot onScan: Waiting(2) - https://wechaty.js.org/qrcode/http%3A%2F%2Fweixin.qq.com%2Fx%2FAbC",
        ),
        (EMPTY_SCAN, "12:00:00 INFO StarterBot onScan: Confirmed(4)"),
        (replace(LOGIN, kind=AccountEventKind.READY), ""),
        (replace(LOGIN, kind=AccountEventKind.FRIEND_REQUEST), ""),
    ],
)
def test_records_are_the_classic_starter_lines(event: AccountEvent, line: str) -> None:
    assert written(starter_record, event, pair_key="") == line


def test_json_record_says_what_it_is() -> None:
    assert json.loads(written(json_record, SCAN, pair_key="")) == {
        "time": "2026-11-20T12:00:00.000+00:00",
        "bot": "bob",
        "record": "scan",
        "status": "Waiting",
        "payload": PAYLOAD,
    }


def test_json_record_of_no_business_of_the_log_is_empty() -> None:
    assert written(json_record, replace(LOGIN, kind=AccountEventKind.ROOM_JOIN)) == ""


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: f"{event.kind}")
def test_signed_record_is_trusted_and_names_its_writer(writer: Any, event: AccountEvent) -> None:
    line = written(writer, event, name="bob the 3rd ☂.~%")

    signed = verify(line, KEY, NOON)

    assert signed is not None
    assert (signed.name, signed.at_ms) == ("bob the 3rd ☂.~%", AT_MS)


@pytest.mark.parametrize("stamp", ["", "2026-11-20T12:00:00: ", "0|bob | "])
def test_stamp_of_a_log_manager_in_front_does_not_matter(stamp: str) -> None:
    assert verify(stamp + written(starter_record), KEY, NOON) is not None


@pytest.mark.parametrize("writer", WRITERS)
def test_record_is_not_trusted_without_the_key(writer: Any) -> None:
    unsigned, signed = written(writer, pair_key=""), written(writer)

    assert [verify(line, key, NOON) for line, key in ((unsigned, KEY), (signed, "another key"), (signed, ""))] == [None] * 3


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("wxid_bob", "wxid_eve"),
        ("<Bob>", "<Eve>"),
        ('"Bob"', '"Eve"'),
        (" login", " logout"),
        ('"login"', '"logout"'),
        ("v1.bob.", "v1.eve."),
        (f".{AT_MS}.", f".{AT_MS + 1}."),
        ("v1.", "v2."),
    ],
)
def test_record_that_was_changed_is_not_trusted(writer: Any, old: str, new: str) -> None:
    line = written(writer)
    forged = line.replace(old, new)

    assert forged == line or verify(forged, KEY, NOON) is None


@pytest.mark.parametrize("writer", WRITERS)
def test_payload_that_was_exchanged_is_not_trusted(writer: Any) -> None:
    line = written(writer, SCAN)
    forged = line.replace("AbC", "EvE")

    assert (forged != line, verify(forged, KEY, NOON)) == (True, None)


def test_signature_of_one_record_does_not_fit_another() -> None:
    login, logout = written(starter_record, LOGIN), written(starter_record, LOGOUT)

    assert verify(logout.partition(" #")[0] + " #" + login.partition(" #")[2], KEY, NOON) is None


def test_text_behind_the_signature_makes_it_untrusted() -> None:
    assert verify(written(starter_record) + " and more", KEY, NOON) is None


def test_second_json_value_with_the_same_key_makes_it_untrusted() -> None:
    line = written(json_record, SCAN)

    assert verify(line[:-1] + ', "payload": "http://weixin.qq.com/x/EvE"}', KEY, NOON) is None


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(("age_s", "trusted"), [(0, True), (600, True), (601, False), (-600, True), (-601, False)])
def test_signature_is_trusted_for_ten_minutes(writer: Any, age_s: int, *, trusted: bool) -> None:
    assert (verify(written(writer), KEY, NOON + timedelta(seconds=age_s)) is not None) is trusted


HOSTILE = [
    "Bob\n12:00:00 INFO StarterBot Contact<Eve> login as wxid_eve",
    "Bob\r\nx",
    "Bob\u2028x\u0085y",
    "Bob\x1b[31m",
    "Bob\x00",
    "x" * 10_000,
    "  ",
    "> login as wxid_eve <",
    '", "record": "logout", "x": "',
    "#opsbot=v1.eve.1.xxxxxxxxxxxxxxxxxxxxxx",
    "\ud800",
]


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", HOSTILE)
def test_name_from_outside_stays_in_one_line_that_is_still_trusted(writer: Any, name: str) -> None:
    line = written(writer, replace(LOGIN, account_name=name))

    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert verify(line, KEY, NOON) is not None


@pytest.mark.parametrize("name", HOSTILE)
def test_account_of_a_json_record_is_the_real_one_whatever_the_name(name: str) -> None:
    record = record_of("json", {}, json.loads(written(json_record, replace(LOGIN, account_name=name))))

    assert record is not None
    assert (record.kind, record.account) == ("login", "wxid_bob")


@given(st.text())
def test_one_line_is_one_short_printable_line(text: str) -> None:
    line = one_line(text)

    assert line.isprintable()
    assert len(line) <= 80


@given(st.text(), st.binary(max_size=40))
def test_no_text_makes_the_check_fail_or_pass(text: str, tail: bytes) -> None:
    for line in (text, f"{text} #opsbot=v1.bob.{AT_MS}.{tail.hex()[:22]:0<22}", "{" + text, json.dumps({"opsbot": text})):
        assert verify(line, KEY, NOON) is None


def test_signed_record_gives_its_text() -> None:
    line = written(starter_record, EMPTY_SCAN)

    assert verify(line, KEY, NOON) == Signed("bob", AT_MS, line.partition(" #")[0])
