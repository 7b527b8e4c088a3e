"""The embedded chat as the daemon runs it: the local channel behind a web server on a free port, and people who use it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from opsbot.adapters.channels.local import Insight, LocalChannel, LocalSettings, StatusSnapshot, read_tokens
from opsbot.adapters.channels.local.history import Keep
from opsbot.adapters.web.server import WebServer
from opsbot.core.chat import Attachment, Chat, IncomingMessage, OutgoingMessage

NAME = "page"
PEOPLE = {"archy": "Archy", "bob": "小明"}
ARCHY = Chat(NAME, "archy")
BOB = Chat(NAME, "bob")
OPS = Chat(NAME, "OPS", is_room=True)
WITHIN_S = 10.0


class SteppingClock:
    """Every look at it is a second later."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def now(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at

    def monotonic_s(self) -> float:
        return self.at.timestamp()

    async def sleep(self, delay_s: float) -> None:
        self.at += timedelta(seconds=delay_s)
        await asyncio.sleep(0)


@dataclass
class Board:
    """What the daemon would tell about itself, and what was drawn of it."""

    now: StatusSnapshot = field(default_factory=lambda: StatusSnapshot(ready=True, word="ready"))
    drawn: list[str] = field(default_factory=list)
    draw: Callable[[str], bytes] = lambda payload: b"\x89PNG of " + payload.encode()

    def snapshot(self) -> StatusSnapshot:
        return self.now

    def render_qr(self, payload: str) -> bytes:
        self.drawn.append(payload)
        return self.draw(payload)

    def insight(self) -> Insight:
        return Insight(status=self, metrics=lambda: "opsbot_up 1\n", render_qr=self.render_qr)


@dataclass
class Answer:
    """One HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    content: Any


@dataclass
class LocalChat:
    """A running embedded chat."""

    channel: LocalChannel
    server: WebServer
    board: Board
    state_dir: Path
    session: aiohttp.ClientSession
    tokens: Mapping[str, str] = field(default_factory=dict)

    async def learn_tokens(self) -> None:
        """Read the file that the channel makes when it is entered."""
        self.tokens = await asyncio.to_thread(read_tokens, self.state_dir)

    async def ask(self, method: str, path: str, *, by: str = "archy", **more: Any) -> Answer:
        """Ask as a person; `by=""` sends no token."""
        headers = {"Authorization": f"Bearer {self.tokens[by]}"} if by else {}
        headers |= more.pop("headers", {})
        async with asyncio.timeout(WITHIN_S), self.session.request(method, path, headers=headers, **more) as response:
            body = await response.read()
            content = await response.json() if response.content_type == "application/json" else None
            return Answer(response.status, response.headers, body, content)

    async def post(self, text: str, *, by: str = "archy", chat: str = "", key: str = "") -> str:
        content = {"text": text} | ({"id": key} if key else {})
        answer = await self.ask("POST", f"/api/chats/{chat or by}/messages", by=by, json=content)
        assert answer.status == 202, answer.body
        return str(answer.content["id"])

    async def read(self, *, by: str = "archy", chat: str = "", after: int = 0, wait_s: float = 0) -> list[dict[str, Any]]:
        answer = await self.ask("GET", f"/api/chats/{chat or by}/messages?after={after}&wait_s={wait_s}", by=by)
        assert answer.status == 200, answer.body
        return list(answer.content)

    async def sends(self, text: str = "", attachment: Attachment | None = None, to: Chat = ARCHY, key: str = "") -> str:
        """Let the bot send."""
        return await self.channel.send(OutgoingMessage(chat=to, text=text, attachment=attachment, key=key))

    async def edits(self, message_id: str, text: str) -> None:
        """Let the bot edit what it sent to archy."""
        await self.channel.edit(message_id, OutgoingMessage(chat=ARCHY, text=text))

    async def get_raw(self, path: str) -> tuple[int, bytes]:
        """Get a path as it is written, with archy's token; no client tidies it up."""
        lines = (f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{self.server.port}", f"Authorization: Bearer {self.tokens['archy']}")
        return await self.raw("\r\n".join([*lines, "", ""]).encode())

    async def post_raw(self, head: str, body: bytes) -> tuple[int, bytes]:
        """Post to archy's chat with a header line of one's own."""
        lines = ("POST /api/chats/archy/messages HTTP/1.1", f"Host: 127.0.0.1:{self.server.port}")
        token = f"Authorization: Bearer {self.tokens['archy']}"
        return await self.raw("\r\n".join([*lines, token, head, "", ""]).encode() + body)

    async def raw(self, request: bytes) -> tuple[int, bytes]:
        """Send bytes as they are; gives the status and the head of the answer."""
        async with asyncio.timeout(WITHIN_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            try:
                writer.write(request)
                await writer.drain()
                head = await reader.readuntil(b"\r\n\r\n")
            finally:
                writer.close()
        return int(head.split(b" ", 2)[1]), head


@asynccontextmanager
async def served_chat(state_dir: Path, *, keep: Keep | None = None, **settings: Any) -> AsyncIterator[LocalChat]:
    """Serve the chat with archy (an owner) and bob in the room OPS, and the bot alice; the channel is not entered yet."""
    board = Board()
    asked = {"people": PEOPLE, "owners": frozenset({"archy"}), "rooms": ("OPS",), "bot_name": "alice"} | settings
    channel = LocalChannel(
        NAME, state_dir=state_dir, settings=LocalSettings(**asked), insight=board.insight(), clock=SteppingClock(), keep=keep
    )
    async with WebServer("127.0.0.1:0", channel.routes()) as server, aiohttp.ClientSession(server.url) as session:
        yield LocalChat(channel, server, board, state_dir, session)


@asynccontextmanager
async def local_chat(state_dir: Path, *, keep: Keep | None = None, **settings: Any) -> AsyncIterator[LocalChat]:
    """Run the whole chat."""
    async with served_chat(state_dir, keep=keep, **settings) as chat, chat.channel:
        await chat.learn_tokens()
        yield chat


async def heard(channel: LocalChannel, count: int) -> list[IncomingMessage]:
    """Wait for so many messages of people, as the daemon takes them."""
    taken: list[IncomingMessage] = []
    async with asyncio.timeout(WITHIN_S):
        async for message in channel.messages():
            taken += [] if message.is_own else [message]
            if len(taken) == count:
                break
    return taken
