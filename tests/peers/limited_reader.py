"""Follows logs in a process of its own, which a test can limit: `python -m tests.peers.limited_reader PATTERN [DESCRIPTORS]`.

Prints a JSON line {"texts", "figures"} for every batch, the first when all files are open, and one for each line on its input.
"""

import asyncio
import dataclasses
import json
import resource
import sys

import structlog

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.sources.file.source import FileSource
from opsbot.adapters.sources.file.tuning import Tuning
from opsbot.core.log import Rule


async def follow(pattern: str) -> None:
    """Follow until the input ends."""
    matcher = RegexMatcher([Rule.every_line()])
    tuning = Tuning(flush_s=0.05, reconcile_s=1.0)
    async with FileSource("app", pattern, matcher, clock=SystemClock(), tuning=tuning) as source, asyncio.TaskGroup() as group:

        def tell(*texts: str) -> None:
            figures = dataclasses.asdict(source.figures()) | {"rules": ()}
            sys.stdout.write(json.dumps({"texts": texts, "figures": figures}) + "\n")
            sys.stdout.flush()

        async def consume() -> None:
            async for batch in source.batches():
                tell(*(record.text for record in batch.records))

        tell()
        consuming = group.create_task(consume(), name="consume:app")
        while await asyncio.to_thread(sys.stdin.readline):
            tell()
        consuming.cancel()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), int(sys.argv[2])))
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(follow(sys.argv[1]))
