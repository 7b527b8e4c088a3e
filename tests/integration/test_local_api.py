"""The API of the embedded chat, line by line: writing, reading, waiting, seq and edits."""

import asyncio
from pathlib import Path

import pytest

from opsbot.adapters.channels.local import api
from opsbot.adapters.channels.local.history import Keep
from opsbot.core.chat import Attachment
from opsbot.core.errors import MessageRejectedError
from tests.peers.local_chat import OPS, WITHIN_S, heard, local_chat

PNG = Attachment("qr.png", "image/png", b"\x89PNG\r\n")


# Writing.


async def test_posted_message_is_answered_with_202_and_its_id(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        answer = await chat.ask("POST", "/api/chats/archy/messages", json={"text": "help"})
        [message] = await heard(chat.channel, 1)

    assert (answer.status, answer.content) == (202, {"id": message.message_id})


async def test_sender_is_whoever_owns_the_token(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.ask("POST", "/api/chats/room:OPS/messages", by="bob", json={"text": "hi", "sender": "archy"})
        [message] = await heard(chat.channel, 1)

    assert (message.sender_id, message.sender_name) == ("bob", "小明")


async def test_person_sees_the_own_message_in_the_history(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        message_id = await chat.post("help")
        [entry] = await chat.read()

    expected = {"seq": 1, "id": message_id, "sender": "archy", "text": "help", "edited": False, "attachments": []}
    assert entry | expected == entry


async def test_repeat_is_answered_with_the_first_id_and_not_run_again(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        ids = {await chat.post("restart", key="k1") for _ in range(3)}
        await chat.post("the end")
        messages = await heard(chat.channel, 2)

    assert (len(ids), [message.text for message in messages]) == (1, ["restart", "the end"])


async def test_repeat_is_known_over_a_restart(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        first = await chat.post("restart", key="k1")
    async with local_chat(tmp_path) as chat:
        again = await chat.post("restart", key="k1")
        entries = await chat.read()

    assert (again, len(entries)) == (first, 1)


async def test_same_id_of_two_senders_is_two_messages(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        ids = {await chat.post("mine", key="k1"), await chat.post("not yours", by="bob", key="k1")}

    assert len(ids) == 2


async def test_same_text_without_an_id_is_said_twice(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        ids = {await chat.post("status"), await chat.post("status")}

    assert len(ids) == 2


async def test_message_of_the_bot_that_is_sent_again_is_kept_once(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        ids = {await chat.sends("done", key="delivery-7") for _ in range(2)}
        entries = await chat.read()

    assert (len(ids), len(entries)) == (1, 1)


# Reading and waiting.


async def test_reader_gets_what_came_after_a_seq(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        for text in ("one", "two", "three"):
            await chat.post(text)
        first = (await chat.read())[0]["seq"]
        later = await chat.read(after=first)

    assert [entry["text"] for entry in later] == ["two", "three"]


async def test_waiting_reader_is_answered_as_soon_as_something_is_said(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as group:
        reading = group.create_task(chat.read(wait_s=55))
        await asyncio.sleep(0)
        await chat.sends("news")
        entries = await reading

    assert [entry["text"] for entry in entries] == ["news"]


async def test_waiting_reader_hears_nothing_of_other_chats(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, asyncio.TaskGroup() as group:
        reading = group.create_task(chat.read(by="bob", wait_s=0.2))
        await chat.sends("for archy alone")
        entries = await reading

    assert entries == []


async def test_wait_is_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert api.WAIT_LIMIT_S == 60
    monkeypatch.setattr(api, "WAIT_LIMIT_S", 0.05)

    async with local_chat(tmp_path) as chat:
        entries = await chat.read(wait_s=1e9)

    assert entries == []


async def test_leaving_the_channel_answers_whoever_waits(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as group:
        reading = group.create_task(chat.read(wait_s=55))
        while not chat.channel._chats._waiting["archy"]:  # noqa: ASYNC110, SLF001 - nothing else tells that it waits
            await asyncio.sleep(0.01)
        await chat.channel.__aexit__(None, None, None)
        entries = await reading

    assert entries == []


async def test_one_person_cannot_wait_without_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "WAITING_LIMIT", 0)

    async with local_chat(tmp_path) as chat:
        answer = await chat.ask("GET", "/api/chats/archy/messages?wait_s=1")

    assert (answer.status, answer.content["code"]) == (429, "too_many_waiting")


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=1.5", f"after={2**70}", "wait_s=-1", "wait_s=nan", "wait_s=x", "last=0.5", "last=501"]
)
async def test_numbers_that_mean_nothing_are_refused(tmp_path: Path, query: str) -> None:
    async with local_chat(tmp_path) as chat:
        answer = await chat.ask("GET", f"/api/chats/archy/messages?{query}")

    assert (answer.status, answer.content["code"]) == (400, "bad_number")


async def test_page_reads_all_chats_of_a_person_at_once(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.sends("direct")
        await chat.sends("room", to=OPS)
        mine = (await chat.ask("GET", "/api/messages")).content
        bobs = (await chat.ask("GET", "/api/messages?last=5", by="bob")).content

    assert ([entry["chat"] for entry in mine], [entry["chat"] for entry in bobs]) == (["archy", "room:OPS"], ["room:OPS"])


async def test_last_gives_the_newest_in_order(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        for n in range(5):
            await chat.post(str(n))
        entries = (await chat.ask("GET", "/api/messages?last=2")).content

    assert [entry["text"] for entry in entries] == ["3", "4"]


async def test_me_tells_who_and_where_one_is(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.post("hi")
        me = (await chat.ask("GET", "/api/me")).content

    expected = {"id": "archy", "name": "Archy", "is_owner": True, "bot_name": "alice", "language": "zh", "last_seq": 1}
    assert (me | expected == me, [c["chat"] for c in me["chats"]]) == (True, ["archy", "room:OPS"])


# Seq and edits.


async def test_seq_and_history_are_durable(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.post("before")
    async with local_chat(tmp_path) as chat:
        await chat.post("after")
        entries = await chat.read()

    assert [(entry["seq"], entry["text"]) for entry in entries] == [(1, "before"), (2, "after")]


async def test_seq_grows_although_old_messages_are_dropped(tmp_path: Path) -> None:
    async with local_chat(tmp_path, keep=Keep(entries_per_chat=2)) as chat:
        for n in range(5):
            await chat.post(str(n))
        entries = await chat.read()

    assert [(entry["seq"], entry["text"]) for entry in entries] == [(4, "3"), (5, "4")]


async def test_full_chat_pushes_nothing_out_of_another(tmp_path: Path) -> None:
    async with local_chat(tmp_path, keep=Keep(entries_per_chat=2)) as chat:
        await chat.post("bob's own", by="bob")
        for n in range(5):
            await chat.post(str(n))
        entries = await chat.read(by="bob")

    assert [entry["text"] for entry in entries] == ["bob's own"]


async def test_edit_is_a_new_seq_with_the_same_id(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        message_id = await chat.sends("50 %")
        await chat.edits(message_id, "100 %")
        entries = await chat.read()

    assert [(e["seq"], e["id"], e["text"], e["edited"]) for e in entries] == [
        (1, message_id, "50 %", False),
        (2, message_id, "100 %", True),
    ]


async def test_many_edits_of_one_message_push_nothing_out(tmp_path: Path) -> None:
    async with local_chat(tmp_path, keep=Keep(entries_per_chat=5)) as chat:
        await chat.post("the question")
        message_id = await chat.sends("0 %")
        for n in range(20):
            await chat.edits(message_id, f"{n} %")
        entries = await chat.read()

    assert [entry["text"] for entry in entries] == ["the question", "0 %", "19 %"]


async def test_message_of_a_person_cannot_be_edited_by_the_bot(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        message_id = await chat.post("I said this")

        with pytest.raises(MessageRejectedError):
            await chat.edits(message_id, "I said that")


async def test_posted_message_that_was_not_taken_comes_again_after_a_restart(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.post("taken")
        await chat.post("not finished")
        await heard(chat.channel, 2)
    async with local_chat(tmp_path) as chat:
        [message] = await heard(chat.channel, 1)

    assert message.text == "not finished"
