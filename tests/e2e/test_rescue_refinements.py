"""The rescue in all its turns, between two real daemons on real gateways: what is told, what is not, and what is done."""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.pair import ARCHY, PAYLOADS, Pair, Plan, Side, is_picture_of, paired, write_line

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

BOB = "wxid_bob"
SCANNED, CONFIRMED = 3, 4
PUSH_S = 1.2
PLAN = Plan(scene_extra="    answer_within_s: 2\n")
SHORT_PUSH = f"    answer_within_s: 2\n    push_minutes: {PUSH_S / 60}\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with paired(tmp_path_factory.mktemp("pair"), PLAN) as pair:
        yield pair


@pytest_asyncio.fixture(loop_scope="module")
async def pair(both: Pair) -> Pair:
    await both.tidy()
    return both


async def fall_out(pair: Pair) -> str:
    """Log bob out and let his gateway show a code, which alice then passes on."""
    payload = next(PAYLOADS)
    await pair.bob.falls_out()
    await pair.bob.scans(payload)
    await pair.alice.gateway.wait_sent(is_picture_of(payload, ARCHY))
    return payload


async def test_every_fresh_code_is_pushed_once_and_says_that_the_one_before_it_expired(pair: Pair) -> None:
    old, new = await fall_out(pair), next(PAYLOADS)
    await pair.bob.scans(old)
    await pair.bob.scans(new)
    await pair.alice.gateway.wait_sent(is_picture_of(new, ARCHY))
    await pair.bob.scans(new)
    await pair.marks()

    captions = [text for text in await pair.alice.texts() if "Scan with the account of bob@wechat only" in text]
    assert await pair.alice.pictures() == [old, new]
    assert ["has expired" in caption for caption in captions] == [False, True]


async def test_everybody_in_tell_gets_the_code(pair: Pair) -> None:
    payload = await fall_out(pair)
    await pair.alice.gateway.wait_sent(is_picture_of(payload, BOB))

    assert (await pair.alice.pictures(BOB), await pair.alice.pictures(ARCHY)) == ([payload], [payload])


async def test_caption_says_whose_account_must_scan_from_which_log_and_not_to_if_it_was_not_expected(pair: Pair) -> None:
    await fall_out(pair)

    caption = (await pair.alice.tells("Scan with the account of bob@wechat only")).text or ""
    assert all(said in caption for said in ("From the log bob", " UTC", "Not expected? Do not scan."))


async def test_scanned_and_confirmed_are_told(pair: Pair) -> None:
    await fall_out(pair)
    await pair.bob.scans("", SCANNED)
    scanned = await pair.alice.tells("scanned; confirm on the phone")
    await pair.bob.scans("", CONFIRMED)

    await pair.alice.tells("confirmed on the phone; waiting for the login", after=scanned.seq)


async def test_verification_code_is_to_be_typed_on_the_device(pair: Pair) -> None:
    await fall_out(pair)
    await pair.bob.scans("", SCANNED)

    await pair.alice.tells("verification code is to be typed on the device, never in a chat")


async def test_empty_code_says_to_tap_confirm_on_the_phone(pair: Pair) -> None:
    await pair.bob.falls_out()
    await pair.bob.scans("")

    await pair.alice.tells("tap confirm on the phone")


async def test_second_confirmation_without_a_login_warns_that_the_account_may_be_restricted(pair: Pair) -> None:
    await fall_out(pair)
    await pair.bob.scans("", CONFIRMED)
    first = await pair.alice.tells("confirmed")
    await pair.bob.scans(next(PAYLOADS))
    await pair.bob.scans("", CONFIRMED)

    second = await pair.alice.tells("restricted", after=first.seq)
    assert "restricted" not in (first.text or "")
    assert "Stop scanning" in (second.text or "")


async def test_login_is_told_and_tested(pair: Pair) -> None:
    await fall_out(pair)
    await pair.bob.gateway.login(BOB)

    await pair.alice.tells(r"^bob@wechat: is back\.$")
    await pair.alice.tells("^#ping$", BOB)
    await pair.bob.tells("^pong$", "wxid_alice")
    await pair.alice.answers("bob@wechat is logged in", "rescue_bob status")


async def test_login_test_that_stays_unanswered_is_told(pair: Pair) -> None:
    await fall_out(pair)
    await pair.bob.gateway.fail(100)
    await pair.bob.gateway.login(BOB)

    await pair.alice.tells("the login test was not answered; check it")


async def test_login_by_another_account_is_told_urgently_and_undone_by_bobs_own_daemon(pair: Pair) -> None:
    await fall_out(pair)
    await pair.bob.gateway.login("wxid_stranger")
    alarm = await pair.alice.tells("Another account logged in instead of bob@wechat: Stranger wxid_stranger")
    state = await pair.bob.gateway.wait_until("logged_out")

    assert "at once" in (alarm.text or "")
    assert state.calls["logout"] >= 1
    assert "is back" not in "\n".join(await pair.alice.texts())


async def test_foreign_account_is_not_obeyed_in_between(pair: Pair) -> None:
    await fall_out(pair)
    after = len(pair.bob.daemon.log)
    await pair.bob.gateway.login("wxid_stranger")
    await pair.bob.gateway.message(ARCHY, "rescue_alice status")
    await pair.bob.daemon.wait_logged(lambda line: line.get("event") == "account logged out", after=after)
    await pair.bob.log_in()
    await pair.bob.answers("as far as its log says", "rescue_alice status")

    sent = await pair.bob.gateway.sent()
    assert {one.self_id for one in sent} == {BOB}
    assert len([one for one in sent if "as far as its log says" in (one.text or "")]) == 1


async def test_rescue_off_stops_pushes_over_a_restart_but_qr_still_answers(pair: Pair) -> None:
    await pair.alice.answers("The rescue is off", "rescue off")
    await pair.alice.restart_daemon()
    payload = next(PAYLOADS)
    await pair.bob.falls_out()
    await pair.bob.scans(payload)
    await pair.marks()
    pushed = await pair.alice.pictures() + await pair.alice.pictures(BOB)
    await pair.alice.gateway.message(ARCHY, "qr")
    await pair.alice.gateway.wait_sent(is_picture_of(payload, ARCHY))

    assert pushed == []


@pytest.mark.parametrize(("off", "on"), [("rescue off", "rescue on"), ("disable-qrRescue", "enable-qrRescue")])
async def test_rescue_that_is_on_again_pushes_the_next_code(pair: Pair, off: str, on: str) -> None:
    hidden, shown = next(PAYLOADS), next(PAYLOADS)
    await pair.alice.answers("The rescue is off", off)
    await pair.bob.falls_out()
    await pair.bob.scans(hidden)
    await pair.marks()
    await pair.alice.answers(r"(?<!off)\.$", on)
    await pair.bob.scans(shown)
    await pair.alice.gateway.wait_sent(is_picture_of(shown, ARCHY))

    assert await pair.alice.pictures() == [shown]


async def test_code_that_ran_out_is_not_shown_by_qr(pair: Pair) -> None:
    payload = await fall_out(pair)
    await pair.bob.scans(payload, 5)
    await pair.marks()

    await pair.alice.answers("no valid code at the moment", "qr")
    assert await pair.alice.pictures() == [payload]


async def configure(side: Side, old: str, new: str) -> None:
    """Change the configuration; the daemon takes it over by SIGHUP."""
    await rewrite(side, old, new)
    after = len(side.daemon.log)
    side.daemon.send_signal(signal.SIGHUP)
    await side.settle(after)


async def rewrite(side: Side, old: str, new: str) -> None:
    text = await asyncio.to_thread(side.daemon.config.read_text)
    assert old in text
    await asyncio.to_thread(side.daemon.config.write_text, text.replace(old, new))


def make_reminders_due(database: Path) -> None:
    """Set the reminders of a daemon that is down two hours back, as if it had been down so long."""
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        changed = db.execute("UPDATE alert SET next_at = next_at - ?", (timedelta(hours=2) // timedelta(microseconds=1),))
        assert changed.rowcount == 1


async def test_after_push_minutes_nothing_is_pushed_but_the_reminder(pair: Pair) -> None:
    await configure(pair.alice, PLAN.scene_extra, SHORT_PUSH)
    try:
        old, new = await fall_out(pair), next(PAYLOADS)
        await asyncio.sleep(PUSH_S + 0.1)  # the daemon's own clock decides
        await pair.bob.scans(new)
        await pair.marks()
        pushed = await pair.alice.pictures()
    finally:
        await pair.alice.daemon.stop()
        await rewrite(pair.alice, SHORT_PUSH, PLAN.scene_extra)
    await asyncio.to_thread(make_reminders_due, pair.alice.database)
    await pair.alice.start_daemon()
    await pair.alice.tells(r"^bob@wechat is still out\. Send: qr$")
    await pair.alice.gateway.message(ARCHY, "qr")
    await pair.alice.gateway.wait_sent(is_picture_of(new, ARCHY))

    assert pushed == [old]


async def test_login_ends_the_reminders(pair: Pair) -> None:
    await fall_out(pair)
    reminders = await _reminders(pair)
    await pair.bob.gateway.login(BOB)
    await pair.alice.tells("is back")

    assert (reminders, await _reminders(pair)) == (1, 0)


async def _reminders(pair: Pair) -> int:
    def count() -> int:
        with closing(sqlite3.connect(f"file:{pair.alice.database}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM alert").fetchone()[0])

    return await asyncio.to_thread(count)


async def test_record_of_another_kind_tells_nobody_anything(pair: Pair) -> None:
    await write_line(pair.bob.log_file, "12:00:00 INFO StarterBot Starter Bot Started.")
    await pair.marks()

    assert len(await pair.alice.texts()) == 1
