"""What happens when a gateway or a daemon dies in the middle of something, with the real ones of both."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.pair import ARCHY, PAYLOADS, Pair, Side, is_picture_of, paired

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

BOB = "wxid_bob"
STATE = r"as far as its log says\.$"
SLOW_MS = 1500
STARTED_WITHIN_S = 10.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with paired(tmp_path_factory.mktemp("pair")) as pair:
        yield pair


@pytest_asyncio.fixture(loop_scope="module")
async def pair(both: Pair) -> Pair:
    await both.tidy()
    return both


async def attempted(side: Side, outcome: str) -> None:
    """Wait until the daemon has asked its gateway to send something, with an outcome."""
    async with asyncio.timeout(STARTED_WITHIN_S):
        while not any(one.outcome.startswith(outcome) for one in await side.gateway.attempts()):  # noqa: ASYNC110 - over there
            await asyncio.sleep(0.01)


async def unmarked_repeats(side: Side, to: str) -> list[str]:
    """Give the captions of the pictures that somebody got once more without being told so."""
    captions = ["nothing"]
    repeats: list[str] = []
    pictures = 0
    for sent in await side.gateway.sent():
        if sent.contact_id != to:
            continue
        if sent.text:
            captions.append(sent.text)
        else:
            pictures += 1
            repeats += [captions[-1]] if pictures > 1 and "repeated" not in captions[-1] else []
    return repeats


async def test_gateway_that_was_killed_and_is_back_is_obeyed_again(pair: Pair) -> None:
    log = len(pair.alice.daemon.log)
    await pair.alice.gateway.restart()
    await pair.alice.settle(log)
    answer = await pair.alice.answers("channel wechat", "status status", ARCHY)

    assert re.search(r"channel wechat: RUNNING.*logged in as Alice", answer.text or "")


async def test_gateway_that_is_down_for_a_while_loses_no_message_of_ours(pair: Pair) -> None:
    payload = next(PAYLOADS)
    await pair.alice.gateway.kill()
    await pair.bob.falls_out()
    await pair.bob.scans(payload)
    await pair.alice.gateway.start()

    await pair.alice.gateway.wait_sent(is_picture_of(payload, ARCHY), 40)


async def test_account_that_was_logged_out_while_its_gateway_was_away_is_known_to_be_out(pair: Pair) -> None:
    await pair.bob.falls_out()
    await pair.bob.scans(next(PAYLOADS))
    await pair.bob.gateway.restart()
    log = len(pair.bob.daemon.log)
    await pair.bob.daemon.wait_logged(lambda line: line.get("event") == "login code", 40, after=log)

    await pair.alice.answers("bob@wechat is out|Scan with the account", "rescue_bob qr")


async def test_code_that_a_restarted_gateway_shows_again_is_not_sent_again(pair: Pair) -> None:
    payload = next(PAYLOADS)
    await pair.bob.falls_out()
    await pair.bob.scans(payload)
    await pair.alice.gateway.wait_sent(is_picture_of(payload, ARCHY))
    log = len(pair.bob.daemon.log)
    await pair.bob.gateway.restart()
    await pair.bob.daemon.wait_logged(lambda line: line.get("event") == "login code", 40, after=log)
    await pair.marks()

    assert await pair.alice.pictures() == [payload]


async def test_rescuer_that_is_killed_while_it_sends_slowly_sends_the_code_once_or_says_that_it_repeats(pair: Pair) -> None:
    payload = next(PAYLOADS)
    await pair.bob.falls_out()
    await pair.alice.tells("is out")
    await pair.alice.gateway.delay(SLOW_MS)
    await pair.bob.scans(payload)
    await attempted(pair.alice, "pending")
    await pair.alice.daemon.kill()
    await pair.alice.gateway.delay(0)
    await pair.alice.start_daemon()
    for to in (ARCHY, BOB):
        await pair.alice.gateway.wait_sent(is_picture_of(payload, to))
    await pair.marks()

    assert [await unmarked_repeats(pair.alice, to) for to in (ARCHY, BOB)] == [[], []]


async def test_rescuer_that_is_killed_while_nothing_can_be_sent_sends_the_code_once_it_is_back(pair: Pair) -> None:
    payload = next(PAYLOADS)
    await pair.alice.gateway.fail(1000)
    await pair.bob.falls_out()
    await pair.bob.scans(payload)
    await attempted(pair.alice, "error")
    await pair.alice.daemon.kill()
    await pair.alice.gateway.fail(0)
    await pair.alice.start_daemon()
    for to in (ARCHY, BOB):
        await pair.alice.gateway.wait_sent(is_picture_of(payload, to))
    await pair.marks()

    assert [await unmarked_repeats(pair.alice, to) for to in (ARCHY, BOB)] == [[], []]


async def test_code_that_may_have_arrived_is_marked_as_repeated(pair: Pair) -> None:
    payload = next(PAYLOADS)
    await pair.bob.falls_out()
    await pair.alice.tells("is out")
    await pair.alice.tells("is out", BOB)
    await pair.alice.gateway.fail(1, error="deadline exceeded", mode="hang")
    await pair.bob.scans(payload)
    await attempted(pair.alice, "pending")
    await pair.alice.daemon.kill()
    await pair.alice.start_daemon()
    await pair.alice.gateway.wait_sent(is_picture_of(payload, BOB))

    assert any("repeated" in text for text in [*await pair.alice.texts(), *await pair.alice.texts(BOB)])


async def test_rescuer_that_was_down_sends_what_happened_meanwhile(pair: Pair) -> None:
    payload = next(PAYLOADS)
    await pair.alice.daemon.kill()
    await pair.bob.falls_out()
    await pair.bob.scans(payload)
    await pair.alice.start_daemon()
    await pair.alice.gateway.wait_sent(is_picture_of(payload, ARCHY))
    await pair.marks()

    assert await pair.alice.pictures() == [payload]


async def test_partner_whose_daemon_dies_before_the_code_is_shown_is_rescued_once_it_is_back(pair: Pair) -> None:
    payload = next(PAYLOADS)
    await pair.bob.falls_out()
    await pair.bob.daemon.kill()
    await pair.bob.gateway.scan(payload)
    await pair.bob.daemon.start()

    await pair.alice.gateway.wait_sent(is_picture_of(payload, ARCHY))


async def test_command_that_a_crash_interrupted_is_told_and_not_run_again(pair: Pair) -> None:
    alice = pair.alice
    await alice.gateway.message(ARCHY, "ponder", message_id="ponder-once")
    await alice.tells("^pondering$")
    await alice.daemon.kill()
    await alice.start_daemon()
    await alice.tells("“ponder” was running. It was interrupted and is not run again")
    await alice.gateway.message(ARCHY, "ponder", message_id="ponder-once")
    await alice.answers(STATE, "rescue_bob status")

    assert [text for text in await alice.texts() if text == "pondering"] == ["pondering"]


async def test_interrupted_command_is_told_once(pair: Pair) -> None:
    alice = pair.alice
    await alice.gateway.message(ARCHY, "ponder")
    await alice.tells("^pondering$")
    await alice.daemon.kill()
    await alice.start_daemon()
    await alice.tells("is not run again")
    await alice.daemon.kill()
    await alice.start_daemon()
    await alice.answers(STATE, "rescue_bob status")

    assert len([text for text in await alice.texts() if "is not run again" in text]) == 1
