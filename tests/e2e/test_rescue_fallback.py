"""When nobody in `tell` can be reached, the code takes another way: real gateways, and Apprise with a server that takes it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from tests.e2e.pair import ARCHY, PAYLOADS, Pair, Plan, is_picture_of, paired
from tests.peers.qr import read_qr

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

pytest.importorskip("apprise", reason="apprise is missing: pip install 'opsbot[apprise]'")

BOB = "wxid_bob"
FALLBACK_AFTER_S = 1.0
WITHIN_S = 20.0


@dataclass
class Phone:
    """What a phone would show: a loopback server that takes what Apprise posts."""

    received: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        self.received.append(json.loads(await request.text()))
        self._came.set()
        return web.Response()

    @property
    def pictures(self) -> list[str]:
        """What an independent reader finds in the pictures that came."""
        files = [file for one in self.received for file in one.get("attachments", [])]
        return [read_qr(base64.b64decode(file["base64"])) for file in files]

    async def shows(self, payload: str) -> None:
        async with asyncio.timeout(WITHIN_S):
            while payload not in self.pictures:
                self._came.clear()
                await self._came.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def phone() -> AsyncIterator[Phone]:
    phone = Phone()
    application = web.Application(client_max_size=10_000_000)
    application.router.add_post("/", phone.take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    phone.url = f"json://{host}:{port}/"
    yield phone
    await runner.cleanup()


def plan(phone: Phone) -> Plan:
    """Three ways besides WeChat: one where nobody answers, a phone, and the page."""
    return Plan(
        channels=(
            "  nowhere: {kind: apprise, url: 'json://127.0.0.1:9/'}\n"
            f"  phone: {{kind: apprise, url: '{phone.url}'}}\n"
            "  page: {kind: local, listen: '127.0.0.1:0'}\n"
        ),
        archy_ids=", page: archy",
        scene_extra="    fallback: [archy@nowhere, archy@phone, archy@page]\n",
        extra=f"notifications: {{fallback_after_s: {FALLBACK_AFTER_S}}}\n",
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory, phone: Phone) -> AsyncIterator[Pair]:
    async with paired(tmp_path_factory.mktemp("pair"), plan(phone)) as pair:
        yield pair


@pytest_asyncio.fixture(loop_scope="module")
async def pair(both: Pair, phone: Phone) -> Pair:
    await both.tidy()
    phone.received.clear()
    return both


async def page_pictures(pair: Pair) -> list[str]:
    """Give what an independent reader finds in the pictures on archy's page."""
    ready = await pair.alice.daemon.wait_logged(lambda line: line.get("event") == "page ready")
    tokens = json.loads(await asyncio.to_thread((pair.alice.database.parent / "local-tokens.json").read_text))
    pictures = []
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {tokens['archy']}"}) as session:
        async with session.get(f"{ready['url'].rstrip('/')}/api/chats/archy/messages?after=0") as answer:
            messages = await answer.json()
        for attachment in (one for message in messages for one in message["attachments"]):
            async with session.get(f"{ready['url'].rstrip('/')}{attachment['url']}") as answer:
                pictures.append(read_qr(await answer.read()))
    return pictures


async def test_while_both_are_out_the_code_reaches_the_first_fallback_that_answers_and_no_further_one(
    pair: Pair, phone: Phone
) -> None:
    payload = next(PAYLOADS)
    await pair.alice.gateway.logout()
    await pair.bob.falls_out()
    await pair.bob.scans(payload)
    await phone.shows(payload)

    assert await pair.alice.pictures() == []
    assert await page_pictures(pair) == []
    assert any("Scan with the account of bob@wechat only" in one["message"] for one in phone.received)


async def test_while_the_code_is_refreshed_faster_than_fallbacks_wait_it_still_reaches_one(pair: Pair, phone: Phone) -> None:
    await pair.alice.gateway.logout()
    await pair.bob.falls_out()
    async with asyncio.timeout(WITHIN_S):
        while not phone.pictures:
            await pair.bob.scans(next(PAYLOADS))
            await asyncio.sleep(FALLBACK_AFTER_S / 3)  # as real puppets do: a fresh code again and again

    assert phone.pictures


async def test_code_that_is_refused_for_everybody_reaches_a_fallback(pair: Pair, phone: Phone) -> None:
    payload = next(PAYLOADS)
    for account in (ARCHY, BOB):
        await pair.alice.gateway.contact(account, friend=False)
    await pair.bob.falls_out()
    await pair.bob.scans(payload)

    await phone.shows(payload)


async def test_code_that_somebody_got_takes_no_other_way(pair: Pair, phone: Phone) -> None:
    payload = next(PAYLOADS)
    await pair.bob.falls_out()
    await pair.bob.scans(payload)
    await pair.alice.gateway.wait_sent(is_picture_of(payload, ARCHY))
    await pair.marks()

    assert phone.pictures == []
