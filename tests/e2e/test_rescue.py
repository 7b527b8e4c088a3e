"""The main job: two `opsbot run` processes on two real gateways rescue each other, and obey `qr` and `restart`."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.pair import OTHER, PAYLOADS, Pair, Side, is_picture_of, paired

pytestmark = [pytest.mark.e2e, pytest.mark.real]

WORKER = "setInterval(() => {}, 1000);\n"


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with paired(tmp_path) as both:
        yield both


def _sides(pair: Pair, out: str) -> tuple[Side, Side]:
    """Give who is out and who rescues."""
    sides = {"alice": pair.alice, "bob": pair.bob}
    return sides[out], sides[OTHER[out]]


@pytest.mark.parametrize("out", ["bob", "alice"])
async def test_a_bot_that_is_out_is_rescued_by_its_partner_and_answers_the_login_test(pair: Pair, out: str) -> None:
    lost, rescuer = _sides(pair, out)
    payload = next(PAYLOADS)

    await lost.gateway.logout()
    await lost.gateway.scan(payload)
    picture = await rescuer.gateway.wait_sent(is_picture_of(payload, lost.account))
    await lost.gateway.login(lost.account)
    test = await rescuer.gateway.wait_sent(lambda sent: sent.text == "#ping", after=picture.seq)
    answer = await lost.gateway.wait_sent(lambda sent: sent.text == "pong", after=0)

    assert (test.contact_id, answer.contact_id) == (lost.account, rescuer.account)


@pytest.mark.parametrize("asker", ["wxid_archy", "wxid_bob"])
async def test_qr_brings_the_newest_code_to_the_owner_and_to_the_partner_on_its_phone(pair: Pair, asker: str) -> None:
    old, new = next(PAYLOADS), next(PAYLOADS)
    await pair.bob.gateway.logout()
    await pair.bob.gateway.scan(old)
    await pair.alice.gateway.wait_sent(is_picture_of(old, "wxid_bob"))
    await pair.bob.gateway.scan(new)
    pushed = await pair.alice.gateway.wait_sent(is_picture_of(new, asker))

    await pair.alice.gateway.message(asker, "qr")

    await pair.alice.gateway.wait_sent(is_picture_of(new, asker), after=pushed.seq)


async def test_restart_raises_the_restart_count_of_a_real_process_by_exactly_one(pair: Pair) -> None:
    script = pair.directory / "worker.js"
    await asyncio.to_thread(script.write_text, WORKER)
    before = await pair.pm2.start(script, "worker")

    await pair.alice.gateway.message("wxid_archy", "restart")
    await pair.alice.gateway.wait_sent(lambda sent: sent.contact_id == "wxid_archy" and "online" in (sent.text or ""), 30)

    after = await pair.pm2.process("worker")
    assert (after.restarts, after.status) == (before.restarts + 1, "online")
