"""A conversation in a terminal or a pipe: lines in, `name: text` out."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from opsbot.adapters.channels.local.client import LocalClient, Me, Said, SaidFile
from opsbot.adapters.channels.local.qr_blocks import qr_in_blocks
from opsbot.core.errors import ChannelUnavailableError, CommandError

WAIT_S = 25.0
AGAIN_AFTER_S = 1.0
_WORDS = {
    "zh": {"edited": "（已编辑）", "saved": "文件已保存：{path}", "away": "连接断开，正在重试：{reason}", "back": "已重新连接"},
    "en": {
        "edited": " (edited)",
        "saved": "file saved: {path}",
        "away": "connection lost, trying again: {reason}",
        "back": "connected again",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a conversation is held.

    `chat` is the API's name of the chat, "" for the direct one. Files go to `save_dir`, which is made when the first one
    comes. After the last line the conversation goes on until nothing was said for `quiet_s`; the first answer to a line
    may take `first_answer_s`. `draws_codes` draws QR codes in half blocks.
    """

    save_dir: Path
    chat: str = ""
    quiet_s: float = 1.5
    first_answer_s: float = 15.0
    draws_codes: bool = False


async def converse(client: LocalClient, lines: AsyncIterator[str], show: Callable[[str], None], manner: Manner) -> None:
    """Say every line, show what is said by others, until the lines have ended and it went quiet.

    Raises:
        ChannelUnavailableError: opsbot cannot be reached at the beginning.
        CommandError: opsbot refuses the token or the chat.
    """
    me = await client.me()
    if manner.chat and manner.chat not in me.chats:
        raise CommandError(f"{manner.chat} is no chat of {me.person}; there are: {', '.join(me.chats)}")
    talk = _Talk(client, me, show, manner)
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(talk.listen(), name="listen:chat")
        async for line in lines:
            if line.strip():
                await talk.say(line)
        await talk.went_quiet()
        listening.cancel()


class _Talk:
    def __init__(self, client: LocalClient, me: Me, show: Callable[[str], None], manner: Manner) -> None:
        self._client = client
        self._me = me
        self._show = show
        self._manner = manner
        self._chat = manner.chat or me.person
        self._words = _WORDS.get(me.language, _WORDS["en"])
        self._shown: dict[str, str] = {}
        self._heard = asyncio.Event()
        self._awaits_answer = False

    async def say(self, line: str) -> None:
        """Post a line, again and again under one key while opsbot is away."""
        key = secrets.token_hex(8)
        self._awaits_answer = True
        while True:
            try:
                await self._client.say(self._chat, line, key)
            except ChannelUnavailableError:
                await asyncio.sleep(AGAIN_AFTER_S)
            except CommandError as refused:
                self._awaits_answer = False
                self._show(f"! {refused}")
                return
            else:
                return

    async def listen(self) -> None:
        """Show what others say; goes on when opsbot is back."""
        seq, is_away = self._me.last_seq, False
        while True:
            try:
                entries = await self._client.after(self._chat, seq, WAIT_S)
            except ChannelUnavailableError as exc:
                if not is_away:
                    self._show("! " + self._words["away"].format(reason=exc))
                is_away = True
                await asyncio.sleep(AGAIN_AFTER_S)
                continue
            except CommandError as refused:
                self._show(f"! {refused}")
                return
            if is_away:
                is_away = False
                self._show("! " + self._words["back"])
            for said in entries:
                seq = said.seq
                if said.by_bot or said.sender != self._me.person:
                    await self._hear(said)

    async def went_quiet(self) -> None:
        """Wait until nothing was said for a while."""
        limit_s = self._manner.first_answer_s if self._awaits_answer else self._manner.quiet_s
        while True:
            self._heard.clear()
            try:
                async with asyncio.timeout(limit_s):
                    await self._heard.wait()
            except TimeoutError:
                return
            limit_s = self._manner.quiet_s

    async def _hear(self, said: Said) -> None:
        name, text = printable(said.sender_name), printable(said.text)
        before = self._shown.get(said.message_id)
        self._shown[said.message_id] = text
        if before is not None and text.startswith(before + "\n"):
            self._show(f"{name}: {text[len(before) + 1 :]}")
        elif before != text and (text or not said.files):
            self._show(f"{name}{self._words['edited'] if said.edited else ''}: {text}")
        if before is None:
            for file in said.files:
                await self._take(name, file)
        self._awaits_answer = False
        self._heard.set()

    async def _take(self, name: str, file: SaidFile) -> None:
        try:
            content = await self._client.fetch(file.url)
            path = await asyncio.to_thread(_save, self._manner.save_dir, file.name, content)
        except (ChannelUnavailableError, CommandError, OSError) as exc:
            self._show(f"! {printable(file.name)}: {exc}")
            return
        self._show(f"{name}: " + self._words["saved"].format(path=path))
        code = qr_in_blocks(content) if self._manner.draws_codes and file.media_type == "image/png" else None
        if code:
            self._show(code)


def printable(text: str) -> str:
    r"""Take out what would steer a terminal: a log line that is passed on may hold escape sequences.

    >>> printable("a\x1b[2Jb\tc\nd\u202e")
    'a[2Jb\tc\nd'
    """
    return "".join(character for character in text if character in "\n\t" or character.isprintable())


def _save(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    plain = printable(name).replace("/", "_").replace("\t", " ").replace("\n", " ").lstrip(".") or "file"
    stem, dot, ending = plain.rpartition(".")
    for n in range(1, 1000):
        path = folder / (plain if n == 1 else f"{stem or ending} ({n}){dot and stem and '.' + ending}")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        return path
    raise FileExistsError(f"{folder} holds too many files of this name; empty it")
