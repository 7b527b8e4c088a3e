"""The demo's platform and its channel, over real loopback connections."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiohttp
import pytest
from aiohttp import web

from opsbot.adapters.channels.simulated.account import AccountState, Owner
from opsbot.adapters.channels.simulated.channel import SimulatedChannel
from opsbot.adapters.channels.simulated.exchange import Room
from opsbot.adapters.channels.simulated.hub import Hub
from opsbot.adapters.channels.simulated.phone import LETTERS_PER_PHONE, Letter, Phones
from opsbot.adapters.channels.simulated.wire import FILE_LIMIT_BYTES, TEXT_LIMIT_CHARS
from opsbot.adapters.clock import SystemClock
from opsbot.core.chat import AccountEvent, AccountEventKind, Attachment, Chat, OutgoingMessage, ScanStatus
from opsbot.core.errors import ChannelUnavailableError, MessageRejectedError

PATIENCE_S = 5.0
Item = TypeVar("Item")
PICTURE = Attachment("code.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
OWNERS = (Owner("alice", "Alice"), Owner("bob", "Bob"), Owner("archy", "Archy", has_gateway=False))
OPS = Room("ops@room", "Ops", frozenset({"alice", "bob"}))


def a_hub(refresh_s: float = 30.0) -> Hub:
    return Hub(OWNERS, SystemClock(), rooms=[OPS], refresh_s=refresh_s, scan_step_s=0.01)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with asyncio.timeout(60), a_hub() as running:
        yield running


def channel_of(hub: Hub, account_id: str, **settings: Any) -> SimulatedChannel:
    return SimulatedChannel("sim", hub.url, account_id, SystemClock(), **settings)


@asynccontextmanager
async def a_page(hub: Hub) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(hub.origin, headers={"Authorization": f"Bearer {hub.token}"}) as session:
        yield session


async def take(stream: AsyncIterator[Item], n: int) -> list[Item]:
    async with asyncio.timeout(PATIENCE_S):
        return [await anext(stream) for _ in range(n)]


def to(chat_id: str, text: str = "", attachment: Attachment | None = None, key: str = "") -> OutgoingMessage:
    return OutgoingMessage(chat=Chat("sim", chat_id), text=text, attachment=attachment, key=key)


def kinds(events: list[AccountEvent]) -> list[str]:
    return [event.scan_status.value if event.kind is AccountEventKind.SCAN else event.kind.value for event in events]


# --- the account


async def test_a_client_of_a_logged_in_account_is_told_login_and_ready(hub: Hub) -> None:
    async with channel_of(hub, "bob") as bob:
        events = await take(bob.account_events(), 2)

    assert kinds(events) == ["login", "ready"]
    assert (events[0].account_id, events[0].account_name) == ("bob", "Bob")


async def test_logging_out_shows_a_code_at_once(hub: Hub) -> None:
    async with channel_of(hub, "bob") as bob:
        hub.exchange.account("bob").log_out("on the phone")
        events = await take(bob.account_events(), 4)

    assert kinds(events) == ["login", "ready", "logout", "Waiting"]
    assert events[3].payload.startswith("http://weixin.qq.com/x/")


async def test_a_client_of_a_logged_out_account_is_told_the_code_that_is_shown_now(hub: Hub) -> None:
    hub.exchange.account("bob").log_out("on the phone")

    async with channel_of(hub, "bob") as bob:
        (event,) = await take(bob.account_events(), 1)

    assert event.payload == hub.exchange.account("bob").code != ""


async def test_a_code_that_nobody_scans_times_out_and_another_one_follows() -> None:
    async with a_hub(refresh_s=0.01) as hub, channel_of(hub, "bob") as bob:
        hub.exchange.account("bob").log_out("on the phone")
        events = (await take(bob.account_events(), 6))[3:]

    assert kinds(events) == ["Waiting", "Timeout", "Waiting"]
    assert events[0].payload == events[1].payload != events[2].payload


async def test_scanning_the_code_brings_the_account_back_step_by_step(hub: Hub) -> None:
    async with channel_of(hub, "bob") as bob:
        hub.exchange.account("bob").log_out("on the phone")
        hub.exchange.account("bob").scan()
        events = await take(bob.account_events(), 8)

    assert kinds(events)[4:] == ["Scanned", "Confirmed", "login", "ready"]


async def test_an_account_that_is_back_can_be_logged_out_again(hub: Hub) -> None:
    async with channel_of(hub, "bob") as bob:
        stream = bob.account_events()
        for _ in range(2):
            hub.exchange.account("bob").log_out("on the phone")
            hub.exchange.account("bob").scan()
            async with asyncio.timeout(PATIENCE_S):
                while (await anext(stream)).scan_status is not ScanStatus.CONFIRMED:
                    pass
                while (await anext(stream)).kind is not AccountEventKind.READY:
                    pass

        assert hub.exchange.account("bob").state is AccountState.LOGGED_IN


async def test_a_code_cannot_be_scanned_twice(hub: Hub) -> None:
    hub.exchange.account("bob").log_out("on the phone")
    hub.exchange.account("bob").scan()

    with pytest.raises(ChannelUnavailableError, match="no code"):
        hub.exchange.account("bob").scan()


async def test_the_daemon_can_log_its_account_out(hub: Hub) -> None:
    async with channel_of(hub, "bob") as bob:
        await bob.log_out()
        events = await take(bob.account_events(), 3)

    assert kinds(events)[-1] == "logout"


# --- messages


async def test_a_message_reaches_the_other_accounts_daemon(hub: Hub) -> None:
    async with channel_of(hub, "alice") as alice, channel_of(hub, "bob") as bob:
        sent_id = await alice.send(to("bob", "#ping\n你好"))
        (message,) = await take(bob.messages(), 1)

    assert (message.message_id, message.text, message.sender_id, message.sender_name) == (
        sent_id,
        "#ping\n你好",
        "alice",
        "Alice",
    )
    assert message.chat == Chat("sim", "alice")
    assert not message.is_own


async def test_an_own_message_comes_back_as_own(hub: Hub) -> None:
    async with channel_of(hub, "alice") as alice:
        await alice.send(to("bob", "hello"))
        (message,) = await take(alice.messages(), 1)

    assert message.is_own
    assert message.chat == Chat("sim", "bob")


async def test_what_the_owner_writes_on_the_phone_comes_from_the_account(hub: Hub) -> None:
    async with channel_of(hub, "alice") as alice, channel_of(hub, "bob") as bob, a_page(hub) as page:
        async with page.post("/api/accounts/bob/messages", json={"to": "alice", "text": "qr"}) as response:
            assert response.status == 202
        (received,) = await take(alice.messages(), 1)
        (echo,) = await take(bob.messages(), 1)

    assert (received.sender_id, received.text, received.is_own) == ("bob", "qr", False)
    assert echo.is_own


async def test_the_order_of_messages_holds(hub: Hub) -> None:
    async with channel_of(hub, "alice") as alice, channel_of(hub, "bob") as bob:
        for n in range(50):
            await alice.send(to("bob", str(n)))
        messages = await take(bob.messages(), 50)

    assert [message.text for message in messages] == [str(n) for n in range(50)]


async def test_a_message_to_a_logged_out_account_stays_on_its_phone(hub: Hub) -> None:
    async with channel_of(hub, "alice") as alice, channel_of(hub, "bob") as bob:
        hub.exchange.account("bob").log_out("on the phone")
        await alice.send(to("bob", "while you were out"))
        hub.exchange.account("bob").scan()
        await take(bob.account_events(), 8)
        await alice.send(to("bob", "now"))
        (message,) = await take(bob.messages(), 1)

    assert message.text == "now"
    assert [letter.text for letter in hub.exchange.phones.letters("bob")] == ["while you were out", "now"]


async def test_a_logged_out_account_cannot_send_now(hub: Hub) -> None:
    async with channel_of(hub, "bob") as bob:
        hub.exchange.account("bob").log_out("on the phone")

        with pytest.raises(ChannelUnavailableError, match="not logged in") as caught:
            await bob.send(to("alice", "hello"))

    assert not caught.value.maybe_sent


@pytest.mark.parametrize(
    "message",
    [
        to("nobody", "hello"),
        to("alice", "x" * (TEXT_LIMIT_CHARS + 1)),
        to("alice", attachment=Attachment("a", "application/gzip", b"x" * (FILE_LIMIT_BYTES + 1))),
    ],
    ids=["nobody", "long text", "large file"],
)
async def test_what_the_hub_will_never_carry_is_rejected(hub: Hub, message: OutgoingMessage) -> None:
    async with channel_of(hub, "bob") as bob:
        with pytest.raises(MessageRejectedError):
            await bob.send(message)


async def test_the_largest_text_and_file_are_carried(hub: Hub) -> None:
    file = Attachment("a.gz", "application/gzip", b"x" * FILE_LIMIT_BYTES)

    async with channel_of(hub, "bob") as bob:
        await bob.send(to("alice", "😀" * TEXT_LIMIT_CHARS, file))

    assert hub.exchange.phones.letters("alice")[0].attachment == file


async def test_a_repeated_key_is_carried_once(hub: Hub) -> None:
    async with channel_of(hub, "bob") as bob:
        first = await bob.send(to("alice", "once", key="k1"))
        second = await bob.send(to("alice", "once", key="k1"))

    assert first == second
    assert len(hub.exchange.phones.letters("alice")) == 1


async def test_a_file_without_a_text_is_no_message_for_a_daemon(hub: Hub) -> None:
    async with channel_of(hub, "alice") as alice, channel_of(hub, "bob") as bob:
        await alice.send(to("bob", attachment=PICTURE))
        await alice.send(to("bob", "after it"))
        (message,) = await take(bob.messages(), 1)

    assert message.text == "after it"


async def test_a_mention_in_a_room_is_taken_off_the_text(hub: Hub) -> None:
    async with channel_of(hub, "bob") as bob:
        hub.exchange.send("alice", "ops@room", "@Bob\u2005status")
        (message,) = await take(bob.messages(), 1)

    assert (message.text, message.mentions_bot, message.chat) == ("status", True, Chat("sim", "ops@room", is_room=True))


async def test_a_room_message_without_a_mention_says_so(hub: Hub) -> None:
    async with channel_of(hub, "bob") as bob:
        hub.exchange.send("alice", "ops@room", "@Bobby status")
        (message,) = await take(bob.messages(), 1)

    assert not message.mentions_bot
    assert message.text == "@Bobby status"


async def test_nobody_writes_into_a_room_of_others(hub: Hub) -> None:
    with pytest.raises(MessageRejectedError):
        hub.exchange.send("archy", "ops@room", "hello")


async def test_contacts_are_the_other_accounts_and_the_own_rooms(hub: Hub) -> None:
    async with channel_of(hub, "bob") as bob:
        contacts = await bob.contacts()

    assert [(one.contact_id, one.is_room) for one in contacts] == [("alice", False), ("archy", False), ("ops@room", True)]


# --- the connection


async def test_a_second_client_of_an_account_kicks_the_first(hub: Hub) -> None:
    async with channel_of(hub, "bob") as first, channel_of(hub, "bob") as second:
        with pytest.raises(ChannelUnavailableError, match="kicked"):
            await take(first.messages(), 1)
        with pytest.raises(ChannelUnavailableError):
            await first.send(to("alice", "am I still here"))

        assert await second.send(to("alice", "yes"))


async def test_the_events_of_a_lost_connection_end_without_an_error(hub: Hub) -> None:
    async with channel_of(hub, "bob") as first, channel_of(hub, "bob"):
        async with asyncio.timeout(PATIENCE_S):
            events = [event async for event in first.account_events()]

    assert kinds(events) == ["login", "ready"]


async def test_a_hub_that_stops_is_a_lost_connection() -> None:
    async with a_hub() as hub:
        bob = await channel_of(hub, "bob").__aenter__()

    with pytest.raises(ChannelUnavailableError):
        await take(bob.messages(), 1)
    await bob.__aexit__(None, None, None)


async def test_a_hub_that_is_not_there_is_unavailable() -> None:
    bob = SimulatedChannel("sim", "http://127.0.0.1:9/#token", "bob", SystemClock())

    with pytest.raises(ChannelUnavailableError, match="cannot be reached"):
        await bob.__aenter__()


async def test_a_wrong_token_is_refused(hub: Hub) -> None:
    bob = SimulatedChannel("sim", hub.origin + "/#wrong", "bob", SystemClock())

    with pytest.raises(ChannelUnavailableError, match="401"):
        await bob.__aenter__()


async def test_leaving_ends_both_streams_and_entering_again_connects_anew(hub: Hub) -> None:
    bob = channel_of(hub, "bob")
    async with bob:
        messages, events = bob.messages(), bob.account_events()
    async with asyncio.timeout(PATIENCE_S):
        ended = [[item async for item in stream] for stream in (messages, events)]
    async with bob:
        await bob.send(to("bob", "again"))
        (message,) = await take(bob.messages(), 1)

    assert ended[0] == []
    assert message.text == "again"


async def test_a_daemon_that_does_not_take_its_messages_is_cut_off(hub: Hub) -> None:
    async with channel_of(hub, "bob") as bob:
        for n in range(600):
            hub.exchange.send("alice", "bob", str(n))

        with pytest.raises(ChannelUnavailableError):
            await take(bob.messages(), 601)


@asynccontextmanager
async def a_frozen_hub(is_frozen: Callable[[], bool]) -> AsyncIterator[str]:
    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        async for _ in socket:
            assert is_frozen()
        return socket

    application = web.Application()
    application.router.add_get("/gateway/bob", serve)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/#token"
    finally:
        await runner.cleanup()


async def test_a_frozen_hub_is_a_lost_connection() -> None:
    async with a_frozen_hub(lambda: True) as url, SimulatedChannel("sim", url, "bob", SystemClock(), heartbeat_s=0.05) as bob:
        with pytest.raises(ChannelUnavailableError):
            await take(bob.messages(), 1)


async def test_a_message_that_is_not_answered_is_maybe_sent() -> None:
    async with (
        a_frozen_hub(lambda: True) as url,
        SimulatedChannel("sim", url, "bob", SystemClock(), request_timeout_s=0.05) as bob,
    ):
        with pytest.raises(ChannelUnavailableError) as caught:
            await bob.send(to("alice", "hello"))

    assert caught.value.maybe_sent


# --- the page's API


async def test_a_picture_is_on_the_receivers_phone(hub: Hub) -> None:
    async with channel_of(hub, "alice") as alice, a_page(hub) as page:
        message_id = await alice.send(to("bob", "scan this", PICTURE))
        async with page.get("/api/state") as response:
            (shown,) = (await response.json())["phones"]["bob"]
        async with page.get(f"/api/files/{message_id}") as response:
            content = await response.read()

    assert (shown["text"], shown["own"], shown["attachment"]["media_type"]) == ("scan this", False, "image/png")
    assert content == PICTURE.content


async def test_a_page_from_a_chat_is_never_served_as_a_page(hub: Hub) -> None:
    message_id = hub.exchange.send("alice", "bob", "", Attachment("x.html", "text/html", b"<script>"))

    async with a_page(hub) as page, page.get(f"/api/files/{message_id}") as response:
        assert response.content_type == "application/octet-stream"


async def test_the_phone_logs_the_account_out_and_scans_its_code(hub: Hub) -> None:
    async with channel_of(hub, "bob") as bob, a_page(hub) as page:
        statuses = []
        for action in ("scan", "log-out", "log-out", "scan"):
            async with page.post(f"/api/accounts/bob/{action}") as response:
                statuses.append(response.status)
        events = await take(bob.account_events(), 8)

    assert statuses == [409, 200, 409, 200]
    assert kinds(events)[-1] == "ready"


async def test_waiting_for_the_state_ends_with_a_change(hub: Hub) -> None:
    async with a_page(hub) as page, asyncio.TaskGroup() as tasks:
        async with page.get("/api/state") as response:
            before = await response.json()

        async def follow() -> Any:
            async with page.get(f"/api/state?after={before['seq']}&wait_s=20") as response:
                return await response.json()

        following = tasks.create_task(follow())
        hub.exchange.send("alice", "bob", "news")
        async with asyncio.timeout(PATIENCE_S):
            after = await following

    assert [shown["text"] for shown in after["phones"]["bob"]] == ["news"]
    assert after["accounts"]["bob"]["state"] == "logged_in"


async def test_waiting_for_a_change_that_does_not_come_ends_too(hub: Hub) -> None:
    async with a_page(hub) as page, page.get(f"/api/state?after={hub.exchange.phones.seq}&wait_s=0.02") as response:
        state = await response.json()

    assert state["phones"]["bob"] == []


async def test_the_state_never_holds_a_login_code(hub: Hub) -> None:
    hub.exchange.account("bob").log_out("on the phone")

    async with a_page(hub) as page, page.get("/api/state") as response:
        text = await response.text()

    assert "code_shown" in text
    assert hub.exchange.account("bob").code not in text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/api/state", "/gateway/bob"])
async def test_strangers_get_nothing(hub: Hub, path: str, headers: dict[str, str], status: int) -> None:
    authorised = {"Authorization": f"Bearer {hub.token}"} if status == 403 else {}

    async with aiohttp.ClientSession() as session, session.get(hub.origin + path, headers=authorised | headers) as response:
        assert response.status == status


@pytest.mark.parametrize("body", [b"", b"[]", b'{"to": "alice"}', b'{"to": "alice", "text": 1}', b'{"to": "alice", "text": " "}'])
async def test_a_letter_that_is_none_is_refused(hub: Hub, body: bytes) -> None:
    async with a_page(hub) as page, page.post("/api/accounts/bob/messages", data=body) as response:
        assert response.status == 400


async def test_the_page_allows_no_file_from_another_host(hub: Hub) -> None:
    async with aiohttp.ClientSession() as session, session.get(hub.origin + "/") as response:
        policy = response.headers["Content-Security-Policy"]

    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy


# --- memory


def a_letter(message_id: str, file: Attachment | None = None) -> Letter:
    return Letter(
        message_id=message_id, sender_id="alice", to_id="bob", is_room=False, text="x", at=datetime.now(UTC), attachment=file
    )


async def test_a_phone_keeps_only_the_newest_messages() -> None:
    phones = Phones(["bob"])
    for n in range(LETTERS_PER_PHONE + 1):
        phones.keep(a_letter(str(n)), ["bob"])

    letters = phones.letters("bob")
    assert (len(letters), letters[0].message_id) == (LETTERS_PER_PHONE, "1")


async def test_the_oldest_file_goes_when_there_is_too_much_of_them() -> None:
    phones = Phones(["bob"], files_bytes=25)
    for n in range(3):
        phones.keep(a_letter(str(n), Attachment("a", "image/png", b"0123456789")), ["bob"])

    assert phones.file("0") is None
    assert phones.file("2") is not None
