"""What an adapter brings along to join the contract tests of the Channel port: the people on the other side of it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from opsbot.core.chat import Chat
from opsbot.core.ports import Channel
from tests.peers import local_chat


@dataclass(frozen=True, slots=True)
class Received:
    """One message of the bot as people see it at the end: the last text, the file with its content."""

    chat: Chat
    text: str
    file_name: str = ""
    content: bytes = b""


class Peer(Protocol):
    """A channel that was made but not entered, and the people behind it.

    `person` is the id of somebody with a direct chat; `room` is a room that both are in, None where the platform has none;
    `nobody` is a chat that is not there, None where the platform takes any address.
    """

    @property
    def channel(self) -> Channel:
        """The channel under test."""
        ...

    @property
    def person(self) -> str:
        """Who writes."""
        ...

    @property
    def room(self) -> Chat | None:
        """Where several people are."""
        ...

    @property
    def nobody(self) -> Chat | None:
        """Where nobody is."""
        ...

    async def says(self, text: str, *, room: bool = False, mention: bool = False) -> None:
        """Let the person write, in the direct chat or in the room, with a mention of the bot in front or not."""
        ...

    async def received(self) -> Sequence[Received]:
        """Give what people have of the bot so far, in order. It need not wait: the tests ask again."""
        ...

    async def cut(self) -> None:
        """Lose the connection under the channel's feet. Raises NotImplementedError where nothing can be cut."""
        ...


class LocalPeer:
    """The embedded chat, used by archy over HTTP."""

    person = "archy"
    room: Chat | None = local_chat.OPS
    nobody: Chat | None = Chat(local_chat.NAME, "nobody")

    def __init__(self, chat: local_chat.LocalChat) -> None:
        self._chat = chat
        self.channel: Channel = chat.channel

    async def says(self, text: str, *, room: bool = False, mention: bool = False) -> None:
        await self._chat.learn_tokens()
        await self._chat.post(f"@alice\u2005{text}" if mention else text, chat="room:OPS" if room else "")

    async def received(self) -> Sequence[Received]:
        await self._chat.learn_tokens()
        return [
            await self._received(chat, entry) for chat in (local_chat.ARCHY, local_chat.OPS) for entry in await self._last(chat)
        ]

    async def cut(self) -> None:
        raise NotImplementedError("nothing can be cut: the chat is served by the daemon itself")

    async def _last(self, chat: Chat) -> Sequence[dict[str, Any]]:
        entries = await self._chat.read(chat="room:OPS" if chat.is_room else "")
        return list({entry["id"]: entry for entry in entries if entry["by_bot"]}.values())

    async def _received(self, chat: Chat, entry: dict[str, Any]) -> Received:
        if not entry["attachments"]:
            return Received(chat, entry["text"])
        [file] = entry["attachments"]
        return Received(chat, entry["text"], file["name"], (await self._chat.ask("GET", file["url"])).body)


@asynccontextmanager
async def local_peer(folder: Path) -> AsyncIterator[Peer]:
    """Serve the embedded chat."""
    async with local_chat.served_chat(folder) as chat:
        yield LocalPeer(chat)


PeerFactory = Callable[[Path], AbstractAsyncContextManager[Peer]]
