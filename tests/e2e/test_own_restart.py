"""`restart` of opsbot itself: it runs under a real pm2, goes down in the middle of the command, and says so when it is back."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.peers.pm2 import Pm2

pytestmark = [pytest.mark.e2e, pytest.mark.real]

WITHIN_S = 60.0
CONFIG = """
name: solo
state_dir: state
channels:
  page: {{kind: local, listen: "127.0.0.1:{port}"}}
people:
  archy: {{roles: [owner], ids: {{page: archy}}}}
operations:
  self: {{use: pm2_restart, process: solo, pm2_home: "{home}", watch_s: 1}}
"""


class Page:
    """Archy, who writes to the daemon's page."""

    def __init__(self, directory: Path, port: int) -> None:
        self._tokens = directory / "state" / "local-tokens.json"
        self._url = f"http://127.0.0.1:{port}/api/chats/archy/messages"

    async def _call(self, method: str, body: object = None) -> object:
        """Call the API, again while the daemon is away."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                try:
                    tokens = json.loads(await asyncio.to_thread(self._tokens.read_text))
                    headers = {"Authorization": f"Bearer {tokens['archy']}"}
                    async with (
                        aiohttp.ClientSession(headers=headers) as session,
                        session.request(method, self._url, json=body) as answer,
                    ):
                        if answer.status < 300:
                            return await answer.json()
                except (OSError, aiohttp.ClientError):
                    pass
                await asyncio.sleep(0.1)

    async def says(self, text: str) -> None:
        await self._call("POST", {"text": text})

    async def reads(self, wanted: str) -> str:
        """Wait until the bot has said something with these words; gives all that was said."""
        async with asyncio.timeout(WITHIN_S):
            while wanted not in (said := json.dumps(await self._call("GET"), ensure_ascii=False)):  # noqa: ASYNC110 - a page asks
                await asyncio.sleep(0.1)
        return said


@pytest.fixture
async def pm2(tmp_path: Path) -> AsyncIterator[Pm2]:
    async with Pm2(tmp_path / "pm2") as running:
        yield running


async def test_daemon_under_pm2_restarts_itself_once_and_says_that_it_is_back(pm2: Pm2, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "config.yaml"
    await asyncio.to_thread(config.write_text, CONFIG.format(port=port, home=pm2.home))
    options = ("--interpreter", "none")
    before = await pm2.start(
        Path(sys.executable), "solo", "-m", "opsbot", "run", "-c", str(config), options=options, cwd=tmp_path
    )
    page = Page(tmp_path, port)

    await page.says("restart")
    said = await page.reads("is back")

    after = await pm2.process("solo")
    assert (after.restarts, after.status) == (before.restarts + 1, "online")
    assert "interrupted" not in said
