"""What the daemon costs while nothing happens: CPU, memory, and the time until it is ready."""

import asyncio
import os
import sys
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.setting import one_daemon
from tests.peers.daemon import OpsbotDaemon

IDLE_S = 30.0
READY_ROUNDS = 5
LOCAL_ONLY = """
name: solo
state_dir: state-solo
channels:
  page: {kind: local, listen: "127.0.0.1:0"}
people:
  archy: {roles: [owner], ids: {page: archy}}
sources:
  app: {path: app.log}
operations:
  errors: {use: log_alert, source: app, patterns: [ERROR], tell: [archy@page]}
"""


async def measure(directory: Path) -> list[Figure]:
    """Measure a daemon with wechaty, one without, and a bare Python that imports aiohttp."""
    async with one_daemon(directory) as setting:
        await asyncio.sleep(2)
        idle = await _idle_percent(setting.daemon.pid)
        with_wechaty = _rss_mb(setting.daemon.pid)
    config = directory / "solo.yaml"
    config.write_text(LOCAL_ONLY)
    ready_s = []
    for _ in range(READY_ROUNDS):
        async with OpsbotDaemon(config, log_level="info") as daemon:
            ready_s.append(daemon.ready_after_s)
            without = _rss_mb(daemon.pid)
    bare = await _bare_aiohttp_mb()
    return [
        Figure("idle CPU of the daemon with wechaty", f"{idle:.2f} % of a core over {IDLE_S:.0f} s", "≤ 0.3 %"),
        Figure(
            "RSS with wechaty",
            f"{with_wechaty:.0f} MB",
            "≤ 90 MB",
            f"Python importing aiohttp: {bare:.0f} MB, {with_wechaty / bare:.1f}x",
        ),
        Figure(
            "RSS without wechaty",
            f"{without:.0f} MB",
            "≤ 70 MB",
            f"Python importing aiohttp: {bare:.0f} MB, {without / bare:.1f}x",
        ),
        Figure("start to ready", f"median {sorted(ready_s)[len(ready_s) // 2]:.2f} s (n={READY_ROUNDS})", "≤ 1.5 s"),
    ]


async def _idle_percent(pid: int) -> float:
    before = _cpu_s(pid)
    await asyncio.sleep(IDLE_S)
    return (_cpu_s(pid) - before) / IDLE_S * 100


def _cpu_s(pid: int) -> float:
    # Nanosecond accounting of the scheduler: ticks of 10 ms are too coarse for an idle process.
    total_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total_ns += int((task / "schedstat").read_text().split()[0])
    return total_ns / 1e9


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def _bare_aiohttp_mb() -> float:
    code = "import aiohttp, aiohttp.web, sys; print('ready', flush=True); sys.stdin.read()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    await process.stdout.readline()
    rss = _rss_mb(process.pid)
    process.stdin.close()
    await process.wait()
    return rss
