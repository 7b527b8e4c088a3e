"""A reader that may be killed at any time: `python -m tests.peers.log_reader DATABASE LOG`.

Like the daemon, it commits what it read together with how far it read. It says how many records each commit had.
"""

# ruff: noqa: T201 it is a program

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.sources.file.source import FileSource
from opsbot.adapters.sources.file.tuning import Tuning
from opsbot.adapters.stores.sqlite.store import SqliteStore
from opsbot.core.change import Change
from opsbot.core.chat import Chat
from opsbot.core.delivery import Delivery
from opsbot.core.log import Batch, Rule

CHAT = Chat("local", "reader")
EPOCH = datetime(2026, 11, 20, tzinfo=UTC)
EVERY_LINE = Rule.every_line()
TUNING = Tuning(batch_records=100, reconcile_s=0.5, rotate_wait_s=0.3)


def change_of(batch: Batch) -> Change:
    output = "\n".join(f"{record.key(EVERY_LINE)} {record.text}" for record in batch.records)
    delivery = Delivery(chat=CHAT, output=output, notice_id="", created_at=EPOCH, not_before=EPOCH)
    forgotten = tuple((batch.source, *key) for key in batch.forgotten)
    return Change(checkpoints=batch.checkpoints, forgotten=forgotten, deliveries=(delivery,) if batch.records else ())


async def committed(database: Path) -> list[tuple[str, str]]:
    """Give what was committed: key and text of each record."""
    async with SqliteStore(database) as store:
        outputs = [str(each.output) for each in await store.due(CHAT.channel, EPOCH, limit=1_000_000)]
    lines = [line for output in outputs for line in output.split("\n")]
    return [(key, text) for key, _, text in (line.partition(" ") for line in lines)]


async def main(database: Path, pattern: str) -> None:
    matcher = RegexMatcher([EVERY_LINE])
    async with SqliteStore(database) as store:
        checkpoints = await store.checkpoints("app")
        source = FileSource("app", pattern, matcher, checkpoints, clock=SystemClock(), read_from="beginning", tuning=TUNING)
        async with source:
            print("ready", flush=True)
            async for batch in source.batches():
                await store.commit(change_of(batch))
                print(len(batch.records), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
