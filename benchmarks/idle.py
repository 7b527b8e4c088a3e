"""What following many files costs while nothing is written: memory for each, and CPU, beside a bare loop of `os.stat`.

Run one size alone with `python -m benchmarks.idle 10000`.
"""

import asyncio
import gc
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figure import Figure
from opsbot.adapters.clock import SystemClock
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.sources.file.source import FileSource
from opsbot.core.log import Rule

SIZES = (1_000, 10_000)
SWEEP_S = 5.0
ROUNDS = 4
LINE = "2026-11-20 10:00:00 INFO nothing to see\n"


async def measure(directory: Path) -> list[Figure]:
    """Measure each size in a process of its own, for memory is not given back."""
    figures = []
    for size in SIZES:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.idle", str(size), str(directory), stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        bytes_per_file, idle, peer = (float(word) for word in output.split())
        limit = "≤ 0.2 %" if size == SIZES[0] else "≤ 1 %"
        ratio = f"os.stat of the same files every {SWEEP_S:.0f} s: {peer:.2f} %, {idle / peer:.1f}x"
        figures.append(Figure(f"idle CPU at {size} files", f"{idle:.2f} % of a core", limit, ratio))
    return [*figures, Figure(f"RSS per file at {SIZES[-1]} files", f"{bytes_per_file / 1024:.2f} KB", "≤ 1 KB")]


async def follow(directory: Path, size: int) -> tuple[float, float, float]:
    """Give bytes of memory for each file, and percent of a core for the source and for the peer."""
    warm, many = directory / "warm", directory / f"many{size}"
    paths = [many / f"service-{number:05}.log" for number in range(size)]
    for path in (warm / "app.log", *paths):
        path.parent.mkdir(exist_ok=True)
        path.write_text(LINE)
    async with _source(warm / "*.log"):
        await asyncio.sleep(1)
    before = _rss_bytes()
    async with _source(many / "*.log") as source:
        consumer = asyncio.get_running_loop().create_task(_consume(source))
        await asyncio.sleep(2 * SWEEP_S)
        gc.collect()
        used = _rss_bytes() - before
        began_s = time.process_time()
        await asyncio.sleep(ROUNDS * SWEEP_S)
        idle_s = time.process_time() - began_s
        consumer.cancel()
    return used / size, idle_s / ROUNDS / SWEEP_S * 100, _peer_s(paths) / SWEEP_S * 100


def _source(pattern: Path) -> FileSource:
    return FileSource("bench", str(pattern), RegexMatcher([Rule("ERROR")]), clock=SystemClock())


async def _consume(source: FileSource) -> None:
    async for _ in source.batches():
        pass


def _peer_s(paths: list[Path]) -> float:
    names = [str(path) for path in paths]
    taken = []
    for _ in range(ROUNDS):
        began_s = time.process_time()
        for name in names:
            os.stat(name)  # noqa: PTH116 the bare call is the peer
        taken.append(time.process_time() - began_s)
    return min(taken)


def _rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as scratch:
        print(*asyncio.run(follow(Path(scratch), int(sys.argv[1]))))
