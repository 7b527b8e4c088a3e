"""The wechaty channel against a real gateway; only WeChat behind it is played."""

import asyncio
import contextlib
import os
import re
import socket
import sys
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio
import structlog

from opsbot.adapters.channels.wechaty.channel import FILE_LIMIT_BYTES, TAKE_OVER_AFTER, WechatyChannel
from opsbot.adapters.channels.wechaty.compat import load
from opsbot.adapters.channels.wechaty.connection import Connection
from opsbot.adapters.channels.wechaty.gateway import Patience, gateway_at
from opsbot.core.chat import (
    AccountEvent,
    AccountEventKind,
    Attachment,
    Chat,
    Contact,
    OutgoingMessage,
    ScanStatus,
)
from opsbot.core.errors import ChannelUnavailableError, MessageRejectedError
from opsbot.core.ports import Account, Channel
from tests.peers.gateway import Gateway, GatewayRefusedError, Sent
from tests.peers.install import MODULES, installed

pytestmark = [
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not installed(), reason="the npm peers are missing: python -m tests.peers.install"),
]

PATIENCE_S = 10.0
TOKEN = "a-token-nobody-may-see"
BOT, BOSS, NAMESAKE, EVE, OPS = "wxid_bot", "wxid_boss", "wxid_boss_too", "wxid_eve", "100@chatroom"
QUICK = Patience(call_s=2.0, name_s=1.0, send_s=1.0, ping_every_s=0.5, pong_within_s=0.5)
PICTURE = Attachment("code.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
Item = TypeVar("Item")


class RealClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with Gateway(tmp_path_factory.mktemp("gateway"), token=TOKEN, heartbeat_s=0) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(peer: Gateway) -> Gateway:
    """The gateway as every test finds it: bot is logged in, nobody is connected, nothing was sent."""
    await peer.start()
    await peer.up()
    await peer.wait_until("disconnected")
    await peer.fail(0)
    await peer.delay(0)
    if (await peer.state()).login:
        await peer.logout()
    people = {BOT: "OpsBot", BOSS: "Boss", NAMESAKE: "Boss", EVE: "Eve"}
    await peer.contacts([{"id": one, "name": name, "weixin": f"{one}-weixin"} for one, name in people.items()])
    await peer.room(OPS, topic="Ops", members=list(people), aliases={})
    await peer.login(BOT)
    await peer.clear_sent()
    return peer


def channel_of(gateway: Gateway, **settings: Any) -> WechatyChannel:
    given: dict[str, Any] = {"token": gateway.token, "tls": False, **settings}
    return WechatyChannel("wechat", gateway.end_point, clock=RealClock(), **given)


@asynccontextmanager
async def a_bot(gateway: Gateway, **settings: Any) -> AsyncIterator[WechatyChannel]:
    """A connected channel that knows of its login."""
    async with asyncio.timeout(60), channel_of(gateway, **settings) as bot:
        await take(bot.account_events(), 1)
        yield bot


@asynccontextmanager
async def a_foreign_client(gateway: Gateway) -> AsyncIterator[Any]:
    """Another client's stub: what any wechaty bot uses."""
    wire = load()
    channel = wire.channel("127.0.0.1", gateway.port)
    try:
        yield wire.puppet_stub(channel, metadata={"authorization": f"Wechaty {gateway.token}"})
    finally:
        channel.close()


async def take(stream: AsyncIterator[Item], n: int, patience_s: float = PATIENCE_S) -> list[Item]:
    async with asyncio.timeout(patience_s):
        return [await anext(stream) for _ in range(n)]


async def said_by(bot: WechatyChannel, gateway: Gateway) -> list[str]:
    """Give the texts that arrived until now."""
    await gateway.message(BOSS, "the last one")
    texts: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        async for message in bot.messages():
            if message.text == "the last one":
                break
            texts.append(message.text)
    return texts


async def loss_of(bot: WechatyChannel, patience_s: float = PATIENCE_S) -> ChannelUnavailableError:
    """Wait until the connection is lost; gives how that is told."""
    try:
        async with asyncio.timeout(patience_s):
            async for _ in bot.messages():
                pass
    except ChannelUnavailableError as exc:
        return exc
    raise AssertionError("the stream ended without an error")


async def why_not(channel: WechatyChannel) -> ChannelUnavailableError:
    """Try to connect; gives why that fails."""
    with pytest.raises(ChannelUnavailableError) as caught:
        await asyncio.wait_for(channel.__aenter__(), 30)
    return caught.value


def to(chat_id: str, text: str = "", attachment: Attachment | None = None) -> OutgoingMessage:
    return OutgoingMessage(chat=Chat("wechat", chat_id), text=text, attachment=attachment)


def texts(sent: Sequence[Sent]) -> list[str | None]:
    return [one.text for one in sent]


# --- the account


async def test_a_wechaty_channel_is_a_channel_with_an_account(gateway: Gateway) -> None:
    channel: Channel = channel_of(gateway)

    assert isinstance(channel, Account)
    assert channel.capabilities.has_account
    assert not channel.capabilities.edits


async def test_a_login_is_told_on_connecting_with_id_and_name(gateway: Gateway) -> None:
    async with channel_of(gateway) as bot:
        (event,) = await take(bot.account_events(), 1)

    assert (event.kind, event.account_id, event.account_name) == (AccountEventKind.LOGIN, BOT, "OpsBot")


async def test_a_login_is_told_again_after_a_reconnect(gateway: Gateway) -> None:
    channel = channel_of(gateway)
    seen = []
    for _ in range(2):
        async with channel:
            seen += await take(channel.account_events(), 1)
        await gateway.wait_until("disconnected")

    assert [event.account_id for event in seen] == [BOT, BOT]


async def test_a_login_code_is_told_with_its_payload(gateway: Gateway) -> None:
    await gateway.logout()
    async with channel_of(gateway) as bot:
        await gateway.scan("http://weixin.qq.com/x/AbC==", 2)
        (event,) = await take(bot.account_events(), 1)

    assert (event.kind, event.scan_status, event.payload) == (
        AccountEventKind.SCAN,
        ScanStatus.WAITING,
        "http://weixin.qq.com/x/AbC==",
    )


async def test_a_code_that_already_waits_is_told_on_connecting(gateway: Gateway) -> None:
    await gateway.logout()
    await gateway.scan("http://weixin.qq.com/x/waits", 2)
    async with channel_of(gateway) as bot:
        (event,) = await take(bot.account_events(), 1)

    assert event.payload == "http://weixin.qq.com/x/waits"


async def test_every_state_of_a_login_code_has_its_name(gateway: Gateway) -> None:
    await gateway.logout()
    async with channel_of(gateway) as bot:
        for status in (0, 1, 2, 3, 4, 5, 99):
            await gateway.emit("scan", {"status": status})
        # That the account was logged out before may be said between them.
        scans = (event async for event in bot.account_events() if event.kind is AccountEventKind.SCAN)
        events = await take(scans, 7)

    assert [event.scan_status.value for event in events] == [
        "Unknown",
        "Cancel",
        "Waiting",
        "Scanned",
        "Confirmed",
        "Timeout",
        "Unknown",
    ]


async def test_a_second_login_on_the_same_connection_is_delivered(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.logout("taken away")
        await gateway.login(BOT)
        events = []
        async with asyncio.timeout(PATIENCE_S):
            async for event in bot.account_events():
                events.append(event)
                if event.kind is AccountEventKind.LOGIN:
                    break

    assert [event.kind.value for event in events if event.kind is not AccountEventKind.READY] == ["logout", "login"]


async def test_a_logout_carries_the_reason_of_the_platform(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.logout("logged in elsewhere")
        event = await first(bot.account_events(), AccountEventKind.LOGOUT)

    assert (event.account_id, event.reason) == (BOT, "logged in elsewhere")


async def test_a_logout_without_a_reason_is_a_logout(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.emit("logout", {"contactId": BOT})
        event = await first(bot.account_events(), AccountEventKind.LOGOUT)

    assert (event.account_id, event.reason) == (BOT, "")


async def first(stream: AsyncIterator[AccountEvent], kind: AccountEventKind) -> AccountEvent:
    async with asyncio.timeout(PATIENCE_S):
        async for event in stream:
            if event.kind is kind:
                return event
    raise AssertionError("the stream ended")


async def test_friend_requests_and_room_joins_are_typed_events(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.emit("friendship", {"friendshipId": "f1"})
        await gateway.emit("room-join", {"inviteeIdList": [BOT], "inviterId": BOSS, "roomId": OPS, "timestamp": 1})
        kinds = {event.kind for event in await take(bot.account_events(), 3)}

    assert kinds == {AccountEventKind.READY, AccountEventKind.FRIEND_REQUEST, AccountEventKind.ROOM_JOIN}


async def test_logging_out_ends_the_login_at_the_gateway(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await bot.log_out()
        await first(bot.account_events(), AccountEventKind.LOGOUT)
        state = await gateway.state()

    assert state.login is None


async def test_contacts_are_persons_with_their_weixin_and_rooms(gateway: Gateway) -> None:
    async with channel_of(gateway) as bot:
        known = await bot.contacts()

    assert Contact(BOSS, "Boss", f"{BOSS}-weixin") in known
    assert Contact(OPS, "Ops", is_room=True) in known


async def test_contacts_of_an_account_that_is_out_are_not_to_be_had(gateway: Gateway) -> None:
    await gateway.logout()
    async with channel_of(gateway) as bot:
        with pytest.raises(ChannelUnavailableError, match="nobody is logged in"):
            await bot.contacts()


async def test_a_thousand_contacts_are_listed_once_each_in_order(gateway: Gateway) -> None:
    await gateway.contacts([{"id": f"many_{n}", "name": f"Many {n}"} for n in range(1000)])
    async with channel_of(gateway) as bot:
        known = [one.name for one in await bot.contacts() if one.contact_id.startswith("many_")]

    assert known == [f"Many {n}" for n in range(1000)]


# --- messages coming in


async def test_a_direct_message_arrives_as_it_was_written(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        arrived = await gateway.message(BOSS, "qr 请\nnow 🦆")
        (message,) = await take(bot.messages(), 1)

    assert message.message_id == arrived.id
    assert message.chat == Chat("wechat", BOSS)
    assert (message.sender_id, message.sender_name, message.text) == (BOSS, "Boss", "qr 请\nnow 🦆")
    assert not message.is_own
    assert not message.mentions_bot
    assert abs(message.received_at - message.sent_at) < timedelta(seconds=5)


async def test_namesakes_are_told_apart_by_id(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.message(NAMESAKE, "restart")
        (message,) = await take(bot.messages(), 1)

    assert (message.sender_id, message.sender_name) == (NAMESAKE, "Boss")


async def test_messages_keep_their_order(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        for n in range(100):
            await gateway.message(BOSS if n % 3 else EVE, str(n))
        messages = await take(bot.messages(), 100)

    assert [message.text for message in messages] == [str(n) for n in range(100)]


async def test_the_accounts_own_message_is_flagged_and_belongs_to_the_chat_it_was_written_in(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.message(BOT, "from the phone", to=BOSS)
        (message,) = await take(bot.messages(), 1)

    assert message.is_own
    assert message.chat == Chat("wechat", BOSS)
    assert message.sender_id == BOT


async def test_what_the_bot_sends_comes_back_flagged_with_the_same_id(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        sent_id = await bot.send(to(BOSS, "hello"))
        (message,) = await take(bot.messages(), 1)

    assert (message.message_id, message.is_own) == (sent_id, True)


async def test_a_room_message_without_a_mention_does_not_speak_to_the_bot(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.message(EVE, "restart bob", room=OPS)
        (message,) = await take(bot.messages(), 1)

    assert message.chat == Chat("wechat", OPS, is_room=True)
    assert (message.text, message.mentions_bot) == ("restart bob", False)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("@OpsBot\u2005restart bob", "restart bob"),
        ("@OpsBot restart bob", "restart bob"),
        ("restart bob @OpsBot\u2005", "restart bob"),
        ("restart @OpsBot\u2005bob", "restart bob"),
        ("restart bob@OpsBot", "restart bob"),
        ("@OpsBot\u2005", ""),
        ("@Nickname\u2005restart bob", "restart bob"),
    ],
)
async def test_a_mention_is_taken_out_wherever_it_stands(gateway: Gateway, written: str, read: str) -> None:
    async with a_bot(gateway) as bot:
        await gateway.message(BOSS, written, room=OPS, mention_ids=[BOT])
        (message,) = await take(bot.messages(), 1)

    assert (message.text, message.mentions_bot) == (read, True)


async def test_a_mention_under_the_name_in_this_room_is_taken_out_beside_others(gateway: Gateway) -> None:
    await gateway.room(OPS, aliases={BOT: "Robot of Ops"})
    async with a_bot(gateway) as bot:
        await gateway.message(BOSS, "@Eve\u2005@Robot of Ops\u2005restart", room=OPS, mention_ids=[EVE, BOT])
        (message,) = await take(bot.messages(), 1)

    assert (message.text, message.mentions_bot) == ("@Eve restart", True)


async def test_a_name_in_front_speaks_to_the_bot_where_the_platform_reports_no_mentions(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.message(BOSS, "@opsbot restart", room=OPS)
        (message,) = await take(bot.messages(), 1)

    assert (message.text, message.mentions_bot) == ("restart", True)


@pytest.mark.parametrize("text", ["@OpsBot2 restart", "ask @OpsBot for it", "@Eve\u2005OpsBot is slow"])
async def test_a_name_elsewhere_does_not_speak_to_the_bot(gateway: Gateway, text: str) -> None:
    async with a_bot(gateway) as bot:
        await gateway.message(BOSS, text, room=OPS, mention_ids=[EVE])
        (message,) = await take(bot.messages(), 1)

    assert (message.text, message.mentions_bot) == (text, False)


async def test_a_call_to_everybody_does_not_speak_to_the_bot(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.message(BOSS, "@所有人\u2005restart", room=OPS, mention_ids=[BOT, EVE, BOSS])
        (message,) = await take(bot.messages(), 1)

    assert not message.mentions_bot


@pytest.mark.parametrize("kind", [1, 6, 13, 16, 42])
async def test_a_message_that_is_no_text_is_skipped(gateway: Gateway, kind: int) -> None:
    async with a_bot(gateway) as bot:
        await gateway.message(BOSS, "not a text", message_type=kind)

        assert await said_by(bot, gateway) == []


async def test_a_message_that_the_gateway_does_not_know_is_skipped(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.emit("message", {"messageId": "long-gone"})

        assert await said_by(bot, gateway) == []


@pytest.mark.parametrize("event", ["message", "scan", "login", "logout", "ready", "dirty", "error", "heartbeat", "dong"])
@pytest.mark.parametrize("payload", [None, {}, [], "text", 7, {"messageId": 7, "contactId": [], "qrcode": {}, "status": "x"}])
async def test_junk_in_an_event_does_not_end_the_stream(gateway: Gateway, event: str, payload: Any) -> None:
    async with a_bot(gateway) as bot:
        with contextlib.suppress(GatewayRefusedError):  # some of it the gateway itself cannot bear
            await gateway.emit(event, payload)

        assert await said_by(bot, gateway) == []


@pytest.mark.parametrize("event", ["room-invite", "room-leave", "room-topic", "reset", "tag", "post", "verify-code"])
async def test_an_event_of_no_concern_is_ignored(gateway: Gateway, event: str) -> None:
    async with a_bot(gateway) as bot:
        with contextlib.suppress(GatewayRefusedError):
            await gateway.emit(event, {"a": 1})

        assert await said_by(bot, gateway) == []


async def test_a_name_that_changed_is_asked_for_again(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.message(BOSS, "before")
        await take(bot.messages(), 1)
        await gateway.contact(BOSS, name="Big Boss")
        await gateway.message(BOSS, "after")
        (message,) = await take(bot.messages(), 1)

    assert message.sender_name == "Big Boss"


async def test_a_stamp_in_seconds_is_understood(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.message(BOSS, "old", timestamp_ms=1_600_000_000)
        (message,) = await take(bot.messages(), 1)

    assert message.sent_at == datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)


# --- messages going out


async def test_a_text_arrives_at_the_contact(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        sent_id = await bot.send(to(BOSS, "你好 🦆\nsecond line"))

    (sent,) = await gateway.sent()
    assert (sent.id, sent.contact_id, sent.text) == (sent_id, BOSS, "你好 🦆\nsecond line")


async def test_a_text_arrives_in_a_room(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await bot.send(OutgoingMessage(chat=Chat("wechat", OPS, is_room=True), text="to all"))

    (sent,) = await gateway.sent()
    assert (sent.room_id, sent.text) == (OPS, "to all")


async def test_a_picture_arrives_byte_for_byte_behind_its_caption(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        sent_id = await bot.send(to(BOSS, "scan this", PICTURE))

    caption, picture = await gateway.sent()
    assert caption.text == "scan this"
    assert picture.file is not None
    assert (picture.file.name, picture.file.content, picture.id) == ("code.png", PICTURE.content, sent_id)


async def test_a_file_at_the_limit_is_sent(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await bot.send(to(BOSS, attachment=Attachment("log.txt", "text/plain", os.urandom(FILE_LIMIT_BYTES))))

    (sent,) = await gateway.sent()
    assert sent.file is not None
    assert len(sent.file.content) == FILE_LIMIT_BYTES == bot.capabilities.file_limit_bytes


async def test_a_file_above_the_limit_is_rejected_with_its_caption_unsent(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        with pytest.raises(MessageRejectedError, match="3000001 bytes"):
            await bot.send(to(BOSS, "look", Attachment("log.txt", "text/plain", bytes(FILE_LIMIT_BYTES + 1))))

    assert await gateway.attempts() == []


async def test_an_empty_message_is_rejected(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        with pytest.raises(MessageRejectedError):
            await bot.send(to(BOSS))


@pytest.mark.parametrize("chat_id", ["nobody", "999@chatroom"])
async def test_a_chat_that_does_not_exist_is_rejected(gateway: Gateway, chat_id: str) -> None:
    async with a_bot(gateway) as bot:
        with pytest.raises(MessageRejectedError, match="not found") as caught:
            await bot.send(to(chat_id, "anybody?"))

    assert "\n" not in str(caught.value)


async def test_a_contact_that_is_no_friend_any_more_is_rejected(gateway: Gateway) -> None:
    await gateway.contact("wxid_ex", friend=False)
    async with a_bot(gateway) as bot:
        with pytest.raises(MessageRejectedError):
            await bot.send(to("wxid_ex", "hello"))


@pytest.mark.parametrize("error", ["risk control", "not logged in", "rate limit exceeded", "upload of the user's file timed out"])
async def test_any_other_refusal_of_the_puppet_may_pass(gateway: Gateway, error: str) -> None:
    async with a_bot(gateway) as bot:
        await gateway.fail(error=error)
        with pytest.raises(ChannelUnavailableError, match=error) as caught:
            await bot.send(to(BOSS, "hello"))

    assert not caught.value.maybe_sent


async def test_a_caption_without_its_picture_counts_as_maybe_sent(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.delay(300)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(outcome_of(bot, to(BOSS, "scan this", PICTURE)))
            await gateway.wait_sent(lambda sent: sent.text == "scan this")
            await gateway.fail(error="risk control")

    assert isinstance(sending.result(), ChannelUnavailableError)
    assert sending.result().maybe_sent  # type: ignore[union-attr]


async def outcome_of(bot: WechatyChannel, message: OutgoingMessage) -> str | ChannelUnavailableError:
    try:
        return await bot.send(message)
    except ChannelUnavailableError as exc:
        return exc


async def test_a_message_for_which_the_puppet_has_no_id_is_sent(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.fail(mode="no_id")
        sent_id = await bot.send(to(BOSS, "hello"))

    assert (sent_id, texts(await gateway.sent())) == ("", ["hello"])


async def test_a_send_that_is_not_answered_ends_in_time_and_is_maybe_sent(gateway: Gateway) -> None:
    async with a_bot(gateway, patience=QUICK) as bot:
        await gateway.delay(5000)
        with pytest.raises(ChannelUnavailableError, match="did not answer within 1 s") as caught:
            async with asyncio.timeout(3):
                await bot.send(to(BOSS, "slow"))

    assert caught.value.maybe_sent


async def test_a_send_that_was_given_up_leaves_no_task_behind(gateway: Gateway) -> None:
    async with a_bot(gateway, patience=QUICK) as bot:
        await gateway.fail(mode="hang")
        await outcome_of(bot, to(BOSS, "slow"))
        await until_no_call_is_left()


async def until_no_call_is_left() -> None:
    async with asyncio.timeout(1):
        while any(task.get_name().startswith("call:") for task in asyncio.all_tasks()):  # noqa: ASYNC110 - a task ends unannounced
            await asyncio.sleep(0)


async def test_a_send_that_is_not_answered_does_not_hold_up_another_chat(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.fail(mode="hang")
        async with asyncio.TaskGroup() as tasks:
            hanging = tasks.create_task(bot.send(to(EVE, "hangs")))
            await until_attempted(gateway)
            await bot.send(to(BOSS, "passes"))
            hanging.cancel()

    assert texts(await gateway.sent()) == ["passes"]


async def until_attempted(gateway: Gateway) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await gateway.attempts():
                return


async def test_nothing_is_sent_while_nobody_is_logged_in(gateway: Gateway) -> None:
    await gateway.logout()
    async with channel_of(gateway) as bot:
        with pytest.raises(ChannelUnavailableError, match="nobody is logged in") as caught:
            await bot.send(to(BOSS, "hello"))

    assert not caught.value.maybe_sent
    assert await gateway.attempts() == []


async def test_nothing_is_sent_after_the_channel_was_left(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        pass

    with pytest.raises(ChannelUnavailableError, match="not connected") as caught:
        await bot.send(to(BOSS, "hello"))
    assert not caught.value.maybe_sent


async def test_editing_is_rejected(gateway: Gateway) -> None:
    with pytest.raises(MessageRejectedError):
        await channel_of(gateway).edit("1", to(BOSS, "new"))


# --- connections


async def test_a_gateway_that_is_down_is_said_to_be_down(gateway: Gateway) -> None:
    await gateway.kill()

    assert "connection refused" in str(await why_not(channel_of(gateway)))


async def test_a_wechaty_stack_that_does_not_import_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wechaty_grpc.wechaty", None)

    assert "pip install" in str(await why_not(WechatyChannel("wechat", "127.0.0.1:9", "t", RealClock())))


async def test_a_gateway_that_takes_no_calls_is_given_up_in_time(gateway: Gateway) -> None:
    gateway.freeze()
    try:
        fault = await why_not(channel_of(gateway, patience=QUICK))
    finally:
        gateway.thaw()

    assert "gateway" in str(fault)


async def test_a_server_that_is_no_gateway_is_an_unavailable_channel() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1")
    async with server:
        port = server.sockets[0].getsockname()[1]
        await why_not(WechatyChannel("wechat", f"127.0.0.1:{port}", "t", RealClock(), tls=False))


async def test_a_server_that_is_silent_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        channel = WechatyChannel(
            "wechat", f"127.0.0.1:{silent.getsockname()[1]}", "t", RealClock(), tls=False, patience=Patience(call_s=0.3)
        )
        await why_not(channel)


async def test_a_killed_gateway_ends_the_streams_and_its_return_is_reconnected(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.kill()
        fault = await loss_of(bot)
        rest = [event async for event in bot.account_events()]
    await gateway.start()
    async with bot:
        (event,) = await take(bot.account_events(), 1)
        await bot.send(to(BOSS, "back"))

    assert "lost" in str(fault)
    assert [one.kind for one in rest if one.kind is not AccountEventKind.READY] == []
    assert event.account_id == BOT
    assert texts(await gateway.sent()) == ["back"]


async def test_a_send_that_a_dying_gateway_leaves_unanswered_is_maybe_sent(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.delay(10_000)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(outcome_of(bot, to(BOSS, "lost")))
            await until_attempted(gateway)
            await gateway.kill()
        fault = sending.result()

    assert isinstance(fault, ChannelUnavailableError)
    assert fault.maybe_sent


async def test_a_lost_connection_leaves_no_cancellation_counted_in_the_tasks_that_used_it(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        await gateway.delay(10_000)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(cancellations_after(outcome_of(bot, to(BOSS, "lost"))))
            reading = tasks.create_task(cancellations_after(loss_of(bot)))
            await until_attempted(gateway)
            await gateway.kill()

    assert (sending.result(), reading.result()) == (0, 0)


async def cancellations_after(awaitable: Any) -> int:
    await awaitable
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


async def test_a_frozen_gateway_is_noticed_within_its_two_bounds(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        started_s = asyncio.get_running_loop().time()
        gateway.freeze()
        try:
            await loss_of(bot, patience_s=25)
        finally:
            gateway.thaw()
        elapsed_s = asyncio.get_running_loop().time() - started_s

    assert elapsed_s < 16


async def test_a_gateway_that_freezes_after_a_long_silence_is_noticed_as_fast(gateway: Gateway) -> None:
    async with a_bot(gateway, patience=QUICK) as bot:
        await asyncio.sleep(2)  # several pings long: the library's own limits would have stopped them by now
        gateway.freeze()
        try:
            fault = await loss_of(bot, patience_s=3)
        finally:
            gateway.thaw()

    assert "lost" in str(fault)


@asynccontextmanager
async def a_connection_to_a_peer_that_takes_no_bytes() -> AsyncIterator[Connection]:
    """A peer that allows any amount of data and then reads none of it, as behind a network that swallows everything."""
    settings, window = "0000060400000000000004" + "7fffffff", "000004080000000000" + "7fff0000"
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        gateway = gateway_at(f"127.0.0.1:{listener.getsockname()[1]}", "t", tls=False, tls_ca_file=None)
        async with asyncio.TaskGroup() as tasks:
            connection = Connection(load(), gateway, QUICK, tasks)
            await connection.open()
            accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
            with accepted:
                accepted.sendall(bytes.fromhex(settings + window))
                await asyncio.sleep(0.1)  # for the client to read it
                yield connection
            connection.close()


async def test_bytes_that_nobody_takes_end_the_connection() -> None:
    async with a_connection_to_a_peer_that_takes_no_bytes() as connection:
        with pytest.raises(ChannelUnavailableError, match="was lost"):
            await connection.call("message_send_text", within_s=8, conversation_id="x", text="x" * 30_000_000)


async def test_bytes_that_nobody_takes_do_not_outlive_the_connection() -> None:
    async with a_connection_to_a_peer_that_takes_no_bytes() as connection, asyncio.TaskGroup() as tasks:
        big = {"conversation_id": "x", "text": "x" * 30_000_000}
        sending = tasks.create_task(call_outcome(connection, "message_send_text", big))
        await asyncio.sleep(0.2)  # for the buffers to fill
        before = await asyncio.to_thread(os.listdir, "/proc/self/fd")
        connection.close()
        await sending
        after = await asyncio.to_thread(os.listdir, "/proc/self/fd")

    assert len(after) == len(before) - 1


async def call_outcome(connection: Connection, method: str, arguments: dict[str, str]) -> None:
    with contextlib.suppress(ChannelUnavailableError):
        await connection.call(method, within_s=8, **arguments)


async def test_an_idle_connection_to_a_healthy_gateway_stays(gateway: Gateway) -> None:
    async with a_bot(gateway, patience=QUICK) as bot:
        await asyncio.sleep(2.5)  # several pings long
        await gateway.message(BOSS, "still there?")
        (message,) = await take(bot.messages(), 1)

    assert message.text == "still there?"


async def test_a_frozen_gateway_does_not_hold_up_leaving(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        gateway.freeze()
        try:
            async with asyncio.TaskGroup() as tasks:
                big = Attachment("log.txt", "text/plain", bytes(FILE_LIMIT_BYTES))
                sending = tasks.create_task(outcome_of(bot, to(BOSS, attachment=big)))
                await asyncio.sleep(0.1)  # for its bytes to fill the buffers
                async with asyncio.timeout(1):
                    await bot.__aexit__(None, None, None)
        finally:
            gateway.thaw()

    assert isinstance(sending.result(), ChannelUnavailableError)


async def test_leaving_twice_and_entering_again_is_fine(gateway: Gateway) -> None:
    channel = channel_of(gateway)
    async with channel:
        await channel.__aexit__(None, None, None)
    async with channel:
        assert len(await take(channel.account_events(), 1)) == 1


async def test_leaving_ends_both_streams_without_an_error(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        messages, events = bot.messages(), bot.account_events()
    rest = [one async for one in messages], [one async for one in events]

    assert rest == ([], rest[1])


async def test_a_task_that_is_cancelled_while_connecting_leaves_nothing_behind(gateway: Gateway) -> None:
    gateway.freeze()
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await channel_of(gateway).__aenter__()
    finally:
        gateway.thaw()

    assert len(asyncio.all_tasks()) == 1


async def test_a_kick_is_said_to_be_one_and_asks_for_a_pause(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot, a_foreign_client(gateway) as other:
        await other.stop()
        fault = await loss_of(bot)

    assert "another client took over" in str(fault)
    assert fault.retry_after_s == 30


async def test_a_puppet_that_was_stopped_is_started_on_reconnecting(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot, a_foreign_client(gateway) as other:
        await other.stop()
        await loss_of(bot)
    stopped = await gateway.state()
    async with a_bot(gateway):
        started = await gateway.state()

    assert (stopped.raw["puppet_active"], started.raw["puppet_active"]) == (False, True)


async def test_nothing_is_sent_after_a_kick_though_the_gateway_would_take_it(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot, a_foreign_client(gateway) as other:
        await other.stop()
        await loss_of(bot)
        with pytest.raises(ChannelUnavailableError, match="not connected"):
            await bot.send(to(BOSS, "too late"))

    assert await gateway.sent() == []


async def test_a_gateway_that_serves_another_client_is_left_to_it(gateway: Gateway) -> None:
    async with a_bot(gateway) as earlier:
        fault = await why_not(channel_of(gateway))
        await gateway.message(BOSS, "undisturbed")
        (message,) = await take(earlier.messages(), 1)

    assert "another client holds the event stream" in str(fault)
    assert message.text == "undisturbed"


async def test_a_client_that_holds_the_gateway_for_long_is_sent_away(gateway: Gateway) -> None:
    later = channel_of(gateway)
    async with a_bot(gateway) as earlier:
        for _ in range(TAKE_OVER_AFTER):
            await why_not(later)
        async with later:
            fault = await loss_of(earlier)
            (event,) = await take(later.account_events(), 1)

    assert "another client took over" in str(fault)
    assert event.account_id == BOT


async def test_too_many_waiting_messages_end_the_connection(gateway: Gateway) -> None:
    async with a_bot(gateway) as bot:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(16):
                tasks.create_task(write_many(gateway, 65))
        fault = await loss_of(bot)

    assert "faster than they are taken" in str(fault)


async def write_many(gateway: Gateway, n: int) -> None:
    for _ in range(n):
        await gateway.message(BOSS, "hello")


async def test_forty_connections_leave_no_descriptor_and_no_task(gateway: Gateway) -> None:
    channel = channel_of(gateway)

    async def cycle() -> None:
        async with channel:
            await take(channel.account_events(), 1)
        await gateway.wait_until("disconnected")

    await cycle()
    before = await asyncio.to_thread(os.listdir, "/proc/self/fd")
    for _ in range(40):
        await cycle()
    after = await asyncio.to_thread(os.listdir, "/proc/self/fd")

    assert len(after) <= len(before)
    assert len(asyncio.all_tasks()) == 1


# --- secrets and side effects


async def test_a_wrong_token_is_told_without_showing_it(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    wrong = "wrong-token-nobody-may-see"
    with structlog.testing.capture_logs() as logged:
        fault = await why_not(channel_of(gateway, token=wrong))

    told = "".join(traceback.format_exception(fault)) + repr(fault) + repr(fault.__context__) + str(logged) + caplog.text
    assert "refuses the token" in str(fault)
    assert wrong not in told


async def test_no_token_and_no_login_code_is_logged(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    code = "http://weixin.qq.com/x/secret-code"
    with structlog.testing.capture_logs() as logged:
        await gateway.logout()
        async with channel_of(gateway) as bot:
            await gateway.scan(code)
            await take(bot.account_events(), 1)
            await gateway.emit("error", {"gerror": f"cannot show {code}"})
            await gateway.login(BOT)
            await first(bot.account_events(), AccountEventKind.LOGIN)
            await bot.send(to(BOSS, "hello"))
            await gateway.kill()
            await loss_of(bot)

    assert [entry["said"] for entry in logged if entry["event"] == "puppet error"] == ["cannot show …"]
    assert "secret-code" not in str(logged) + caplog.text
    assert gateway.token not in str(logged) + caplog.text


ROUND_TRIP = """
import asyncio, os, sys
import structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
connected, written = [], []
def watch(event, given):
    if event == "socket.connect":
        connected.append(given[1])
    elif event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        written.append(given[0])
sys.addaudithook(watch)
from datetime import UTC, datetime
from opsbot.adapters.channels.wechaty.channel import WechatyChannel
from opsbot.core.chat import Attachment, Chat, OutgoingMessage
assert not {"grpclib", "wechaty_grpc"} & sys.modules.keys(), "loaded before it was entered"

class Clock:
    def now(self):
        return datetime.now(UTC)

async def main(endpoint, token):
    async with WechatyChannel("wechat", endpoint, token, Clock(), tls=False) as bot:
        await anext(bot.account_events())
        chat = Chat("wechat", "wxid_boss")
        await bot.send(OutgoingMessage(chat=chat, text="x", attachment=Attachment("a.png", "image/png", b"x")))
        await anext(bot.messages())
        await bot.contacts()
        await bot.log_out()

asyncio.run(main(*sys.argv[1:3]))
host, port = sys.argv[1].split(":")
assert set(connected) == {(host, int(port))}, connected
assert not written, written
heavy = {"wechaty", "wechaty_puppet", "wechaty_puppet_service", "quart", "flask", "sqlalchemy", "apscheduler", "requests"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
"""


async def test_a_whole_round_trip_prints_nothing_writes_nothing_and_reaches_no_other_host(
    gateway: Gateway, tmp_path: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-B", "-W", "error", "-c", ROUND_TRIP, gateway.end_point, gateway.token),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        said, _ = await process.communicate()

    assert (said.decode(), process.returncode) == ("", 0)
    assert await asyncio.to_thread(lambda: [*tmp_path.iterdir()]) == []


# --- TLS


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tls_peer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with Gateway(tmp_path_factory.mktemp("tls"), token=TOKEN, tls=True, heartbeat_s=0) as running:
        await running.login(BOT)
        yield running


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority behind the certificate that gateways have by default."""
    source = (MODULES / "wechaty-puppet-service/dist/esm/src/auth/ca.js").read_text()
    found = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", source, re.DOTALL)
    assert found
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    path.write_text(found[0])
    return path


async def test_a_gateway_with_its_stock_certificate_is_believed_by_its_authority(tls_peer: Gateway, ca_file: Path) -> None:
    async with a_bot(tls_peer, tls=True, tls_ca_file=ca_file) as bot:
        await tls_peer.contact(BOSS)
        await bot.send(to(BOSS, "in private"))

    assert texts(await tls_peer.sent()) == ["in private"]


async def test_a_certificate_of_an_unknown_authority_is_not_believed(tls_peer: Gateway) -> None:
    fault = await why_not(channel_of(tls_peer, tls=True))

    assert "is not believed" in str(fault)
    assert "tls_ca_file" in str(fault)


async def test_a_ca_file_that_is_not_there_is_named(tls_peer: Gateway, tmp_path: Path) -> None:
    fault = await why_not(channel_of(tls_peer, tls=True, tls_ca_file=tmp_path / "none.pem"))

    assert "none.pem" in str(fault)


async def test_a_ca_file_without_a_certificate_is_named(tls_peer: Gateway, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    fault = await why_not(channel_of(tls_peer, tls=True, tls_ca_file=empty))

    assert "empty.pem" in str(fault)


async def test_plain_text_to_a_tls_gateway_hints_at_tls(tls_peer: Gateway) -> None:
    assert "set tls: true" in str(await why_not(channel_of(tls_peer)))


async def test_tls_to_a_plain_text_gateway_hints_at_tls(gateway: Gateway) -> None:
    assert "set tls: false" in str(await why_not(channel_of(gateway, tls=True)))
