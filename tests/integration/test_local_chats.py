"""What is in the chats of the embedded chat: attachments, rooms, mentions, and what others must not see."""

from pathlib import Path

import pytest

from opsbot.adapters.channels.local.history import Keep
from opsbot.core.chat import Attachment, Chat
from opsbot.core.errors import MessageRejectedError
from tests.peers.local_chat import heard, local_chat

PNG = Attachment("qr.png", "image/png", b"\x89PNG\r\n")


# Attachments.


async def test_attachment_is_listed_with_name_type_and_url_and_fetched_with_the_header(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.sends("scan this", PNG)
        [entry] = await chat.read()
        [note] = entry["attachments"]
        answer = await chat.ask("GET", note["url"])

    assert (note["name"], note["media_type"], answer.status, answer.headers["Content-Type"], answer.body) == (
        "qr.png",
        "image/png",
        200,
        "image/png",
        PNG.content,
    )


async def test_attachment_without_the_header_is_401(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.sends("", PNG)
        [entry] = await chat.read()
        answer = await chat.ask("GET", entry["attachments"][0]["url"], by="")

    assert answer.status == 401


@pytest.mark.parametrize("chat_name", ["archy", "bob", "room:OPS"])
async def test_attachment_of_a_direct_chat_is_not_there_for_others(tmp_path: Path, chat_name: str) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.sends("", PNG)
        [entry] = await chat.read()
        number = entry["attachments"][0]["url"].rpartition("/")[2]
        answer = await chat.ask("GET", f"/api/chats/{chat_name}/attachments/{number}", by="bob")

    assert answer.status == 404


@pytest.mark.parametrize(
    "media_type", ["text/html", "image/svg+xml", "application/javascript", "text/plain; charset=utf-8\r\nX-Evil: 1"]
)
async def test_what_could_run_in_a_browser_is_only_ever_saved(tmp_path: Path, media_type: str) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.sends("", Attachment("page.html", media_type, b"<script>alert(1)</script>"))
        [entry] = await chat.read()
        answer = await chat.ask("GET", entry["attachments"][0]["url"])

    said = (answer.headers["Content-Type"], answer.headers["Content-Disposition"].split(";")[0], "X-Evil" in answer.headers)
    assert said == ("application/octet-stream", "attachment", False)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\evil.exe", "evil.exe"),
        ('a"\r\nSet-Cookie: x=1\r\n.txt', 'a"Set-Cookie: x=1.txt'),
        ("..", "file"),
        ("日志.log", "日志.log"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("x" * 300, "x" * 120),
    ],
)
async def test_name_of_an_attachment_is_plain(tmp_path: Path, name: str, shown: str) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.sends("", Attachment(name, "text/plain", b"x"))
        [entry] = await chat.read()
        answer = await chat.ask("GET", entry["attachments"][0]["url"])

    assert (entry["attachments"][0]["name"], answer.status, "Set-Cookie" in answer.headers) == (shown, 200, False)


async def test_too_large_file_is_rejected_for_good(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        too_large = b"x" * (chat.channel.capabilities.file_limit_bytes + 1)

        with pytest.raises(MessageRejectedError, match="larger than"):
            await chat.sends("", Attachment("core", "application/octet-stream", too_large))


async def test_old_attachments_are_dropped_beyond_the_limit(tmp_path: Path) -> None:
    async with local_chat(tmp_path, keep=Keep(attachment_bytes=10)) as chat:
        for n in range(3):
            await chat.sends(str(n), Attachment(f"{n}.bin", "text/plain", b"12345"))
        entries = await chat.read()

    assert [len(entry["attachments"]) for entry in entries] == [0, 1, 1]


# Rooms.


async def test_everybody_is_in_every_room(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.post("hello", by="bob", chat="room:OPS")
        [entry] = await chat.read(chat="room:OPS")

    assert (entry["sender"], entry["text"]) == ("bob", "hello")


@pytest.mark.parametrize(
    ("text", "taken", "mentions"),
    [
        ("@alice restart", "restart", True),
        ("@alice\u2005restart", "restart", True),
        ("@alice\u3000重启", "重启", True),
        ("@alice重启", "重启", True),
        ("＠Alice，restart", "restart", True),
        ("please @alice restart", "please restart", True),
        ("restart @alice", "restart", True),
        ("@alicebot restart", "@alicebot restart", False),
        ("mail x@alice now", "mail x@alice now", False),
        ("@alice tell @alice", "tell @alice", True),
        ("restart", "restart", False),
        ("@alice", "", True),
    ],
)
async def test_name_mentions_the_bot_and_is_taken_out(tmp_path: Path, text: str, taken: str, *, mentions: bool) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.post(text, chat="room:OPS")
        [message] = await heard(chat.channel, 1)
        [entry] = await chat.read(chat="room:OPS")

    assert (message.text, message.mentions_bot, entry["text"]) == (taken, mentions, text)


async def test_chinese_name_ends_where_a_space_does(tmp_path: Path) -> None:
    async with local_chat(tmp_path, bot_name="小艾") as chat:
        for text in ("@小艾 重启", "@小艾同学 重启"):
            await chat.post(text, chat="room:OPS")
        messages = await heard(chat.channel, 2)

    assert [(message.text, message.mentions_bot) for message in messages] == [("重启", True), ("@小艾同学 重启", False)]


async def test_name_within_a_direct_message_is_left_alone(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.post("say hello to @alice please")
        [message] = await heard(chat.channel, 1)

    assert message.text == "say hello to @alice please"


@pytest.mark.parametrize("chat_name", ["bob", "nobody", "room:SECRET", "room:", "OPS", "room:OPS%2F..", "%00", "archy%20"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_chat_of_others_and_no_chat_look_the_same(tmp_path: Path, method: str, chat_name: str) -> None:
    async with local_chat(tmp_path) as chat:
        answer = await chat.ask(method, f"/api/chats/{chat_name}/messages", json={"text": "x"})

    assert answer.status == 404


async def test_message_to_a_chat_that_is_not_there_is_rejected(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        for to in (Chat("page", "nobody"), Chat("page", "SECRET", is_room=True), Chat("wechat", "archy"), Chat("page", "OPS")):
            with pytest.raises(MessageRejectedError):
                await chat.sends("x", to=to)
