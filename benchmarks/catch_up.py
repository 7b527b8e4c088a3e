"""Reading a large log from its beginning, through the whole way to the database, while the event loop has other things to do."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.corpus import rules, write_log
from benchmarks.figure import Figure
from benchmarks.flow import flowing
from opsbot.core.log import Rule

SIZE_BYTES = 1_000_000_000
TICK_S = 0.001


async def measure(directory: Path, size_bytes: int = SIZE_BYTES) -> list[Figure]:
    """Measure with 1, 100 and 1000 rules."""
    log = directory / "app.log"
    size_bytes = await asyncio.to_thread(write_log, log, size_bytes)
    targets = {1: "≥ 1 GB per CPU-second", 100: "≥ 1 GB per CPU-second", 1000: "≥ 0.8 GB per CPU-second"}
    return [await _catch_up(directory, log, size_bytes, count, target) for count, target in targets.items()]


async def _catch_up(directory: Path, log: Path, size_bytes: int, count: int, target: str) -> Figure:
    scratch = directory / f"{count}"
    scratch.mkdir()
    events = 0
    done = asyncio.Event()

    def note(_: object) -> None:
        nonlocal events
        events += 1

    def look(committed_bytes: int) -> None:
        if committed_bytes >= size_bytes:
            done.set()

    gaps_ms: list[float] = []
    async with (
        flowing(scratch, str(log), [*map(Rule, rules(count))], note, look, read_from="beginning"),
        asyncio.TaskGroup() as group,
    ):
        before_s = time.process_time()  # compiling the rules is another matter
        ticking = group.create_task(_tick(gaps_ms), name="tick:loop")
        async with asyncio.timeout(600):
            await done.wait()
        cpu_s = time.process_time() - before_s
        ticking.cancel()
    return Figure(
        f"catch-up of {size_bytes / 1e9:.2f} GB to the database, {count} rules, {events} events",
        f"{size_bytes / cpu_s / 1e9:.2f} GB per CPU-second, longest stall of the loop {max(gaps_ms):.1f} ms",
        f"{target}, ≤ 10 ms",
    )


async def _tick(gaps_ms: list[float]) -> None:
    """Note how much later than asked for the loop comes back."""
    with suppress(asyncio.CancelledError):
        while True:
            before_s = time.monotonic()
            await asyncio.sleep(TICK_S)
            gaps_ms.append((time.monotonic() - before_s - TICK_S) * 1000)
