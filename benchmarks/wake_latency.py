"""From just before write(2) to the operation, over many files; the peers are `fs.watchFile` at 2 s and polling every 250 ms."""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figure import Figure, percentile
from benchmarks.flow import flowing
from benchmarks.workload import MARK, ordinary_lines, timed_rules
from opsbot.api import LogEvent
from tests.peers.install import environment, node

FILES = 1000
RULES = 100
SECONDS = 6.0
PEER_LINES_PER_S = 2_000
WATCH_FILE = """
const fs = require('fs'); const [directory, files, mark] = process.argv.slice(1);
for (let number = 0; number < Number(files); number++) {
  const path = `${directory}/app${number}.log`;
  fs.watchFile(path, {interval: 2000}, (now, before) => {
    if (now.size <= before.size) return;
    fs.createReadStream(path, {start: before.size, end: now.size - 1}).on('data', (read) => {
      const seen = process.hrtime.bigint();
      for (const line of String(read).split('\\n')) {
        if (!line.includes(mark)) continue;
        console.log(Number(seen - BigInt(line.match(/at=(\\d+)/)[1])) / 1e6);
      }
    });
  });
}
setTimeout(() => console.log('ready'), 2500);
"""
POLL = """
import os, re, sys, time
directory, files, mark = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()
logs = [os.open(f"{directory}/app{number}.log", os.O_RDONLY) for number in range(files)]
sizes = [os.fstat(log).st_size for log in logs]
timed = re.compile(mark + rb".*? at=(\\d+)")
print("ready", flush=True)
while True:
    for number, log in enumerate(logs):
        size = os.fstat(log).st_size
        if size > sizes[number]:
            read, sizes[number] = os.pread(log, size - sizes[number], sizes[number]), size
            for found in timed.finditer(read):
                print((time.monotonic_ns() - int(found[1])) / 1e6, flush=True)
    time.sleep(0.25)
"""


@dataclass
class Run:
    """What one run gave."""

    times_ms: list[float]
    cpu_percent: float = 0.0
    expected: int = 0

    @property
    def summary(self) -> str:
        """Give both percentiles."""
        p50, p99 = percentile(self.times_ms, 0.5), percentile(self.times_ms, 0.99)
        return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms (n={len(self.times_ms)})"


async def measure(directory: Path) -> list[Figure]:
    """Measure opsbot at two rates, and the peers at the lower one."""
    runs = {rate: await _operation(directory / f"{rate}", rate) for rate in (2_000, 20_000)}
    watch_file = await _peer(directory / "watch-file", [str(node()), "-e", WATCH_FILE])
    polling = await _peer(directory / "polling", [sys.executable, "-c", POLL])
    figures = []
    for rate, run in runs.items():
        assert len(run.times_ms) == run.expected, f"{run.expected - len(run.times_ms)} lines are missing"
        p50 = percentile(run.times_ms, 0.5)
        peers = ", ".join(
            f"{name}: p50 {percentile(peer.times_ms, 0.5):.0f} ms ({percentile(peer.times_ms, 0.5) / p50:.0f}x)"
            for name, peer in (("`fs.watchFile` at 2 s", watch_file), ("polling every 250 ms", polling))
        )
        figures.append(
            Figure(
                f"write → operation, {FILES} files, {RULES} rules, {rate} lines/s",
                f"{run.summary}, {run.cpu_percent:.0f} % of a core",
                "p50 ≤ 0.5 ms, p99 ≤ 5 ms",
                f"at {PEER_LINES_PER_S} lines/s, only to see the line: {peers}",
            )
        )
    return figures


async def _operation(directory: Path, lines_per_s: int) -> Run:
    run, seen = Run([]), asyncio.Event()

    def note(event: LogEvent) -> None:
        run.times_ms.append((time.monotonic_ns() - int(event.groups["at"])) / 1e6)
        seen.set()

    _make_logs(directory)
    async with flowing(directory, str(directory / "app*.log"), timed_rules(RULES), note):
        before_s = time.process_time()
        run.expected = await _write(directory, lines_per_s)
        run.cpu_percent = (time.process_time() - before_s) / SECONDS * 100
        async with asyncio.timeout(30):
            while len(run.times_ms) < run.expected:
                seen.clear()
                await seen.wait()
    return run


async def _peer(directory: Path, argv: list[str]) -> Run:
    _make_logs(directory)
    process = await asyncio.create_subprocess_exec(
        *argv, str(directory), str(FILES), MARK, stdout=asyncio.subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        run = Run([])
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(_write(directory, PEER_LINES_PER_S), name="write:peer")
            while not writing.done() or len(run.times_ms) < writing.result():
                async with asyncio.timeout(SECONDS + 10):
                    run.times_ms.append(float(await process.stdout.readline()))
        return run
    finally:
        process.kill()
        await process.wait()


def _make_logs(directory: Path) -> None:
    """Make logs as they are found: with something in them."""
    directory.mkdir()
    lines = b"".join(ordinary_lines(directory)[:10])
    for number in range(FILES):
        (directory / f"app{number}.log").write_bytes(lines)


async def _write(directory: Path, lines_per_s: int) -> int:
    """Let a process write; gives how many lines were timed."""
    arguments = (str(directory), str(FILES), str(lines_per_s), str(SECONDS))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.log_writer", *arguments, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return int(said)
