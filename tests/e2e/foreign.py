"""One daemon, alice, on a real gateway, whose partners are ordinary npm bots that know nothing of opsbot."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.e2e.pair import ARCHY, OPERATIONS, TOKEN, Side, furnish, watchers_text, write_private
from tests.peers.daemon import OpsbotDaemon
from tests.peers.gateway import Gateway
from tests.peers.starter import Courier, Starter

ALICE = "wxid_alice"
PING = "ding"
PING_TIMEOUT_S = 8
UNVERIFIED_PER_MINUTE = 20
"""More than the tests need in a minute: what the limit does is tried on a clock that can be moved."""


def config_text(gateway: Gateway, logs: Mapping[str, Path]) -> str:
    """Write alice's configuration: a rescue for each of the bots, and a mark in each of their logs."""
    people = "\n".join(f"  {name}: {{roles: [bot], ids: {{wechat: wxid_{name}}}}}" for name in logs)
    sources = "\n".join(f"  {name}: {{path: {log}}}" for name, log in logs.items())
    scenes = "\n".join(
        f"""
  rescue_{name}:
    use: qr_rescue
    source: {name}
    partner: {name}@wechat
    tell: [archy@wechat]
    login_test: "{PING}"
    ping_timeout_s: {PING_TIMEOUT_S}
    ping_every_s: 0.1
    answer_within_s: 5
    unverified_per_minute: {UNVERIFIED_PER_MINUTE}
  marker_{name}: {{use: marker, source: {name}, tell: [archy@wechat]}}
"""
        for name in logs
    )
    return f"""
name: alice
state_dir: state/alice
pair_key: ${{OPSBOT_PAIR_KEY}}
channels:
  wechat: {{kind: wechaty, endpoint: {gateway.end_point}, token: "${{WECHATY_TOKEN}}", tls: false}}
people:
  archy: {{roles: [owner], ids: {{wechat: {ARCHY}}}}}
{people}
{watchers_text(f"rescue_{name}" for name in logs)}
sources:
{sources}
operation_dirs: [{OPERATIONS}]
operations:
{scenes}
"""


@asynccontextmanager
async def rescuing(directory: Path, bots: Mapping[Path, Starter]) -> AsyncIterator[Side]:
    """Start alice and whatever carries messages between her and the bots, each of which writes to its log."""
    await asyncio.to_thread(furnish, directory)
    env = {"WECHATY_TOKEN": TOKEN, "OPSBOT_PAIR_KEY": "a key that no foreign bot has"}
    gateway = Gateway(directory / "gateway", token=TOKEN)
    alice = Side("alice", gateway, OpsbotDaemon(directory / "alice.yaml", env))
    async with AsyncExitStack() as stack:
        stack.push_async_exit(gateway)
        await alice.prepare()
        for bot in bots.values():
            await gateway.contact(bot.account, name=bot.name, friend=True)
        logs = {bot.account.removeprefix("wxid_"): log for log, bot in bots.items()}
        await asyncio.to_thread(write_private, alice.daemon.config, config_text(gateway, logs))
        await stack.enter_async_context(alice.daemon)
        await alice.log_in()
        for bot in bots.values():
            await stack.enter_async_context(Courier(gateway, ALICE, bot))
        yield alice
