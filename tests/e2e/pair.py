"""Two daemons, alice and bob, each on its own real gateway, and the pm2 that `restart` is about."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.daemon import OpsbotDaemon
from tests.peers.gateway import Gateway, Sent
from tests.peers.pm2 import Pm2
from tests.peers.qr import read_qr

PAYLOADS = (f"http://weixin.qq.com/x/Rescue{number:04}" for number in itertools.count(1))
PAIR_KEY = "a-key-that-only-the-pair-knows"
OTHER = {"alice": "bob", "bob": "alice"}


def config_text(
    name: str, gateway: Gateway, *, pm2_home: str = "", extra: str = "", scene_extra: str = "", signed: bool = True
) -> str:
    """Write the configuration of one of the two; what the tests change is appended."""
    other = OTHER[name]
    pair_key = "pair_key: ${OPSBOT_PAIR_KEY}" if signed else ""
    pm2 = f"pm2_home: {pm2_home}" if pm2_home else ""
    return f"""
name: {name}
state_dir: state/{name}
{pair_key}
log: {{file: logs/{name}.log}}
channels:
  wechat:
    kind: wechaty
    endpoint: {gateway.end_point}
    token: ${{WECHATY_TOKEN}}
    tls: false
    account: wxid_{name}
people:
  archy: {{roles: [owner], ids: {{wechat: wxid_archy}}}}
  {other}: {{roles: [bot], ids: {{wechat: wxid_{other}}}}}
rooms:
  OPS: {{wechat: "ops@chatroom"}}
sources:
  {other}: {{path: logs/{other}.log}}
operations:
  rescue_{other}:
    use: qr_rescue
    source: {other}
    partner: {other}@wechat
    tell: [{other}@wechat, archy@wechat]
    login_test: "#ping"
{scene_extra}
  restart_{other}:
    use: pm2_restart
    process: worker
    watch_s: 1
    {pm2}
{extra}
"""


@dataclass
class Side:
    """One of the two: its gateway and its daemon."""

    name: str
    gateway: Gateway
    daemon: OpsbotDaemon

    @property
    def account(self) -> str:
        return f"wxid_{self.name}"

    async def log_in(self) -> None:
        """Log the account in and wait until the daemon obeys."""
        after = len(self.daemon.log)
        await self.gateway.login(self.account)
        await self.daemon.wait_logged(lambda line: line.get("event") == "account logged in", after=after)
        await asyncio.sleep(1.1)  # the time a login takes to settle, by the daemon's own clock

    async def obeys(self, sender: str, text: str, *, timeout_s: float = 15.0) -> Sent:
        """Send a command and give the first answer to its sender."""
        after = (await self.gateway.sent() or [None])[-1]
        await self.gateway.message(sender, text)
        return await self.gateway.wait_sent(lambda sent: sent.contact_id == sender, timeout_s, after=after.seq if after else 0)


@dataclass
class Pair:
    """Both sides."""

    alice: Side
    bob: Side
    pm2: Pm2
    directory: Path


@asynccontextmanager
async def paired(directory: Path, *, scene_extra: str = "", extra: str = "", signed: bool = True) -> AsyncIterator[Pair]:
    """Start both gateways, both daemons and pm2's home; both accounts are logged in and settled."""
    (directory / "logs").mkdir()
    env = {"WECHATY_TOKEN": "gateway-token", "OPSBOT_PAIR_KEY": PAIR_KEY}
    async with AsyncExitStack() as stack:
        pm2 = await stack.enter_async_context(Pm2(directory / "pm2"))
        sides: dict[str, Side] = {}
        for name in OTHER:
            gateway = await stack.enter_async_context(Gateway(directory / f"gateway-{name}"))
            for contact, shown in (("wxid_archy", "Archy"), ("wxid_alice", "Alice"), ("wxid_bob", "Bob"), ("wxid_eve", "Archy")):
                await gateway.contact(contact, name=shown, friend=True)
            await gateway.room("ops@chatroom", topic="OPS", members=["wxid_alice", "wxid_bob", "wxid_archy", "wxid_eve"])
            config = directory / f"{name}.yaml"
            text = config_text(name, gateway, pm2_home=str(pm2.home), scene_extra=scene_extra, extra=extra, signed=signed)
            config.write_text(text)
            sides[name] = Side(name, gateway, OpsbotDaemon(config, {**pm2.environment, **env}))
        await sides["alice"].gateway.wire("wxid_bob", sides["bob"].gateway)
        await sides["bob"].gateway.wire("wxid_alice", sides["alice"].gateway)
        for side in sides.values():
            await stack.enter_async_context(side.daemon)
        for side in sides.values():
            await side.log_in()
        yield Pair(sides["alice"], sides["bob"], pm2, directory)


def is_picture_of(payload: str, to: str) -> "PictureOf":
    """Make the condition: a picture, sent to a contact, that an independent reader decodes to the payload."""
    return PictureOf(payload, to)


@dataclass(frozen=True)
class PictureOf:
    """A condition on what a gateway sent."""

    payload: str
    to: str

    def __call__(self, sent: Sent) -> bool:
        return sent.contact_id == self.to and sent.file is not None and read_qr(sent.file.content) == self.payload
