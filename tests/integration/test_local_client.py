"""`opsbot chat`: a conversation in a pipe."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import qrcode

from opsbot.adapters.channels.local import terminal
from opsbot.adapters.channels.local.client import LocalClient
from opsbot.adapters.channels.local.conversation import Manner, converse, printable
from opsbot.adapters.channels.local.qr_blocks import qr_in_blocks
from opsbot.core.chat import Attachment, OutgoingMessage
from opsbot.core.errors import ChannelUnavailableError, CommandError
from tests.peers.local_chat import WITHIN_S, LocalChat, heard, local_chat


async def piped(*lines: str) -> AsyncIterator[str]:
    for line in lines:
        yield line


async def talked(chat: LocalChat, *answers: str | Attachment, manner: Manner, says: str = "status") -> list[str]:
    """Let archy say something and the bot answer; gives what was printed."""
    shown: list[str] = []
    async with (
        asyncio.timeout(WITHIN_S),
        LocalClient(chat.server.url, chat.tokens["archy"]) as client,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(answered(chat, *answers))
        await converse(client, piped(says), shown.append, manner)
    return shown


async def answered(chat: LocalChat, *answers: str | Attachment) -> None:
    [question] = await heard(chat.channel, 1)
    for answer in answers:
        text, attachment = ("", answer) if isinstance(answer, Attachment) else (answer, None)
        await chat.channel.send(OutgoingMessage(chat=question.chat, text=text, attachment=attachment))


def files_in(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mode & 0o777) for path in folder.iterdir()}


def a_manner(tmp_path: Path, **more: object) -> Manner:
    return Manner(save_dir=tmp_path / "files", **({"quiet_s": 0.2} | more))  # type: ignore[arg-type]


def qr_png(payload: str, box: int = 10) -> bytes:
    buffer = io.BytesIO()
    qrcode.make(payload, box_size=box, border=4).save(buffer)
    return buffer.getvalue()


async def test_answers_are_printed_as_name_and_text_and_it_ends_once_quiet(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        shown = await talked(chat, "all is well", "两行\n在此", manner=a_manner(tmp_path))

    assert shown == ["alice: all is well", "alice: 两行\n在此"]


async def test_line_is_said_in_the_room_that_was_asked_for(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        await talked(chat, manner=a_manner(tmp_path, chat="room:OPS", first_answer_s=0.1), says="@alice disk")
        [entry] = await chat.read(chat="room:OPS")

    assert entry["text"] == "@alice disk"


async def test_room_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, LocalClient(chat.server.url, chat.tokens["archy"]) as client:
        with pytest.raises(CommandError, match="room:OPS"):
            await converse(client, piped("x"), print, a_manner(tmp_path, chat="room:SECRET"))


async def test_wrong_token_is_refused_with_the_mend(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, LocalClient(chat.server.url, "wrong") as client:
        with pytest.raises(CommandError, match="opsbot printed"):
            await converse(client, piped("x"), print, a_manner(tmp_path))


async def test_nobody_at_the_address_is_said_plainly(tmp_path: Path) -> None:
    async with LocalClient("http://127.0.0.1:9", "token") as client:
        with pytest.raises(ChannelUnavailableError, match="is it running"):
            await converse(client, piped("x"), print, a_manner(tmp_path))


async def test_what_was_said_before_is_not_printed(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.sends("yesterday")
        shown = await talked(chat, "today", manner=a_manner(tmp_path))

    assert shown == ["alice: today"]


async def printed_with_edit(tmp_path: Path, old: str, new: str, language: str) -> list[str]:
    shown: list[str] = []
    seen = asyncio.Event()

    def show(text: str) -> None:
        shown.append(text)
        seen.set()

    async with local_chat(tmp_path, language=language) as chat, LocalClient(chat.server.url, chat.tokens["archy"]) as client:

        async def bot() -> None:
            await heard(chat.channel, 1)
            message_id = await chat.sends(old)
            await seen.wait()
            await chat.edits(message_id, new)

        async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as group:
            group.create_task(bot())
            await converse(client, piped("go"), show, a_manner(tmp_path, quiet_s=0.4))
    return shown


@pytest.mark.parametrize(("language", "said"), [("zh", "alice（已编辑）: 100 %"), ("en", "alice (edited): 100 %")])
async def test_edit_is_printed_as_a_new_line(tmp_path: Path, language: str, said: str) -> None:
    shown = await printed_with_edit(tmp_path, "50 %", "100 %", language)

    assert shown == ["alice: 50 %", said]


async def test_edit_that_only_adds_lines_prints_those(tmp_path: Path) -> None:
    shown = await printed_with_edit(tmp_path, "one", "one\ntwo", "en")

    assert shown == ["alice: one", "alice: two"]


async def test_file_is_saved_and_its_path_said(tmp_path: Path) -> None:
    async with local_chat(tmp_path, language="en") as chat:
        shown = await talked(chat, Attachment("bob.log", "text/plain", b"content"), manner=a_manner(tmp_path))

    path = tmp_path / "files" / "bob.log"
    saved = await asyncio.to_thread(files_in, tmp_path / "files")
    assert (shown, saved) == ([f"alice: file saved: {path}"], {"bob.log": (b"content", 0o600)})


async def test_file_never_replaces_another(tmp_path: Path) -> None:
    def mine() -> None:
        (tmp_path / "files").mkdir()
        (tmp_path / "files" / "bob.log").write_bytes(b"mine")

    await asyncio.to_thread(mine)

    async with local_chat(tmp_path) as chat:
        await talked(chat, Attachment("bob.log", "text/plain", b"new"), manner=a_manner(tmp_path))

    saved = await asyncio.to_thread(files_in, tmp_path / "files")
    assert {name: content for name, (content, _) in saved.items()} == {"bob.log": b"mine", "bob (2).log": b"new"}


async def test_qr_code_is_drawn_where_that_was_asked_for(tmp_path: Path) -> None:
    png = qr_png("http://weixin.qq.com/x/abc")

    async with local_chat(tmp_path) as chat:
        shown = await talked(chat, Attachment("login.png", "image/png", png), manner=a_manner(tmp_path, draws_codes=True))

    assert shown[1] == qr_in_blocks(png)


@pytest.mark.parametrize("box", [1, 3, 8, 10])
def test_blocks_hold_every_module_of_the_code(box: int) -> None:
    code = qrcode.QRCode(box_size=box, border=4)
    code.add_data("http://weixin.qq.com/x/Qe6D-abcdefghijklmnopqrstuvwxyz")
    code.make()

    lines = (qr_in_blocks(qr_png("http://weixin.qq.com/x/Qe6D-abcdefghijklmnopqrstuvwxyz", box)) or "").splitlines()

    rows = [[sign in dark for sign in line] for line in lines for dark in ("▄ ", "▀ ")]
    assert [row[2:-2] for row in rows[2 : 2 + len(code.modules)]] == [[bool(module) for module in row] for row in code.modules]


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(20), b"x" * 1000])
def test_picture_that_is_none_is_not_drawn(content: bytes) -> None:
    assert qr_in_blocks(content) is None


def test_text_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b]0;evil\x07b\x9bc\u202ed\r") == "a]0;evilbcd"


async def test_lines_are_read_until_the_input_ends() -> None:
    source = io.StringIO("one\ntwo\r\n\nthree")

    lines = [line async for line in terminal.lines_of(source.readline)]

    assert lines == ["one", "two", "", "three"]


async def test_chat_in_a_pipe_prints_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("status\n"))

    async with local_chat(tmp_path) as chat, asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as group:
        group.create_task(answered(chat, "all is well"))
        await terminal.run_chat(chat.server.url, chat.tokens["archy"], save_dir=tmp_path / "files")

    assert capsys.readouterr().out == "alice: all is well\n"
