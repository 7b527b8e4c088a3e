"""The fake channel that ships for authors of operations keeps the same contract as the real ones."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from opsbot.adapters.clock import SystemClock
from opsbot.core.chat import Chat
from opsbot.core.ports import Channel
from opsbot.testing.channel import FakeChannel
from tests.contract.channel_peer import Peer, Received


class FakePeer:
    """The test is the other side."""

    person = "archy"
    room: Chat | None = Chat("chat", "OPS", is_room=True)
    nobody: Chat | None = None

    def __init__(self) -> None:
        self._fake = FakeChannel(clock=SystemClock())
        self.channel: Channel = self._fake

    async def says(self, text: str, *, room: bool = False, mention: bool = False) -> None:
        self._fake.says(text, by=self.person, room="OPS" if room else "", mentions_bot=mention)

    async def received(self) -> Sequence[Received]:
        edits = dict(self._fake.edited)
        return [
            Received(
                message.chat,
                edits.get(f"sent-{number}", message).text,
                message.attachment.name if message.attachment else "",
                message.attachment.content if message.attachment else b"",
            )
            for number, message in enumerate(self._fake.sent, start=1)
        ]

    async def cut(self) -> None:
        self._fake.goes_away("cut")


@asynccontextmanager
async def fake_peer(_folder: Path) -> AsyncIterator[Peer]:
    """Make a fake."""
    yield FakePeer()
