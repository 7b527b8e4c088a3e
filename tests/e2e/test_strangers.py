"""Who gets nothing run and nothing answered, at a real daemon on a real gateway; the end of the wait is the owner's answer."""

import itertools
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.pair import ARCHY, EVE, ROOM, Pair, Plan, Side, paired
from tests.peers.gateway import Sent

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

ALICE, BOB = "wxid_alice", "wxid_bob"
STATE = "as far as its log says"
ENDLESS = 20
IDS = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with paired(tmp_path_factory.mktemp("pair")) as pair:
        yield pair


@pytest_asyncio.fixture(loop_scope="module")
async def alice(both: Pair) -> Side:
    await both.tidy()
    return both.alice


async def heard_out(alice: Side) -> list[Sent]:
    """Let the owner ask for the state and give all that was sent by the time he had his answer, that answer left out."""
    answer = await alice.answers(STATE, "rescue_bob status", ARCHY)
    return [sent for sent in await alice.gateway.sent() if sent.seq != answer.seq]


def commands(alice: Side, after: int) -> list[str]:
    """Give who had a command started since a line of the daemon's log, watchers left out."""
    started = [line["person"] for line in alice.daemon.log[after:] if line.get("event") == "command"]
    return [person for person in started if not person.startswith("watcher")]


@pytest.mark.parametrize("sender", ["wxid_stranger", EVE])
async def test_stranger_and_namesake_of_the_owner_get_nothing_run_and_nothing_answered(alice: Side, sender: str) -> None:
    log = len(alice.daemon.log)
    for text in ("restart", "qr", "rescue off", "help", "status", "rescue_bob status", "ponder", "#ping", "hello"):
        await alice.gateway.message(sender, text)
    sent = await heard_out(alice)

    assert (sent, commands(alice, log)) == ([], ["archy"])


async def test_stranger_in_a_room_who_mentions_the_bot_gets_nothing(alice: Side) -> None:
    log = len(alice.daemon.log)
    await alice.gateway.message("wxid_stranger", "@Alice\u2005status", room=ROOM, mention_ids=[ALICE])
    sent = await heard_out(alice)

    assert (sent, commands(alice, log)) == ([], ["archy"])


async def test_stranger_gets_no_answer_to_what_is_too_old_either(alice: Side) -> None:
    await alice.gateway.message("wxid_stranger", "status", timestamp_ms=minutes_ago(5))

    assert await heard_out(alice) == []


async def test_id_of_a_stranger_is_logged_on_the_host(alice: Side) -> None:
    log = len(alice.daemon.log)
    await alice.gateway.message(EVE, "status")

    line = await alice.daemon.wait_logged(lambda line: line.get("event") == "stranger", after=log)
    assert (line["sender_id"], line["name"]) == (EVE, "Archy")


async def test_owner_in_a_room_who_does_not_mention_the_bot_gets_nothing(alice: Side) -> None:
    log = len(alice.daemon.log)
    for text in ("status", "restart", "qr"):
        await alice.gateway.message(ARCHY, text, room=ROOM)
    sent = await heard_out(alice)

    assert (sent, commands(alice, log)) == ([], ["archy"])


async def test_owner_in_a_room_who_mentions_the_bot_is_answered_there(alice: Side) -> None:
    await alice.gateway.message(ARCHY, "@Alice\u2005rescue_bob status", room=ROOM, mention_ids=[ALICE])
    answer = await alice.gateway.wait_sent(lambda sent: STATE in (sent.text or ""))

    assert (answer.room_id, answer.contact_id) == (ROOM, None)


@pytest.mark.parametrize("text", ["qr", "status", "二维码"])
async def test_partners_account_may_ask_for_the_code_and_the_state(alice: Side, text: str) -> None:
    await alice.gateway.message(BOB, text)

    answer = await alice.tells(STATE, BOB)
    assert answer.contact_id == BOB


async def test_partners_account_may_do_nothing_else(alice: Side) -> None:
    log = len(alice.daemon.log)
    for text in ("rescue off", "disable-qrRescue", "restart", "help", "ponder", "marker ponder", "hello"):
        await alice.gateway.message(BOB, text)
    sent = await heard_out(alice)

    assert (sent, commands(alice, log)) == ([], ["archy"])
    await alice.answers(rf"{STATE}\.$", "rescue_bob status")


async def test_same_message_id_runs_once(alice: Side) -> None:
    message_id, log = f"twice-{next(IDS)}", len(alice.daemon.log)
    for _ in range(3):
        await alice.gateway.message(ARCHY, "help", message_id=message_id)
    await heard_out(alice)

    assert len(commands(alice, log)) == 2


async def test_same_message_id_runs_once_over_a_restart_of_the_daemon(alice: Side) -> None:
    message_id = f"again-{next(IDS)}"
    await alice.gateway.message(ARCHY, "rescue on", message_id=message_id)
    await alice.tells(STATE)
    await alice.restart_daemon()
    log = len(alice.daemon.log)
    await alice.gateway.message(ARCHY, "rescue on", message_id=message_id)
    await heard_out(alice)

    assert len(commands(alice, log)) == 1
    assert any(line.get("event") == "duplicate message" for line in alice.daemon.log[log:])


def minutes_ago(minutes: float) -> int:
    return int((time.time_ns() // 1_000_000) - minutes * 60_000)


@pytest.mark.parametrize("minutes", [2, -2])
async def test_message_whose_stamp_is_more_than_a_minute_off_is_not_run_and_its_sender_hears_by_how_much(
    alice: Side, minutes: float
) -> None:
    log = len(alice.daemon.log)
    await alice.gateway.message(ARCHY, "rescue off", timestamp_ms=minutes_ago(minutes))
    answer = await alice.tells(r"Too old, not run: the clocks differ by 1[12]\d s")

    await alice.answers(rf"{STATE}\.$", "rescue_bob status")
    assert answer.contact_id == ARCHY
    assert commands(alice, log) == []


async def test_message_that_is_less_than_a_minute_old_is_run(alice: Side) -> None:
    await alice.gateway.message(ARCHY, "rescue_bob status", timestamp_ms=minutes_ago(0.5))

    await alice.tells(STATE)


async def test_what_arrives_right_after_the_login_is_not_run(alice: Side) -> None:
    await alice.gateway.logout()
    log = len(alice.daemon.log)
    await alice.gateway.login(ALICE)
    await alice.gateway.message(ARCHY, "rescue off")
    await alice.tells("just logged in; send that again")
    await alice.settle(log)

    await alice.answers(rf"{STATE}\.$", "rescue_bob status")
    assert commands(alice, log) == []


@pytest.mark.parametrize("to", [ARCHY, BOB])
async def test_own_message_from_the_accounts_phone_is_no_command(alice: Side, to: str) -> None:
    log = len(alice.daemon.log)
    await alice.gateway.message(ALICE, "rescue off", to=to)
    sent = await heard_out(alice)

    assert (sent, commands(alice, log)) == ([], ["archy"])


async def test_two_bots_that_may_everything_and_answer_each_other_come_to_an_end(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # Each is the other's owner, and each answers what it does not understand.
    async with paired(tmp_path_factory.mktemp("loop"), Plan(bot_roles="bot, owner")) as pair:
        await pair.tidy()
        await pair.alice.gateway.message(BOB, "what is this?")
        await pair.bob.tells("I do not know", ALICE)
        said = [await said_to_each_other(pair), await said_to_each_other(pair)]
        while said[-1] != said[-2]:
            assert said[-1] < ENDLESS
            said.append(await said_to_each_other(pair))

    assert 2 <= said[-1] < ENDLESS


async def said_to_each_other(pair: Pair) -> int:
    """Count what the two said to each other by the time both have answered their owner."""
    for side, scene in ((pair.alice, "rescue_bob"), (pair.bob, "rescue_alice")):
        await side.answers(STATE, f"{scene} status")
    return len([sent for side in pair.sides for sent in await side.gateway.sent() if sent.contact_id in (ALICE, BOB)])
