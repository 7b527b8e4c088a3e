"""From a chat command to its first reply, beyond what a bare client of the same gateway needs for the same round trip."""

import asyncio
import json
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figure import Figure, percentile
from benchmarks.setting import PEOPLE, one_daemon
from opsbot.adapters.channels.wechaty.compat import load
from tests.peers.gateway import Gateway

ROUNDS = 200
MESSAGE_EVENT = 2


async def measure(directory: Path) -> list[Figure]:
    """Measure a bare echo client and the daemon in turns, each on a gateway of its own, so that both see the same machine."""
    async with Gateway(directory / "bare") as gateway, one_daemon(directory) as setting:
        for contact in ("wxid_alice", *(f"wxid_{person}" for person in PEOPLE)):
            await gateway.contact(contact, name=contact, friend=True)
        await gateway.login("wxid_alice")
        await asyncio.sleep(1.5)  # the daemon's login settles
        bare_ms, opsbot_ms = [], []
        async with asyncio.TaskGroup() as group:
            echo = group.create_task(_echo(gateway))
            await gateway.wait_until("connected")
            for number in range(ROUNDS):
                sender = f"wxid_{PEOPLE[number % len(PEOPLE)]}"
                bare_ms.append(await _round(gateway, sender))
                opsbot_ms.append(await _round(setting.gateway, sender))
            echo.cancel()
    bare, ours = percentile(bare_ms, 0.5), percentile(opsbot_ms, 0.5)
    beyond_p99 = percentile(opsbot_ms, 0.99) - percentile(bare_ms, 0.99)
    return [
        Figure(
            "chat command → first reply, beyond the gateway's own round trip",
            f"p50 {ours - bare:.1f} ms, p99 {beyond_p99:.1f} ms (n={ROUNDS})",
            "p99 ≤ 15 ms",
            f"a bare echo client: p50 {bare:.1f} ms, p99 {percentile(bare_ms, 0.99):.1f} ms; opsbot {ours / bare:.2f}x",
        )
    ]


async def _round(gateway: Gateway, sender: str) -> float:
    """Send one command and give the milliseconds until its first reply reaches the gateway."""
    started_ms = datetime.now(UTC).timestamp() * 1000
    await gateway.message(sender, "rescue_bob status")
    reply = await gateway.wait_sent(lambda one: one.contact_id == sender)
    await gateway.clear_sent()
    return reply.at_ms - started_ms


async def _echo(gateway: Gateway) -> None:
    wire = load()
    host, _, port = gateway.end_point.rpartition(":")
    channel = wire.channel(host, int(port))
    metadata = {"authorization": f"Wechaty {gateway.token}"}
    stub = wire.puppet_stub(channel, metadata=metadata)
    try:
        await stub.start()
        async with aclosing(stub.event()) as events:
            async for event in events:
                if event.type != MESSAGE_EVENT:
                    continue
                message = await stub.message_payload(id=json.loads(event.payload)["messageId"])
                if message.from_id in {f"wxid_{person}" for person in PEOPLE}:
                    await stub.message_send_text(conversation_id=message.from_id, text="pong")
    finally:
        channel.close()
