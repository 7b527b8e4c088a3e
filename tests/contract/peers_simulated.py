"""The simulated channel in the contract tests of the Channel port: its hub, and archy with a phone."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from opsbot.adapters.channels.simulated.account import Owner
from opsbot.adapters.channels.simulated.channel import SimulatedChannel
from opsbot.adapters.channels.simulated.exchange import Room
from opsbot.adapters.channels.simulated.hub import Hub
from opsbot.adapters.clock import SystemClock
from opsbot.core.chat import Chat
from opsbot.core.ports import Channel
from tests.contract.channel_peer import Peer, Received

NAME = "sim"
BOT = Owner("alice", "Alice")
ARCHY = Owner("archy", "Archy", has_gateway=False)
OPS = Room("ops@room", "OPS", frozenset({"alice", "archy"}))


class SimulatedPeer:
    """A bot's account at the hub, and archy who writes to it from a phone."""

    person = ARCHY.account_id
    room: Chat | None = Chat(NAME, OPS.room_id, is_room=True)
    nobody: Chat | None = Chat(NAME, "nobody")

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.channel: Channel = self._connection()

    async def says(self, text: str, *, room: bool = False, mention: bool = False) -> None:
        said = f"@{BOT.name}\u2005{text}" if mention else text
        self._hub.exchange.send(self.person, OPS.room_id if room else BOT.account_id, said)

    async def received(self) -> Sequence[Received]:
        return [
            Received(
                Chat(NAME, letter.to_id, is_room=letter.is_room),
                letter.text,
                letter.attachment.name if letter.attachment else "",
                letter.attachment.content if letter.attachment else b"",
            )
            for letter in self._hub.exchange.phones.letters(self.person)
            if letter.sender_id == BOT.account_id
        ]

    async def cut(self) -> None:
        async with self._connection():
            pass

    def _connection(self) -> SimulatedChannel:
        return SimulatedChannel(NAME, self._hub.url, BOT.account_id, SystemClock())


@asynccontextmanager
async def simulated_peer(_folder: Path) -> AsyncIterator[Peer]:
    """Run a hub."""
    async with Hub([BOT, ARCHY], SystemClock(), rooms=[OPS]) as hub:
        yield SimulatedPeer(hub)
