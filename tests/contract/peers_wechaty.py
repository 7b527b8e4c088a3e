"""The wechaty channel in the contract tests of the Channel port: a real gateway, and archy who writes to its account."""

import atexit
import functools
import json
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from opsbot.adapters.channels.wechaty.channel import WechatyChannel
from opsbot.adapters.clock import SystemClock
from opsbot.core.chat import Chat
from opsbot.core.ports import Channel
from tests.contract.channel_peer import Peer, Received
from tests.peers.gateway import Gateway
from tests.peers.install import HERE, environment, installed, node

NAME = "wechat"
TOKEN = "contract-token"
BOT, ARCHY, ROOM = "wxid_alice", "wxid_archy", "100@chatroom"
MARKS = (
    pytest.mark.real,
    pytest.mark.skipif(not installed(), reason="the npm peers are missing: python -m tests.peers.install"),
)
"""What a parameter with this peer bears."""


class WechatyPeer:
    """A bot's account at the gateway, and archy who is its friend."""

    person = ARCHY
    room: Chat | None = Chat(NAME, ROOM, is_room=True)
    nobody: Chat | None = Chat(NAME, "wxid_nobody")

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.channel: Channel = WechatyChannel(NAME, gateway.end_point, TOKEN, SystemClock(), tls=False)

    async def says(self, text: str, *, room: bool = False, mention: bool = False) -> None:
        said = f"@Alice\u2005{text}" if mention else text
        await self._gateway.message(ARCHY, said, room=ROOM if room else None, mention_ids=[BOT] if mention else [])

    async def received(self) -> Sequence[Received]:
        return [
            Received(
                Chat(NAME, sent.conversation_id, is_room=sent.room_id is not None),
                sent.text or "",
                sent.file.name if sent.file else "",
                sent.file.content if sent.file else b"",
            )
            for sent in await self._gateway.sent()
        ]

    async def cut(self) -> None:
        await self._gateway.down()


@functools.cache
def _ports() -> tuple[int, int]:
    """Start one gateway for all tests of this run, since each takes a second: its port, and that of its control API."""
    folder = tempfile.TemporaryDirectory()
    argv = ["--token", TOKEN, "--state", f"{folder.name}/state.json", "--heartbeat-ms", "0", "--exit-with-stdin"]
    process = subprocess.Popen(  # noqa: S603 - argv
        [node(), HERE / "gateway.mjs", *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**environment(), "TMPDIR": folder.name},
    )

    def end() -> None:
        process.kill()
        process.communicate()
        folder.cleanup()

    atexit.register(end)
    assert process.stdout
    ready = json.loads(process.stdout.readline())
    return ready["port"], ready["control_port"]


@asynccontextmanager
async def wechaty_peer(folder: Path) -> AsyncIterator[Peer]:
    """Log a bot in at the gateway; whoever was connected before is gone."""
    port, control_port = _ports()
    gateway = Gateway(folder, token=TOKEN, port=port)
    gateway.control_port = control_port
    try:
        await gateway.up()
        await gateway.wait_until("disconnected")
        await gateway.contacts([{"id": BOT, "name": "Alice"}, {"id": ARCHY, "name": "Archy"}])
        await gateway.room(ROOM, topic="OPS", members=[BOT, ARCHY])
        if not (await gateway.state()).login:
            await gateway.login(BOT)
        await gateway.clear_sent()
        yield WechatyPeer(gateway)
    finally:
        await gateway.__aexit__(None, None, None)  # of the control API only: the process is not this object's
