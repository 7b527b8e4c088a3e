"""The store on SQLite: one file, one connection, one thread."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from opsbot.adapters.stores.sqlite import ledger, outbox
from opsbot.adapters.stores.sqlite.fault import as_state_error, gone
from opsbot.adapters.stores.sqlite.schema import identity_of, open_database
from opsbot.core.change import Alert, Change, Job, Recovered, Timer
from opsbot.core.delivery import Delivery
from opsbot.core.log import Checkpoint

P = ParamSpec("P")
T = TypeVar("T")

PRUNED_PAGES = 4096
"""So many pages at most are given back to the file system by one `prune`: it must not hold up the outbox for long."""


class SqliteStore:
    """Keeps the daemon's memory in one SQLite file, or in memory when `path` is None.

    All work is done in one thread of the store's own, so that calls are carried out one after the other and the event
    loop never waits for the disk. A call that is cancelled may still be carried out. `max_pages` (of 4 KiB) bounds the file.
    """

    def __init__(self, path: Path | None, *, max_pages: int | None = None) -> None:
        self._path = path
        self._max_pages = max_pages
        self._thread: ThreadPoolExecutor | None = None
        self._db: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    async def __aenter__(self) -> Self:
        """Open the file; makes it, readable by its owner only, where there is none.

        Raises:
            StateError: the file is damaged, is something else, was written by a newer opsbot, or may not be used.
        """
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        try:
            self._db = await self._in_thread(self._open)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish what was begun and close the file."""
        if self._thread is None or self._db is None:
            return
        try:
            await self._in_thread(self._db.close)
        finally:
            self._thread.shutdown(wait=False)
            self._thread = self._db = None

    async def recover(self, now: datetime) -> Recovered:
        """See `Store.recover`."""
        return await self._write(ledger.recover, now)

    async def checkpoints(self, source: str) -> Sequence[Checkpoint]:
        """See `Store.checkpoints`."""
        return await self._read(ledger.checkpoints, source)

    async def commit(self, change: Change) -> Sequence[int]:
        """See `Store.commit`."""
        return await self._write(ledger.commit, change)

    async def claim(self, message_key: str, at: datetime, job: Job | None = None) -> bool:
        """See `Store.claim`."""
        return await self._write(ledger.claim, message_key, at, job)

    async def due(self, channel: str, now: datetime, limit: int = 100) -> Sequence[Delivery]:
        """See `Store.due`."""
        return await self._read(outbox.due, channel, now, limit)

    async def companions(self, first: Delivery, now: datetime) -> Sequence[int]:
        """See `Store.companions`."""
        return await self._read(outbox.companions, first, now)

    async def next_due_at(self, channel: str) -> datetime | None:
        """See `Store.next_due_at`."""
        return await self._read(outbox.next_due_at, channel)

    async def begin(self, delivery_ids: Sequence[int]) -> None:
        """See `Store.begin`."""
        await self._write(outbox.begin, delivery_ids)

    async def settle(self, delivery_ids: Sequence[int], sent_message_id: str = "") -> None:
        """See `Store.settle`; fallbacks that wait for the same notice are dropped."""
        await self._write(outbox.settle, delivery_ids, sent_message_id)

    async def postpone(self, delivery_ids: Sequence[int], until: datetime, reason: str, *, maybe_sent: bool) -> None:
        """See `Store.postpone`; a delivery that was superseded meanwhile is dropped."""
        await self._write(outbox.postpone, delivery_ids, until, reason, maybe_sent=maybe_sent)

    async def fail(self, delivery_ids: Sequence[int], reason: str) -> None:
        """See `Store.fail`."""
        await self._write(outbox.fail, delivery_ids, reason)

    async def stuck(self) -> Sequence[Sequence[Delivery]]:
        """See `Store.stuck`."""
        return await self._read(outbox.stuck)

    async def start_rank(self, notice_id: str, rank: int, now: datetime) -> None:
        """See `Store.start_rank`."""
        await self._write(outbox.start_rank, notice_id, rank, now)

    async def sent_message_id(self, delivery_id: int) -> str:
        """See `Store.sent_message_id`."""
        return await self._read(outbox.sent_message_id, delivery_id)

    async def alerts(self) -> Sequence[Alert]:
        """See `Store.alerts`."""
        return await self._read(ledger.alerts)

    async def timers(self) -> Sequence[Timer]:
        """See `Store.timers`."""
        return await self._read(ledger.timers)

    async def prune(self, before: datetime) -> None:
        """See `Store.prune`; gives some of the freed space back to the file system."""
        await self._write(_prune, before)
        await self._read(_give_back)

    async def _read(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._in_thread(partial(work, self._connection(), *args, **kwargs))

    async def _write(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        db = self._connection()
        return await self._in_thread(partial(self._in_place, partial(_in_transaction, db, partial(work, db, *args, **kwargs))))

    def _open(self) -> sqlite3.Connection:
        db = open_database(self._path, self._max_pages)
        self._identity = identity_of(self._path) if self._path else None
        return db

    def _in_place(self, work: Callable[[], T]) -> T:
        """Write only what the next start will find: SQLite goes on in a file that was deleted, and all of it would be lost."""
        if self._path is not None and identity_of(self._path) != self._identity:
            raise gone(self._path)
        return work()

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            raise RuntimeError("the store must be entered before it is used")
        return self._db

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as exc:
            error = as_state_error(exc, self._path)
            if error is None:
                raise
            raise error from exc


def _in_transaction(db: sqlite3.Connection, work: Callable[[], T]) -> T:
    db.execute("BEGIN IMMEDIATE")
    try:
        result = work()
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite rolls back by itself after some errors, such as a full disk
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
        raise
    return result


def _prune(db: sqlite3.Connection, before: datetime) -> None:
    outbox.prune(db, before)
    ledger.prune(db, before)


def _give_back(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA incremental_vacuum({PRUNED_PAGES:d})").fetchall()
