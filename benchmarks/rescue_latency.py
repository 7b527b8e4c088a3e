"""From the partner's log line to the picture handed to the gateway; the peer is `fs.watchFile` at 2 s, the ancestor's way."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figure import Figure, percentile
from benchmarks.setting import Setting, one_daemon, scan_line
from tests.peers.install import environment, node

ROUNDS = 120
PEER_ROUNDS = 8
PEER = """
const fs = require('fs'); const path = process.argv[1]; let size = fs.statSync(path).size;
fs.watchFile(path, {interval: 2000}, (now, before) => {
  fs.createReadStream(path, {start: before.size, end: now.size}).on('data', () => console.log(Date.now()));
});
console.log('ready');
"""


async def measure(directory: Path) -> list[Figure]:
    """Measure opsbot and the peer in one run."""
    async with one_daemon(directory) as setting:
        times_ms = await _pictures(setting)
    peer_ms = await _peer(directory / "peer.log")
    p50, p99 = percentile(times_ms, 0.5), percentile(times_ms, 0.99)
    peer_p50 = percentile(peer_ms, 0.5)
    return [
        Figure(
            "partner's log line → picture handed to the gateway",
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms (n={len(times_ms)})",
            "p50 ≤ 30 ms, p99 ≤ 150 ms",
            f"`fs.watchFile` at 2 s, only to see the line: p50 {peer_p50:.0f} ms (n={len(peer_ms)}), {peer_p50 / p50:.0f}x",
        )
    ]


async def _pictures(setting: Setting) -> list[float]:
    times_ms = []
    for number in range(ROUNDS):
        seen = len(await setting.gateway.attempts())
        written_ms = _now_ms()
        with setting.log.open("a") as log:
            log.write(scan_line(f"http://weixin.qq.com/x/Bench{number:05}") + "\n")
        attempt = None
        async with asyncio.timeout(10):
            while attempt is None:
                fresh = (await setting.gateway.attempts())[seen:]
                attempt = next((one for one in fresh if one.kind == "file"), None)
                await asyncio.sleep(0.02)
        times_ms.append(attempt.at_ms - written_ms)
        await asyncio.sleep(0.05)
    return times_ms


async def _peer(log: Path) -> list[float]:
    log.touch()  # noqa: ASYNC240 - nothing else runs on this loop
    process = await asyncio.create_subprocess_exec(
        str(node()), "-e", PEER, str(log), stdout=asyncio.subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        times_ms = []
        for _ in range(PEER_ROUNDS):
            written_ms = _now_ms()
            with log.open("a") as file:
                file.write("12:00:00 INFO StarterBot onScan: Waiting(2) - https://wechaty.js.org/qrcode/x\n")
            async with asyncio.timeout(10):
                times_ms.append(float(await process.stdout.readline()) - written_ms)
            await asyncio.sleep(0.37)
        return times_ms
    finally:
        process.kill()
        await process.wait()


def _now_ms() -> float:
    return datetime.now(UTC).timestamp() * 1000
