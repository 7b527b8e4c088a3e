"""An ordinary npm wechaty bot as a process, and somebody who carries messages between it and a gateway."""

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.peers.gateway import Gateway, GatewayRefusedError
from tests.peers.install import HERE

SCRIPT = HERE / "starter_bot.mjs"
UP_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05


class StarterRefusedError(RuntimeError):
    """The bot's control API said no; so it does while nobody is logged in."""


class Starter:
    """The control API of one starter bot that is started with STARTER_CONTROL_FILE set to `control_file`."""

    def __init__(self, control_file: Path, account: str, name: str) -> None:
        self.control_file = control_file
        self.account = account
        self.name = name
        self._session: aiohttp.ClientSession | None = None

    @property
    def env(self) -> dict[str, str]:
        """What its environment must have."""
        return {"STARTER_CONTROL_FILE": str(self.control_file)}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()

    async def wait_up(self) -> None:
        """Wait until it takes orders."""
        async with asyncio.timeout(UP_WITHIN_S):
            while not await asyncio.to_thread(self.control_file.exists):  # noqa: ASYNC110 - a file of another process
                await asyncio.sleep(LOOK_EVERY_S)

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        assert self._session is not None
        where = json.loads(await asyncio.to_thread(self.control_file.read_text))
        url = f"http://127.0.0.1:{where['port']}{path}"
        async with self._session.request(method, url, data=json.dumps(body or {})) as answer:
            said: dict[str, Any] = json.loads(await answer.text())
            if answer.status != 200:
                raise StarterRefusedError(said["error"])
            return said

    async def login(self, name: str | None = None) -> None:
        await self._call("POST", "/login", {"id": self.account, "name": name or self.name})

    async def logout(self) -> None:
        await self._call("POST", "/logout", {})

    async def scan(self, payload: str, status: int = 2) -> None:
        await self._call("POST", "/scan", {"qrcode": payload, "status": status})

    async def hear(self, sender: str, name: str, text: str) -> None:
        """Let somebody write to it."""
        await self._call("POST", "/say", {"id": sender, "name": name, "text": text})

    async def prints(self, text: str) -> None:
        """Let it print something to its stdout, as whatever else runs in it might."""
        await self._call("POST", "/print", {"text": text})

    async def said(self) -> list[dict[str, Any]]:
        """Give what it has sent."""
        return list((await self._call("GET", "/sent"))["sent"])


class Courier:
    """Plays WeChat between a gateway's account and a starter bot's, whose mock puppet knows no other one.

    What the gateway sends to the bot's account is handed to the bot while it is logged in, and lost otherwise; what the bot says
    to the gateway's account arrives there. Nothing is read and nothing is answered on the way.
    """

    def __init__(self, gateway: Gateway, account: str, starter: Starter) -> None:
        self._gateway = gateway
        self._account = account
        self._starter = starter
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._carry_over()), loop.create_task(self._carry_back())]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def _carry_over(self) -> None:
        begun_ms, carried = time.time_ns() / 1_000_000, set[str]()
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                for sent in await self._gateway.sent():
                    if sent.contact_id == self._starter.account and sent.at_ms > begun_ms and sent.id not in carried:
                        carried.add(sent.id)
                        with suppress(StarterRefusedError):
                            await self._starter.hear(self._account, "Alice", sent.text or f"[{sent.kind}]")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _carry_back(self) -> None:
        carried = len(await self._starter.said())
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, GatewayRefusedError):
                for said in (await self._starter.said())[carried:]:
                    carried += 1
                    if said["conversation_id"] == self._account:
                        await self._gateway.message(self._starter.account, said["text"])
            await asyncio.sleep(LOOK_EVERY_S)
