"""Run all benchmarks and print the table of the README, as Markdown."""

import asyncio
import tempfile
from pathlib import Path

from benchmarks import catch_up, command_latency, footprint, idle, matching, rescue_latency, tail_memory, wake_latency
from benchmarks.figure import Figure


async def main() -> None:
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="opsbot-bench-") as scratch:
        for module in (rescue_latency, command_latency, footprint, matching, catch_up, wake_latency, idle, tail_memory):
            directory = Path(scratch) / module.__name__.rpartition(".")[2]
            directory.mkdir()
            figures += await module.measure(directory)
    print("| what | measured | target | peer in the same run |")
    print("|---|---|---|---|")
    for figure in figures:
        print(figure.row())


if __name__ == "__main__":
    asyncio.run(main())
