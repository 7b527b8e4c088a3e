"""What every adapter of the Channel port keeps; `PEERS` says how one joins."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC
from pathlib import Path

import pytest

from opsbot.core.chat import AccountEvent, Attachment, Chat, IncomingMessage, OutgoingMessage
from opsbot.core.errors import ChannelUnavailableError, MessageRejectedError
from opsbot.core.ports import Account, Channel
from tests.contract.channel_peer import Peer, PeerFactory, Received, local_peer
from tests.contract.peers_fake import fake_peer
from tests.contract.peers_simulated import simulated_peer
from tests.contract.peers_wechaty import MARKS, wechaty_peer

PEERS = (
    pytest.param(fake_peer, id="fake"),
    pytest.param(local_peer, id="local"),
    pytest.param(simulated_peer, id="simulated"),
    pytest.param(wechaty_peer, id="wechaty", marks=MARKS),
)
"""An adapter joins here: a function that gives its peer, with the mark `real` if it needs a real one."""

WITHIN_S = 20.0
LEAVES_WITHIN_S = 5.0


@pytest.fixture(params=PEERS)
async def peer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Peer]:
    factory: PeerFactory = request.param
    async with factory(tmp_path) as made:
        yield made


async def heard(channel: Channel, text: str) -> IncomingMessage:
    """Wait for a message of somebody else with this text; an adapter may hand out older ones again."""
    return (await all_heard(channel, text))[-1]


async def all_heard(channel: Channel, last_text: str) -> list[IncomingMessage]:
    messages: list[IncomingMessage] = []
    async with asyncio.timeout(WITHIN_S), aclosing(channel.messages()) as stream:  # type: ignore[type-var]
        async for message in stream:
            messages.append(message)
            if message.text == last_text and not message.is_own:
                break
    return messages


async def received(peer: Peer, until: Callable[[list[Received]], bool]) -> list[Received]:
    async with asyncio.timeout(WITHIN_S):
        while not until(have := list(await peer.received())):  # noqa: ASYNC110 - the other side is asked, it announces nothing
            await asyncio.sleep(0.01)
    return have


def direct(peer: Peer) -> Chat:
    return Chat(peer.channel.name, peer.person)


def a_room(peer: Peer) -> Chat:
    if peer.room is None:
        pytest.skip("the platform has no rooms")
    return peer.room


async def ended(stream: AsyncIterator[object]) -> int:
    return len([item async for item in stream])


async def test_message_in_the_direct_chat_arrives_as_it_was_written(peer: Peer) -> None:
    async with peer.channel as channel:
        await peer.says("重启 bob --now")

        message = await heard(channel, "重启 bob --now")

    assert (message.chat, message.sender_id, message.is_own) == (direct(peer), peer.person, False)


async def test_stamps_of_a_message_are_aware_utc(peer: Peer) -> None:
    async with peer.channel as channel:
        await peer.says("status")

        message = await heard(channel, "status")

    assert (message.sent_at.tzinfo, message.received_at.tzinfo) == (UTC, UTC)


async def test_messages_arrive_oldest_first_each_with_an_id_of_its_own(peer: Peer) -> None:
    async with peer.channel as channel:
        for text in ("one", "two", "three"):
            await peer.says(text)

        messages = [m for m in await all_heard(channel, "three") if m.text in {"one", "two", "three"}]

    assert ([m.text for m in messages], len({m.message_id for m in messages})) == (["one", "two", "three"], 3)


async def test_message_in_a_room_carries_the_room_and_no_mention(peer: Peer) -> None:
    room = a_room(peer)
    async with peer.channel as channel:
        await peer.says("good morning", room=True)

        message = await heard(channel, "good morning")

    assert (message.chat, message.sender_id, message.mentions_bot) == (room, peer.person, False)


async def test_mention_in_a_room_is_marked_and_taken_out_of_the_text(peer: Peer) -> None:
    a_room(peer)
    async with peer.channel as channel:
        await peer.says("disk", room=True, mention=True)

        message = await heard(channel, "disk")

    assert (message.text, message.mentions_bot) == ("disk", True)


async def test_sent_text_reaches_the_person(peer: Peer) -> None:
    async with peer.channel as channel:
        await channel.send(OutgoingMessage(chat=direct(peer), text="磁盘 82%\n第二行"))

        [message] = await received(peer, lambda have: len(have) == 1)

    assert message == Received(direct(peer), "磁盘 82%\n第二行")


async def test_sent_text_reaches_the_room(peer: Peer) -> None:
    room = a_room(peer)
    async with peer.channel as channel:
        await channel.send(OutgoingMessage(chat=room, text="to all"))

        [message] = await received(peer, lambda have: len(have) == 1)

    assert message == Received(room, "to all")


async def test_messages_of_one_chat_keep_their_order(peer: Peer) -> None:
    texts = [f"line {n}" for n in range(5)]
    async with peer.channel as channel:
        for text in texts:
            await channel.send(OutgoingMessage(chat=direct(peer), text=text))

        messages = await received(peer, lambda have: len(have) == len(texts))

    assert [message.text for message in messages] == texts


async def test_text_as_long_as_the_limit_arrives_whole(peer: Peer) -> None:
    longest = "长" * peer.channel.capabilities.text_limit_chars
    async with peer.channel as channel:
        await channel.send(OutgoingMessage(chat=direct(peer), text=longest))

        [message] = await received(peer, lambda have: len(have) == 1)

    assert message.text == longest


async def test_file_arrives_byte_for_byte(peer: Peer) -> None:
    if not peer.channel.capabilities.attachments:
        pytest.skip("the channel takes no files")
    content = bytes(range(256)) * 64
    async with peer.channel as channel:
        await channel.send(OutgoingMessage(chat=direct(peer), attachment=Attachment("bob-out.log", "text/plain", content)))

        have = await received(peer, lambda have: any(message.file_name for message in have))

    assert [(m.file_name, m.content) for m in have if m.file_name] == [("bob-out.log", content)]


async def test_own_message_never_comes_back_as_somebody_elses(peer: Peer) -> None:
    async with peer.channel as channel:
        await channel.send(OutgoingMessage(chat=direct(peer), text="I am the bot"))
        await peer.says("and I am not")

        messages = await all_heard(channel, "and I am not")

    assert all(message.is_own for message in messages if message.text == "I am the bot")


async def test_edit_replaces_the_text_in_place_where_the_channel_can(peer: Peer) -> None:
    if not peer.channel.capabilities.edits:
        pytest.skip("the channel cannot edit")
    async with peer.channel as channel:
        message_id = await channel.send(OutgoingMessage(chat=direct(peer), text="50 %"))
        await channel.send(OutgoingMessage(chat=direct(peer), text="after it"))

        await channel.edit(message_id, OutgoingMessage(chat=direct(peer), text="100 %"))
        have = await received(peer, lambda have: any(message.text == "100 %" for message in have))

    assert [message.text for message in have] == ["100 %", "after it"]


async def test_edit_of_what_is_not_there_is_rejected(peer: Peer) -> None:
    async with peer.channel as channel:
        with pytest.raises(MessageRejectedError):
            await channel.edit("no-such-message", OutgoingMessage(chat=direct(peer), text="new"))


async def test_message_to_nobody_is_rejected_for_good(peer: Peer) -> None:
    nobody = peer.nobody
    if nobody is None:
        pytest.skip("the platform takes any address")
    async with peer.channel as channel:
        with pytest.raises(MessageRejectedError):
            await channel.send(OutgoingMessage(chat=nobody, text="hello?"))


async def test_sending_while_not_entered_is_refused_as_transient(peer: Peer) -> None:
    with pytest.raises(ChannelUnavailableError):
        await peer.channel.send(OutgoingMessage(chat=direct(peer), text="too early"))


async def test_leaving_ends_both_streams_without_an_error(peer: Peer) -> None:
    channel = peer.channel
    async with asyncio.TaskGroup() as group:
        async with channel:
            streams: tuple[AsyncIterator[IncomingMessage], AsyncIterator[AccountEvent]] = (
                channel.messages(),
                channel.account_events(),
            )
            readers = [group.create_task(ended(stream)) for stream in streams]
            await peer.says("still there")
        async with asyncio.timeout(LEAVES_WITHIN_S):
            await asyncio.wait(readers)

    assert all(reader.exception() is None for reader in readers)


async def test_leaving_is_idempotent_and_bounded(peer: Peer) -> None:
    await peer.channel.__aenter__()

    async with asyncio.timeout(LEAVES_WITHIN_S):
        await peer.channel.__aexit__(None, None, None)
        await peer.channel.__aexit__(None, None, None)


async def test_channel_can_be_entered_again(peer: Peer) -> None:
    async with peer.channel:
        pass
    async with peer.channel as channel:
        await peer.says("again")

        message = await heard(channel, "again")

    assert message.sender_id == peer.person


async def test_lost_connection_ends_the_messages_with_the_reason(peer: Peer) -> None:
    async with peer.channel as channel:
        await not_possible_skips(peer.cut)

        with pytest.raises(ChannelUnavailableError, match=r"\w"):
            async with asyncio.timeout(WITHIN_S):
                await ended(channel.messages())


async def test_channel_with_an_account_offers_what_an_account_can(peer: Peer) -> None:
    assert isinstance(peer.channel, Account) or not peer.channel.capabilities.has_account


async def not_possible_skips(action: Callable[[], Awaitable[None]]) -> None:
    try:
        await action()
    except NotImplementedError as reason:
        pytest.skip(str(reason))
