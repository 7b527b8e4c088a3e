"""The gateway peer itself, spoken to with the wechaty stack: what other tests build on must be true."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from opsbot.adapters.channels.wechaty.compat import WechatyWire, load
from tests.peers.gateway import Gateway
from tests.peers.install import NodeMissingError, ensure_peers

pytestmark = pytest.mark.real

HEARTBEAT, MESSAGE, DONG, SCAN, LOGIN, LOGOUT = 1, 2, 3, 22, 25, 26
BOT, BOSS, ROOM = "wxid_bot", "wxid_boss", "100@chatroom"


@pytest.fixture(scope="module")
def wire() -> WechatyWire:
    try:
        ensure_peers()
    except NodeMissingError as exc:
        pytest.skip(str(exc))
    return load()


class Client:
    """A puppet client at its smallest: the stub, and its events in a queue."""

    def __init__(self, wire: WechatyWire, gateway: Gateway) -> None:
        self._wire = wire
        host, _, port = gateway.end_point.partition(":")
        self._channel = wire.channel(host, int(port))
        metadata = {"authorization": f"Wechaty {gateway.token}"}
        self.stub = wire.puppet_stub(self._channel, metadata=metadata, timeout=10.0)
        self._stream = wire.puppet_stub(self._channel, metadata=metadata)
        self._events: asyncio.Queue[tuple[int, dict[str, Any]]] = asyncio.Queue()

    async def listen(self) -> None:
        try:
            async for event in self._stream.event():
                self._events.put_nowait((event.type, json.loads(event.payload)))
        except self._wire.stream_terminated_error:
            pass  # the gateway went away, which is what some tests do

    async def expect(self, wanted: int) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while True:
                kind, payload = await self._events.get()
                if kind == wanted:
                    return payload

    async def heard(self) -> Any:
        return await self.stub.message_payload(id=(await self.expect(MESSAGE))["messageId"])

    def close(self) -> None:
        self._channel.close()


@asynccontextmanager
async def connected(wire: WechatyWire, gateway: Gateway) -> AsyncIterator[Client]:
    client = Client(wire, gateway)
    try:
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(client.listen())
            await client.expect(HEARTBEAT)
            yield client
            listening.cancel()
    finally:
        client.close()


@pytest.fixture
async def gateway(wire: WechatyWire, tmp_path: Path) -> AsyncIterator[Gateway]:  # noqa: ARG001 - wire skips where node is missing
    async with Gateway(tmp_path / "gateway") as peer:
        await peer.contact(BOT, name="Bot")
        await peer.contact(BOSS, name="Boss", weixin="boss-weixin", alias="the boss")
        await peer.room(ROOM, topic="Ops", members=[BOT, BOSS], owner=BOSS)
        yield peer


@pytest.fixture
async def client(wire: WechatyWire, gateway: Gateway) -> AsyncIterator[Client]:
    await gateway.login(BOT)
    async with connected(wire, gateway) as it:
        await it.expect(LOGIN)
        yield it


async def test_scan_and_login_reach_the_client(wire: WechatyWire, gateway: Gateway) -> None:
    async with connected(wire, gateway) as client:
        await gateway.scan("https://login.weixin.qq.com/l/abc==")
        scan = await client.expect(SCAN)
        await gateway.login(BOT)
        login = await client.expect(LOGIN)

    assert scan == {"qrcode": "https://login.weixin.qq.com/l/abc==", "status": 2}
    assert login == {"contactId": BOT}


async def test_waiting_scan_is_repeated_to_a_client_that_connects(wire: WechatyWire, gateway: Gateway) -> None:
    await gateway.scan("https://login.weixin.qq.com/l/waiting")
    await gateway.restart()
    async with connected(wire, gateway) as client:
        assert (await client.expect(SCAN))["qrcode"] == "https://login.weixin.qq.com/l/waiting"


async def test_text_is_recorded_and_answered_with_the_id_of_its_echo(gateway: Gateway, client: Client) -> None:
    answer = await client.stub.message_send_text(conversation_id=BOSS, text="你好 🦆")
    echo = await client.heard()
    sent = await gateway.wait_sent(lambda one: one.contact_id == BOSS)

    assert (sent.text, sent.self_id, sent.id) == ("你好 🦆", BOT, answer.id)
    assert (echo.id, echo.from_id, echo.to_id) == (answer.id, BOT, BOSS)


async def test_file_arrives_byte_for_byte(gateway: Gateway, client: Client) -> None:
    content = os.urandom(100_000)
    filebox = {"name": "qr.png", "type": 1, "boxType": 1, "base64": base64.b64encode(content).decode()}
    await client.stub.message_send_file(conversation_id=BOSS, filebox=json.dumps(filebox))
    sent = await gateway.wait_sent(lambda one: one.kind == "file")

    assert sent.file is not None
    assert (sent.file.name, sent.file.content) == ("qr.png", content)


async def test_private_message_names_its_sender(gateway: Gateway, client: Client) -> None:
    await gateway.message(BOSS, "status")
    message = await client.heard()

    assert (message.from_id, message.to_id, message.room_id, message.text, message.type) == (BOSS, BOT, "", "status", 7)


async def test_room_message_carries_the_room_and_who_was_mentioned(gateway: Gateway, client: Client) -> None:
    await gateway.message(BOSS, "@Bot\u2005status", room=ROOM, mention_ids=[BOT])
    message = await client.heard()

    assert (message.room_id, message.mention_ids, message.from_id) == (ROOM, [BOT], BOSS)


async def test_contacts_and_rooms_are_real(client: Client) -> None:
    boss = await client.stub.contact_payload(id=BOSS)
    room = await client.stub.room_payload(id=ROOM)

    assert (boss.name, boss.weixin, boss.alias, boss.friend) == ("Boss", "boss-weixin", "the boss", True)
    assert (room.topic, room.member_ids, room.owner_id) == ("Ops", [BOT, BOSS], BOSS)


async def test_logout_by_a_client_logs_the_account_out(gateway: Gateway, client: Client) -> None:
    await client.stub.logout()
    logout = await client.expect(LOGOUT)
    state = await gateway.wait_until("logged_out")

    assert logout["contactId"] == BOT
    assert state.login is None


async def test_account_can_log_in_again_after_a_logout(gateway: Gateway, client: Client) -> None:
    await gateway.logout()
    await client.expect(LOGOUT)
    await gateway.scan("https://login.weixin.qq.com/l/second")
    await client.expect(SCAN)
    await gateway.login(BOT)

    assert await client.expect(LOGIN) == {"contactId": BOT}


async def test_kill_and_restart_keep_login_contacts_and_what_was_sent(wire: WechatyWire, gateway: Gateway) -> None:
    await gateway.login(BOT)
    async with connected(wire, gateway) as before:
        await before.stub.message_send_text(conversation_id=BOSS, text="before")
        await gateway.restart()
    async with connected(wire, gateway) as after:
        login = await after.expect(LOGIN)
        await after.stub.message_send_text(conversation_id=BOSS, text="after")

    assert login == {"contactId": BOT}
    assert [one.text for one in await gateway.sent()] == ["before", "after"]


async def test_ordered_failures_hit_the_next_sends_only(wire: WechatyWire, gateway: Gateway, client: Client) -> None:
    await gateway.fail(1, error="risk control")
    with pytest.raises(wire.grpc_error, match="risk control"):
        await client.stub.message_send_text(conversation_id=BOSS, text="refused")
    await gateway.fail(1, mode="no_id")
    without_id = await client.stub.message_send_text(conversation_id=BOSS, text="sent")

    assert without_id.id is None
    assert [one.text for one in await gateway.sent()] == ["sent"]
    assert [one.outcome for one in await gateway.attempts()] == ["error: risk control", "sent"]


async def test_stream_ends_when_grpc_goes_down_and_comes_back_when_it_is_up(wire: WechatyWire, gateway: Gateway) -> None:
    await gateway.login(BOT)
    async with connected(wire, gateway):
        await gateway.wait_until("connected")
        await gateway.down()
        await gateway.wait_until("disconnected")
    await gateway.up()
    async with connected(wire, gateway) as again:
        assert await again.expect(LOGIN) == {"contactId": BOT}


async def test_wired_gateways_carry_a_message_from_one_account_to_the_other(
    wire: WechatyWire, gateway: Gateway, client: Client, tmp_path: Path
) -> None:
    async with Gateway(tmp_path / "other") as other:
        await other.login(BOSS)
        await gateway.wire(BOSS, other)
        async with connected(wire, other) as boss:
            await client.stub.message_send_text(conversation_id=BOSS, text="over there")
            message = await boss.heard()

    assert (message.from_id, message.to_id, message.text) == (BOT, BOSS, "over there")


async def test_tls_gateway_speaks_no_plain_text(wire: WechatyWire, tmp_path: Path) -> None:
    async with Gateway(tmp_path / "tls", tls=True) as secured:
        client = Client(wire, secured)
        with pytest.raises(wire.stream_terminated_error):
            await client.stub.version()
        client.close()
