"""`qr_rescue`: what it makes of each record, signed or not, and of silence."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from pydantic import ValidationError

from operations.qr_rescue import QrRescue
from opsbot.api import Output, QrCode, ScanStatus, Severity
from opsbot.core.account_record import json_record, starter_record
from opsbot.core.change import Json
from opsbot.core.chat import AccountEvent, AccountEventKind
from opsbot.testing import NOON, Bot, Harness

KEY = "a key of the pair"
CODE = "http://weixin.qq.com/x/AbC"
NEWER = "http://weixin.qq.com/x/DeF"
PARTNER = "bob@chat"


@dataclass
class Rescue:
    """The rescue of bob, and bob's pen."""

    bot: Bot
    written: int = 0

    def line(self, event: AccountEvent, key: str, *, by: str = "bob", as_json: bool = False, age_s: float = 0) -> str:
        self.written += 1
        write = json_record if as_json else starter_record
        at_ms = int((self.bot.clock.now() - timedelta(seconds=age_s)).timestamp() * 1000) + self.written
        return write(event, name=by, pair_key=key, at_ms=at_ms)

    def scan(self, payload: str = CODE, *, key: str = KEY, status: ScanStatus = ScanStatus.WAITING, by: str = "bob") -> str:
        at = self.bot.clock.now()
        return self.line(AccountEvent(kind=AccountEventKind.SCAN, at=at, scan_status=status, payload=payload), key, by=by)

    def logout(self, *, key: str = KEY) -> str:
        at = self.bot.clock.now()
        return self.line(AccountEvent(kind=AccountEventKind.LOGOUT, at=at, account_id="bob", account_name="Bob"), key)

    def login(self, account: str = "bob", *, key: str = KEY) -> str:
        at = self.bot.clock.now()
        return self.line(AccountEvent(kind=AccountEventKind.LOGIN, at=at, account_id=account, account_name="Bob"), key)


@pytest.fixture
def rescue(harness: Harness) -> Rescue:
    return Rescue(harness(QrRescue(partner=PARTNER, ping_every_s=0.5), scene="rescue_bob", pair_key=KEY))


def kinds(outputs: list[Output]) -> list[str]:
    """Say in a word what each output is."""
    words = {"is out": "out", "is back": "back", "Another account": "alarm", "foreign host": "refusal", "#ping": "ping"}
    return [
        "picture" if isinstance(one, QrCode) else next((w for said, w in words.items() if said in str(one)), str(one))
        for one in outputs
    ]


async def is_in(_: Rescue) -> None:
    """Begin as one does."""


async def is_out_and_says_so(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.logout())


async def is_out_and_silent(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.logout(key=""))
    await rescue.bot.passes(seconds=8)


async def is_asked(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.logout(key=""))


@pytest.mark.parametrize(
    ("before", "what", "key", "told"),
    [
        (is_in, "scan", KEY, ["picture"]),
        (is_in, "scan", "", ["ping"]),
        (is_in, "logout", KEY, ["out"]),
        (is_in, "logout", "", ["ping"]),
        (is_in, "login", KEY, ["ping"]),
        (is_in, "login", "", ["ping"]),
        (is_asked, "scan", KEY, ["picture"]),
        (is_asked, "scan", "", []),
        (is_asked, "logout", KEY, ["out"]),
        (is_asked, "logout", "", []),
        (is_asked, "login", KEY, ["ping"]),
        (is_out_and_says_so, "scan", KEY, ["picture"]),
        (is_out_and_says_so, "scan", "", []),
        (is_out_and_says_so, "logout", KEY, []),
        (is_out_and_says_so, "logout", "", []),
        (is_out_and_says_so, "login", KEY, ["back", "ping"]),
        (is_out_and_says_so, "login", "", ["ping"]),
        (is_out_and_silent, "scan", KEY, ["picture"]),
        (is_out_and_silent, "scan", "", ["picture"]),
        (is_out_and_silent, "logout", "", []),
        (is_out_and_silent, "login", KEY, ["back", "ping"]),
        (is_out_and_silent, "login", "", ["ping"]),
    ],
)
async def test_record_tells(rescue: Rescue, before: object, what: str, key: str, told: list[str]) -> None:
    await before(rescue)  # type: ignore[operator] # one of the states above

    assert kinds(await rescue.bot.reads(getattr(rescue, what)(key=key))) == told


@pytest.mark.parametrize(
    ("status", "payload", "said"),
    [
        (ScanStatus.WAITING, "", "tap confirm on the phone"),
        (ScanStatus.SCANNED, "", "verification code is to be typed on the device, never in a chat"),
        (ScanStatus.CONFIRMED, "", "waiting for the login"),
        (ScanStatus.UNKNOWN, "", None),
        (ScanStatus.CANCEL, "", None),
        (ScanStatus.TIMEOUT, CODE, None),
    ],
)
async def test_status_of_a_scan_says(rescue: Rescue, status: ScanStatus, payload: str, said: str | None) -> None:
    await rescue.bot.reads(rescue.logout())
    told = await rescue.bot.reads(rescue.scan(payload, status=status))

    assert [said in str(one) for one in told] == ([True] if said else []) if said else told == []


async def test_code_goes_to_everybody_in_tell_and_is_urgent(harness: Harness) -> None:
    rescue = Rescue(harness(QrRescue(partner=PARTNER), tell=["bob", "owner", "room:OPS"], pair_key=KEY))
    await rescue.bot.reads(rescue.scan())

    (told,) = rescue.bot.told
    assert (told.to, told.severity) == (("bob", "owner", "room:OPS"), Severity.URGENT)


async def test_ping_goes_to_the_partner_alone(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan(key=""))

    assert [told.to for told in rescue.bot.told] == [("bob",)]


async def test_newer_code_says_that_the_one_before_it_expired(rescue: Rescue) -> None:
    (first,) = await rescue.bot.reads(rescue.scan())
    (second,) = await rescue.bot.reads(rescue.scan(NEWER))

    assert isinstance(first, QrCode)
    assert isinstance(second, QrCode)
    assert (first.payload, second.payload) == (CODE, NEWER)
    assert ["has expired" in one.caption for one in (first, second)] == [False, True]


async def test_same_code_again_is_not_sent_again(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan())

    assert await rescue.bot.reads(rescue.scan(), rescue.scan()) == []


async def test_newer_code_takes_the_place_of_one_that_has_not_left_yet(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan())

    assert [told.notification.supersedes for told in rescue.bot.told if told.notification] == [True]


async def test_caption_names_the_account_the_log_and_the_time_and_warns(rescue: Rescue) -> None:
    (code,) = await rescue.bot.reads(rescue.scan())

    assert isinstance(code, QrCode)
    assert code.caption == (
        "Scan with the account of bob@chat only. From the log rescue_bob_log, 12:00:00 UTC. Not expected? Do not scan."
    )


async def test_caption_exists_in_chinese(harness: Harness) -> None:
    rescue = Rescue(harness(QrRescue(partner=PARTNER), pair_key=KEY, language="zh"))
    (code,) = await rescue.bot.reads(rescue.scan())

    assert isinstance(code, QrCode)
    assert "请仅用 bob@chat 的账号扫码" in code.caption


@pytest.mark.parametrize("key", [KEY, ""])
async def test_code_of_a_foreign_host_is_named_and_not_sent(rescue: Rescue, key: str) -> None:
    await is_out_and_silent(rescue)

    assert kinds(await rescue.bot.reads(rescue.scan("https://evil.example/x", key=key))) == ["refusal"]


async def test_host_that_the_owner_allows_is_sent(harness: Harness) -> None:
    rescue = Rescue(harness(QrRescue(partner=PARTNER, login_hosts=("wx.example",)), pair_key=KEY))

    assert kinds(await rescue.bot.reads(rescue.scan("https://wx.example/l/AbC"))) == ["picture"]


async def test_second_confirmation_warns(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.logout(), rescue.scan("", status=ScanStatus.CONFIRMED))
    _, warning = await rescue.bot.reads(rescue.scan(), rescue.scan("", status=ScanStatus.CONFIRMED))

    assert "confirmed 2 times without a login: the account may be restricted. Stop scanning." in str(warning)


async def test_login_begins_the_count_of_confirmations_anew(rescue: Rescue) -> None:
    confirmed = ScanStatus.CONFIRMED
    await rescue.bot.reads(rescue.logout(), rescue.scan("", status=confirmed), rescue.login(), rescue.logout())
    (said,) = await rescue.bot.reads(rescue.scan("", status=confirmed))

    assert "waiting for the login" in str(said)


async def test_push_ends_after_push_minutes_and_the_reminder_goes_on(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan())
    during = await rescue.bot.passes(minutes=10.5)
    late = await rescue.bot.reads(rescue.scan(NEWER))
    after = await rescue.bot.passes(minutes=5)

    assert late == []
    assert "bob@chat is still out. Send: qr" not in during
    assert after == ["bob@chat is still out. Send: qr"]


async def test_qr_gives_the_newest_code_though_it_was_not_pushed(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan())
    await rescue.bot.passes(minutes=11)
    await rescue.bot.reads(rescue.scan(NEWER))
    (answer,) = await rescue.bot.says("qr")

    assert isinstance(answer, QrCode)
    assert answer.payload == NEWER


async def test_qr_never_gives_an_expired_code(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan())
    await rescue.bot.passes(seconds=301)

    assert kinds(await rescue.bot.says("qr")) == ["out"]


@pytest.mark.parametrize("status", [ScanStatus.TIMEOUT, ScanStatus.CANCEL])
async def test_qr_never_gives_a_code_that_ran_out(rescue: Rescue, status: ScanStatus) -> None:
    await rescue.bot.reads(rescue.scan(), rescue.scan(status=status))

    assert kinds(await rescue.bot.says("qr")) == ["out"]


async def test_qr_never_gives_a_code_that_is_in_doubt(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan(key=""))

    assert await rescue.bot.says("qr") == ["bob@chat: waiting for an answer to a test."]


async def test_qr_gives_no_code_of_before_the_login(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan(), rescue.login())
    await rescue.bot.hears_partner("pong")

    assert ["is logged in since" in str(answer) for answer in await rescue.bot.says("qr")] == [True]


async def test_code_that_comes_late_is_worth_its_caption_only(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan())

    assert [told.notification.valid_for_s for told in rescue.bot.told if told.notification] == [300]


async def test_doubted_code_is_sent_when_the_ping_stays_unanswered(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan(key=""))

    assert kinds(await rescue.bot.passes(seconds=8)) == ["picture"]


async def test_newest_of_several_doubted_codes_is_sent(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan(key=""), rescue.scan(NEWER, key=""))
    (code,) = await rescue.bot.passes(seconds=8)

    assert isinstance(code, QrCode)
    assert code.payload == NEWER


async def test_doubted_code_that_ran_out_is_not_sent(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan(key=""), rescue.scan(key="", status=ScanStatus.TIMEOUT))

    assert kinds(await rescue.bot.passes(seconds=8)) == ["out"]


@pytest.mark.parametrize("answer", ["pong", "dong", "Dong"])
async def test_doubted_code_is_dropped_when_the_partner_answers(rescue: Rescue, answer: str) -> None:
    await rescue.bot.reads(rescue.scan(key=""))
    replies = await rescue.bot.hears_partner(answer)

    assert (replies, await rescue.bot.passes(minutes=5)) == ([], [])
    assert "out" not in rescue.bot.state


async def test_small_talk_from_the_partners_phone_is_no_answer(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan(key=""))
    await rescue.bot.hears_partner("what is going on?")

    assert kinds(await rescue.bot.passes(seconds=8)) == ["picture"]


async def test_late_answer_ends_an_outage_that_was_known_by_silence_alone(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan(key=""))
    await rescue.bot.passes(seconds=8)
    await rescue.bot.hears_partner("pong")

    assert "is back" in str(rescue.bot.told[-1].output)
    assert await rescue.bot.passes(hours=3) == []


async def test_unsigned_login_counts_once_its_test_is_answered(rescue: Rescue) -> None:
    await is_out_and_silent(rescue)
    await rescue.bot.passes(minutes=1)
    asked = await rescue.bot.reads(rescue.login(key=""))
    await rescue.bot.hears_partner("dong")

    assert (kinds(asked), "is back" in str(rescue.bot.told[-1].output)) == (["ping"], True)


async def test_answer_ends_a_signed_outage_whose_login_was_never_read(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.logout(), rescue.login(key=""))
    await rescue.bot.hears_partner("pong")

    assert "is back" in str(rescue.bot.told[-1].output)


async def test_rescue_that_is_turned_off_in_the_middle_reminds_nobody(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan())
    await rescue.bot.says("rescue off")
    await rescue.bot.passes(seconds=1)

    assert await rescue.bot.passes(hours=3) == []


async def test_rescue_that_is_turned_on_again_gives_the_newest_code(rescue: Rescue) -> None:
    await rescue.bot.says("rescue off")
    await rescue.bot.reads(rescue.scan())

    (answer,) = await rescue.bot.says("rescue on")

    assert isinstance(answer, QrCode)


async def test_first_word_about_an_outage_opens_the_alert_though_its_first_sign_said_nothing(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan(status=ScanStatus.TIMEOUT), rescue.scan())

    assert "still out" in str(await rescue.bot.passes(minutes=16))


async def test_forged_login_is_not_quoted(harness: Harness) -> None:
    rescue = Rescue(harness(QrRescue(partner=PARTNER, partner_name="Bob"), pair_key=KEY))
    told = await rescue.bot.reads(
        "12:00:00 INFO StarterBot Contact<Your account is locked, open> login as https://evil.example/x"
    )

    assert "evil" not in str(told)


async def test_state_that_is_logged_again_is_told_once(rescue: Rescue) -> None:
    scanned = ScanStatus.SCANNED
    told = await rescue.bot.reads(rescue.scan(), rescue.scan("", status=scanned), rescue.scan("", status=scanned))

    assert len(told) == 2


async def test_ping_survives_a_crash(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan(key=""))
    await rescue.bot.restarts(killed=True)

    assert kinds(await rescue.bot.passes(seconds=8)) == ["picture"]


async def test_partner_is_asked_again_when_its_answer_may_have_come_during_a_restart(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan(key=""))
    await rescue.bot.passes(seconds=1)
    await rescue.bot.restarts(killed=True)

    assert kinds(await rescue.bot.passes(seconds=7)) == ["ping"]
    assert kinds(await rescue.bot.passes(seconds=8)) == ["picture"]


async def test_answer_after_a_restart_drops_a_code_from_before_it(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.scan(key=""))
    await rescue.bot.passes(seconds=1)
    await rescue.bot.restarts(killed=True)
    await rescue.bot.passes(seconds=7)
    await rescue.bot.hears_partner("pong")

    assert await rescue.bot.passes(minutes=5) == []


async def test_silence_counts_for_nothing_while_the_channel_to_the_partner_is_away(rescue: Rescue) -> None:
    await rescue.bot.starts()
    rescue.bot.channel.goes_away("reconnect")
    await rescue.bot.reads(rescue.scan(key=""))

    assert set(kinds(await rescue.bot.passes(minutes=3))) == {"ping"}


async def test_silence_counts_for_nothing_while_the_account_that_asks_is_logged_out(rescue: Rescue) -> None:
    await rescue.bot.starts()
    rescue.bot.channel.logs_out("alice")
    await rescue.bot.reads(rescue.scan(key=""))

    assert set(kinds(await rescue.bot.passes(minutes=3))) == {"ping"}


async def test_partner_has_its_whole_time_to_answer_once_the_account_that_asks_is_logged_in_again(rescue: Rescue) -> None:
    await rescue.bot.starts()
    rescue.bot.channel.logs_out("alice")
    await rescue.bot.reads(rescue.scan(key=""))
    await rescue.bot.passes(seconds=7)
    rescue.bot.channel.logs_in("alice")
    asked = await rescue.bot.passes(seconds=2)

    assert kinds(asked) == ["ping"]
    assert kinds(await rescue.bot.passes(seconds=7)) == ["picture"]


async def test_forged_lines_make_no_flood_of_pings(harness: Harness) -> None:
    rescue = Rescue(harness(QrRescue(partner=PARTNER, ping_every_s=20), pair_key=KEY))
    for _ in range(10):
        await rescue.bot.reads(rescue.scan(key=""))
        await rescue.bot.hears_partner("pong")
        await rescue.bot.passes(seconds=4)

    assert len([told for told in rescue.bot.told if told.output == "#ping"]) == 3


async def test_line_that_came_too_soon_for_another_ping_is_asked_about_later(harness: Harness) -> None:
    rescue = Rescue(harness(QrRescue(partner=PARTNER, ping_every_s=20), pair_key=KEY))
    await rescue.bot.reads(rescue.scan(key=""))
    await rescue.bot.hears_partner("pong")
    at_once = await rescue.bot.reads(rescue.scan(NEWER, key=""))
    later = await rescue.bot.passes(seconds=20)

    assert (kinds(at_once), kinds(later)) == ([], ["ping"])
    assert kinds(await rescue.bot.passes(seconds=8)) == ["picture"]


async def test_unsigned_codes_are_limited_per_minute(rescue: Rescue) -> None:
    await is_out_and_silent(rescue)
    told = await rescue.bot.reads(*(rescue.scan(f"{CODE}{number}", key="") for number in range(6)))
    await rescue.bot.passes(seconds=61)

    assert kinds(told) == ["picture"] * 3
    assert kinds(await rescue.bot.reads(rescue.scan(NEWER, key=""))) == ["picture"]


async def test_signed_logout_drops_a_code_that_was_believed_for_silence_alone(rescue: Rescue) -> None:
    await is_out_and_silent(rescue)
    await rescue.bot.reads(rescue.scan(key=""), rescue.logout())

    assert kinds(await rescue.bot.says("qr")) == ["out"]


async def test_lasting_signed_outage_is_not_told_with_a_code_from_before_it(harness: Harness) -> None:
    rescue = Rescue(harness(QrRescue(partner=PARTNER, escalate_minutes=3), pair_key=KEY))
    await is_out_and_silent(rescue)
    await rescue.bot.reads(rescue.scan(key=""), rescue.logout())

    assert kinds(await rescue.bot.passes(minutes=3)) == ["out"]


async def test_unsigned_code_during_a_login_test_waits_for_its_answer(rescue: Rescue) -> None:
    await is_out_and_silent(rescue)
    await rescue.bot.passes(minutes=1)
    during = await rescue.bot.reads(rescue.login(key=""), rescue.scan(key=""))
    await rescue.bot.hears_partner("pong")

    assert kinds(during) == ["ping"]
    assert await rescue.bot.passes(minutes=5) == []


async def test_unsigned_code_between_the_answer_and_what_follows_from_it_is_not_sent(harness: Harness) -> None:
    state: dict[str, Json] = {"out": "silent", "out_at": NOON.isoformat(), "pinged_at": NOON.isoformat(), "answered": True}
    rescue = Rescue(harness(QrRescue(partner=PARTNER), pair_key=KEY, state=state))

    assert await rescue.bot.reads(rescue.scan(key="")) == []
    assert "doubted" not in rescue.bot.state


async def test_unsigned_code_just_after_the_answer_of_a_partner_that_is_in_is_asked_about(harness: Harness) -> None:
    rescue = Rescue(harness(QrRescue(partner=PARTNER), pair_key=KEY, state={"answered": True}))

    assert kinds(await rescue.bot.reads(rescue.scan(key=""))) == ["ping"]


async def test_answer_takes_back_the_code_that_silence_made_believed(rescue: Rescue) -> None:
    await is_out_and_silent(rescue)
    await rescue.bot.reads(rescue.scan(key=""))
    await rescue.bot.hears_partner("pong")

    assert "code" not in rescue.bot.state


async def test_silence_of_long_ago_is_asked_about_again(rescue: Rescue) -> None:
    await is_out_and_silent(rescue)
    await rescue.bot.passes(hours=5)
    told = await rescue.bot.reads(rescue.scan(key=""))
    shown = await rescue.bot.says("qr")
    await rescue.bot.hears_partner("pong")

    assert (kinds(told), kinds(shown)) == (["ping"], ["out"])
    assert "out" not in rescue.bot.state


async def test_code_after_a_silence_of_long_ago_is_given_once_the_partner_is_silent_again(rescue: Rescue) -> None:
    await is_out_and_silent(rescue)
    await rescue.bot.passes(hours=5)
    await rescue.bot.reads(rescue.scan(key=""))
    await rescue.bot.passes(seconds=8)

    assert kinds(await rescue.bot.says("qr")) == ["picture"]


async def test_unsigned_logout_is_no_reason_to_ask_again_who_is_out(rescue: Rescue) -> None:
    await is_out_and_silent(rescue)
    await rescue.bot.passes(hours=5)

    assert await rescue.bot.reads(rescue.logout(key="")) == []


async def test_ping_of_a_time_still_to_come_keeps_no_other_back(harness: Harness) -> None:
    tomorrow = (NOON + timedelta(days=1)).isoformat()
    rescue = Rescue(harness(QrRescue(partner=PARTNER), pair_key=KEY, state={"pinged_at": tomorrow}))

    assert kinds(await rescue.bot.reads(rescue.scan(key=""))) == ["ping"]


async def test_codes_of_a_time_still_to_come_do_not_count_for_the_rate(harness: Harness) -> None:
    tomorrow = (NOON + timedelta(days=1)).isoformat()
    rescue = Rescue(harness(QrRescue(partner=PARTNER), pair_key=KEY, state={"unverified_at": [tomorrow] * 3}))
    await is_out_and_silent(rescue)

    assert kinds(await rescue.bot.reads(rescue.scan(key=""))) == ["picture"]


async def test_signed_codes_are_not_limited(rescue: Rescue) -> None:
    told = await rescue.bot.reads(*(rescue.scan(f"{CODE}{number}") for number in range(6)))

    assert kinds(told) == ["picture"] * 6


async def test_signed_record_counts_once(rescue: Rescue) -> None:
    scan, login = rescue.scan(), rescue.login()
    await rescue.bot.reads(scan, login)

    assert await rescue.bot.reads(scan, login) == []


async def test_signed_record_that_is_older_than_one_that_was_read_counts_for_nothing(rescue: Rescue) -> None:
    older, newer = rescue.scan(), rescue.login()
    await rescue.bot.reads(newer)

    assert await rescue.bot.reads(older) == []


async def test_record_that_we_signed_ourselves_counts_for_nothing(rescue: Rescue) -> None:
    assert await rescue.bot.reads(rescue.scan(by="alice")) == []


async def test_record_that_another_key_signed_is_an_unsigned_one(rescue: Rescue) -> None:
    assert kinds(await rescue.bot.reads(rescue.scan(key="another key"))) == ["ping"]


async def test_record_that_was_signed_too_long_ago_is_an_unsigned_one(rescue: Rescue) -> None:
    event = AccountEvent(kind=AccountEventKind.SCAN, at=rescue.bot.clock.now(), scan_status=ScanStatus.WAITING, payload=CODE)

    assert kinds(await rescue.bot.reads(rescue.line(event, KEY, age_s=601))) == ["ping"]


@pytest.mark.parametrize("key", [KEY, ""])
async def test_record_in_json_is_read_like_the_other_ones(rescue: Rescue, key: str) -> None:
    event = AccountEvent(kind=AccountEventKind.SCAN, at=rescue.bot.clock.now(), scan_status=ScanStatus.WAITING, payload=CODE)

    assert kinds(await rescue.bot.reads(rescue.line(event, key, as_json=True))) == (["picture"] if key else ["ping"])


async def test_login_test_that_is_answered_is_not_spoken_of(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.login())
    await rescue.bot.hears_partner("pong")

    assert await rescue.bot.passes(minutes=5) == []


async def test_login_test_that_stays_unanswered_is_told(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.login())

    assert await rescue.bot.passes(seconds=60) == ["bob@chat: the login test was not answered; check it."]


async def test_unsigned_logout_makes_the_open_login_test_the_question_whether_it_is_out(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.login(key=""), rescue.logout(key=""))

    assert await rescue.bot.passes(seconds=60) == ["bob@chat: is out; the login code follows."]


@pytest.mark.parametrize("forged", ["logout", "scan"])
async def test_forged_line_leaves_who_has_just_logged_in_the_time_to_answer(rescue: Rescue, forged: str) -> None:
    await rescue.bot.reads(rescue.login(key=""), rescue.logout(key="") if forged == "logout" else rescue.scan(key=""))
    before = await rescue.bot.passes(seconds=59)
    await rescue.bot.hears_partner("pong")

    assert (before, await rescue.bot.passes(minutes=5)) == ([], [])


async def test_answer_that_came_before_a_signed_logout_counts_no_more(harness: Harness) -> None:
    rescue = Rescue(harness(QrRescue(partner=PARTNER), pair_key=KEY, state={"answered": True}))
    await rescue.bot.reads(rescue.logout())

    assert "answered" not in rescue.bot.state


async def test_logout_ends_the_wait_for_an_answer_to_the_login_test(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.login(), rescue.logout())

    assert await rescue.bot.passes(minutes=5) == []
    assert rescue.bot.state["out"] == "signed"


async def test_login_by_another_account_is_an_alarm_and_no_return(rescue: Rescue) -> None:
    await rescue.bot.reads(rescue.logout())
    told = await rescue.bot.reads(rescue.login("eve"))

    assert kinds(told) == ["alarm"]
    assert rescue.bot.state["out"] == "signed"


async def test_login_under_another_name_is_an_alarm_where_the_log_names_no_account(harness: Harness) -> None:
    rescue = Rescue(harness(QrRescue(partner=PARTNER, partner_name="Bob"), pair_key=KEY))

    assert kinds(await rescue.bot.reads("INFO StarterBot Contact<Eve> login")) == ["alarm"]
    assert kinds(await rescue.bot.reads("INFO StarterBot Contact<Bob> login")) == ["ping"]


async def test_alarm_comes_though_the_rescue_is_off(rescue: Rescue) -> None:
    await rescue.bot.says("rescue off")

    assert kinds(await rescue.bot.reads(rescue.login("eve"))) == ["alarm"]


async def test_partners_login_test_is_answered_without_a_grant(rescue: Rescue) -> None:
    assert await rescue.bot.hears_partner("#ping") == ["pong"]


async def test_login_test_is_answered_though_much_was_said_to_the_partner_before(rescue: Rescue) -> None:
    for number in range(30):
        await rescue.bot.hears_partner(f"alice@chat: something, {number}")

    assert await rescue.bot.hears_partner("#ping") == ["pong"]


async def test_partner_that_asks_again_and_again_is_left_without_answers(rescue: Rescue) -> None:
    answers = [answer for _ in range(20) for answer in await rescue.bot.hears_partner("qr")]

    assert len(answers) < 10


async def test_answer_that_nobody_waits_for_is_met_with_silence(rescue: Rescue) -> None:
    assert await rescue.bot.hears_partner("pong") == []


@pytest.mark.parametrize("text", ["qr", "status", "QR", "ｑｒ。", "二维码", "状态"])
async def test_partner_may_ask_for_the_code_and_the_state(rescue: Rescue, text: str) -> None:
    assert len(await rescue.bot.hears_partner(text)) == 1


@pytest.mark.parametrize("text", ["rescue off", "disable-qrRescue", "enable-qrRescue", "help", "hello"])
async def test_partner_may_do_nothing_else(rescue: Rescue, text: str) -> None:
    assert await rescue.bot.hears_partner(text) == []


@pytest.mark.parametrize("text", ["qr", "status", "二维码", "ＱＲ。", "状态！", "rescue_bob qr"])
async def test_command_of_the_partner_is_no_answer_to_a_test(rescue: Rescue, text: str) -> None:
    await rescue.bot.reads(rescue.scan(key=""))
    await rescue.bot.hears_partner(text)

    assert kinds(await rescue.bot.passes(seconds=8)) == ["picture"]


@pytest.mark.parametrize(("off", "on"), [("rescue off", "rescue on"), ("disable-qrRescue", "enable-qrRescue")])
async def test_rescue_that_is_off_is_silent_over_a_restart_until_it_is_on(rescue: Rescue, off: str, on: str) -> None:
    await rescue.bot.says(off)
    await rescue.bot.restarts(killed=True)
    silent = await rescue.bot.reads(rescue.logout(), rescue.scan())
    await rescue.bot.says(on)

    assert silent == []
    assert kinds(await rescue.bot.reads(rescue.scan(NEWER))) == ["picture"]


async def test_state_says_that_the_rescue_is_off(rescue: Rescue) -> None:
    (answer,) = await rescue.bot.says("rescue off")

    assert str(answer).endswith("The rescue is off.")


async def test_outage_that_lasts_is_told_to_the_fallback_too(harness: Harness) -> None:
    rescue = Rescue(harness(QrRescue(partner=PARTNER, escalate_minutes=3), fallback=["owner@phone"], pair_key=KEY))
    await rescue.bot.reads(rescue.scan())
    told = await rescue.bot.passes(minutes=3)

    assert kinds(told) == ["picture"]
    assert rescue.bot.told[-1].to == ("owner", "owner@phone")


async def test_login_ends_what_would_be_told_of_an_outage_that_lasts(harness: Harness) -> None:
    rescue = Rescue(harness(QrRescue(partner=PARTNER, escalate_minutes=3), fallback=["owner@phone"], pair_key=KEY))
    await rescue.bot.reads(rescue.scan(), rescue.login())
    await rescue.bot.hears_partner("pong")

    assert await rescue.bot.passes(minutes=30) == []


async def test_own_patterns_replace_the_usual_ones(harness: Harness) -> None:
    operation = QrRescue(partner=PARTNER, scan_pattern=r"^CODE (?P<url>\S+)$", login_pattern=r"^WELCOME (?P<name>.+)$")
    rescue = Rescue(harness(operation, pair_key=KEY))
    asked = await rescue.bot.reads(f"CODE {CODE}")
    sent = await rescue.bot.passes(seconds=8)

    assert (kinds(asked), kinds(sent)) == (["ping"], ["picture"])
    await rescue.bot.passes(minutes=1)
    assert kinds(await rescue.bot.reads("WELCOME Bob")) == ["ping"]


@pytest.mark.parametrize(
    "settings", [{"scan_pattern": "("}, {"push_minutes": 0}, {"login_test": ""}, {"unverified_per_minute": 0}, {"nonsense": 1}]
)
def test_setting_that_makes_no_sense_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        QrRescue(partner=PARTNER, **settings)  # type: ignore[arg-type] # that is the point
