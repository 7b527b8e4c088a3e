"""The messages of the local channel, durable and in order, and a way to wait for the next one."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from opsbot.adapters.channels.local import schema
from opsbot.adapters.channels.local.schema import Entry, Posting
from opsbot.core.chat import Attachment
from opsbot.core.errors import StateError

FILE_NAME = "local.db"
READ_LIMIT = 500
"""So many entries are read at once; the reader comes back for more."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How much is kept: entries per chat, bytes of all attachments, remembered repeat keys per sender."""

    entries_per_chat: int = 5000
    attachment_bytes: int = 256 * 1024 * 1024
    repeat_keys: int = 5000


class History:
    """The message log in `state_dir/local.db`.

    Every entry has a `seq` that only grows, over restarts too; an edit is a new entry with the id of its message. The oldest
    entries and attachments are dropped beyond what `keep` allows. All SQLite work is done by one thread of its own, so calls are
    carried out one after the other; a call that is cancelled may still have been carried out. All raise StateError when the
    database cannot be used.
    """

    def __init__(self, state_dir: Path, keep: Keep | None = None) -> None:
        """Take the directory; nothing is opened yet."""
        self._path = state_dir / FILE_NAME
        self._keep = keep or Keep()
        self._thread: ThreadPoolExecutor | None = None
        self._database: sqlite3.Connection | None = None
        self._news = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether calls can be made."""
        return self._thread is not None

    @property
    def news(self) -> asyncio.Event:
        """The event that is set at the next change, or when the history is closed. Take it, then read, then wait."""
        return self._news

    async def open(self) -> None:
        """Open or make the database."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-history")
        try:
            self._database = await self._in_thread(_connect, self._path)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the database and wake everybody who waits for news."""
        thread, database = self._thread, self._database
        self._thread = self._database = None
        self._announce()
        if thread is None:
            return
        if database is not None:
            await asyncio.get_running_loop().run_in_executor(thread, database.close)
        thread.shutdown(wait=False)

    async def append(self, posting: Posting) -> tuple[str, bool]:
        """Keep a message; gives its id, and False if the same sender had posted it before."""
        return await self._change(schema.append, posting, self._keep.repeat_keys)

    async def edit(self, chat: str, message_id: str, text: str, at: datetime) -> bool:
        """Keep a new text for a message of the bot; False if the chat holds no such message."""
        return await self._change(schema.edit, chat, message_id, text, at)

    async def after(self, chats: Sequence[str], seq: int, limit: int = READ_LIMIT) -> Sequence[Entry]:
        """Give the entries of some chats with a greater `seq`, oldest first."""
        return await self._ask(schema.after, chats, seq, limit)

    async def latest(self, chats: Sequence[str], limit: int = READ_LIMIT) -> Sequence[Entry]:
        """Give the newest entries of some chats, oldest first."""
        return await self._ask(schema.latest, chats, limit)

    async def last_seq(self) -> int:
        """Give the greatest `seq` there has ever been, 0 if there was none."""
        return await self._ask(schema.last_seq)

    async def untaken(self) -> Sequence[Entry]:
        """Give messages that the daemon has not taken yet, oldest first."""
        return await self._ask(schema.untaken, READ_LIMIT)

    async def take(self, seq: int) -> None:
        """Note that the daemon has taken everything up to an entry."""
        await self._ask(schema.take, seq)

    async def attachment(self, chat: str, attachment_id: str) -> Attachment | None:
        """Give an attachment, None if the chat holds no such thing (any more)."""
        return await self._ask(schema.attachment, chat, attachment_id)

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do other blocking work of the channel in the same thread."""
        return await self._in_thread(work, *args, **kwargs)

    async def _change(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        keep = self._keep

        def in_one_transaction(database: sqlite3.Connection) -> T:
            with database:
                answer = work(database, *args, **kwargs)
                schema.prune(database, keep.entries_per_chat, keep.attachment_bytes)
            # Announced from here, so that readers also hear of a change whose caller was cancelled meanwhile.
            loop.call_soon_threadsafe(self._announce)
            return answer

        return await self._ask(in_one_transaction)

    async def _ask(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._database is None:
            raise StateError("the chat is closed just now; try again in a moment")
        return await self._in_thread(work, self._database, *args, **kwargs)

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._thread is None:
            raise StateError("the chat is closed just now; try again in a moment")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))
        except (sqlite3.Error, OSError) as exc:
            raise StateError(f"{self._path}: {exc}; free space, or move the file away and a new one is made") from exc

    def _announce(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _connect(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    database = sqlite3.connect(path)
    try:
        schema.prepare(database)
    except BaseException:
        database.close()
        raise
    return database
