"""The tables behind the history of the local channel, and every statement on them."""

import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from opsbot.core.chat import Attachment
from opsbot.core.errors import StateError

VERSION = 1

_TABLES = """
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, chat TEXT NOT NULL, message_id TEXT NOT NULL, sender TEXT NOT NULL,
    by_bot INTEGER NOT NULL, text TEXT NOT NULL, edited INTEGER NOT NULL, at TEXT NOT NULL);
CREATE INDEX entry_chat ON entry (chat, seq);
CREATE INDEX entry_message ON entry (message_id, seq);
CREATE TABLE attachment (
    n INTEGER PRIMARY KEY AUTOINCREMENT, attachment_id TEXT NOT NULL UNIQUE, message_id TEXT NOT NULL, chat TEXT NOT NULL,
    name TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL, content BLOB NOT NULL);
CREATE INDEX attachment_message ON attachment (message_id);
CREATE TABLE repeat (
    n INTEGER PRIMARY KEY AUTOINCREMENT, origin TEXT NOT NULL, repeat_key TEXT NOT NULL, message_id TEXT NOT NULL,
    UNIQUE (origin, repeat_key));
CREATE TABLE taken (seq INTEGER NOT NULL);
INSERT INTO taken VALUES (0);
PRAGMA user_version = 1;
"""


@dataclass(frozen=True, slots=True)
class AttachmentNote:
    """What a reader of the history learns about an attachment; the content is fetched by its id."""

    attachment_id: str
    name: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the history: a message, or a new text of one."""

    seq: int
    chat: str
    message_id: str
    sender: str
    by_bot: bool
    text: str
    edited: bool
    at: datetime
    attachments: tuple[AttachmentNote, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """A message that is to be kept; `repeat_key` is the sender's own word for it, "" where it has none."""

    chat: str
    sender: str
    text: str
    at: datetime
    by_bot: bool = False
    repeat_key: str = ""
    attachment: Attachment | None = None


def prepare(database: sqlite3.Connection) -> None:
    """Bring a new database into shape and check an old one.

    Raises:
        StateError: a later version of opsbot made it.
    """
    # FULL: what was answered with 202 is on the disk.
    database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise StateError(
            f"local.db has version {version}, this opsbot knows {VERSION}; use the newer opsbot, or move the file away"
        )
    if version == 0:
        database.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")


def append(database: sqlite3.Connection, posting: Posting, keep_keys: int) -> tuple[str, bool]:
    """Insert a message, unless its sender has posted it before; gives its id, and whether it is new."""
    origin = "bot" if posting.by_bot else f"person:{posting.sender}"
    if posting.repeat_key:
        known = database.execute(
            "SELECT message_id FROM repeat WHERE origin = ? AND repeat_key = ?", (origin, posting.repeat_key)
        ).fetchone()
        if known:
            return str(known[0]), False
    # Random and not counted: after the file was moved away, no id may come twice.
    message_id = secrets.token_hex(8)
    _insert(database, posting.at, posting.chat, message_id, posting.sender, posting.by_bot, posting.text, False)
    if posting.attachment:
        note = posting.attachment
        database.execute(
            "INSERT INTO attachment (attachment_id, message_id, chat, name, media_type, size, content)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (secrets.token_hex(8), message_id, posting.chat, note.name, note.media_type, len(note.content), note.content),
        )
    if posting.repeat_key:
        _remember(database, origin, posting.repeat_key, message_id, keep_keys)
    return message_id, True


def edit(database: sqlite3.Connection, chat: str, message_id: str, text: str, at: datetime) -> bool:
    """Insert a new text of a message of the bot; False if the chat holds no such message."""
    row = database.execute(
        "SELECT sender FROM entry WHERE message_id = ? AND chat = ? AND by_bot = 1 LIMIT 1", (message_id, chat)
    ).fetchone()
    if row is None:
        return False
    # Only the latest text matters to a reader; without this, a long job that edits every second would push everything else out.
    database.execute("DELETE FROM entry WHERE message_id = ? AND edited = 1", (message_id,))
    _insert(database, at, chat, message_id, row[0], True, text, True)
    return True


def after(database: sqlite3.Connection, chats: Sequence[str], seq: int, limit: int) -> Sequence[Entry]:
    """Select the entries of some chats after a `seq`, oldest first."""
    return _entries(database, f"chat IN ({_marks(chats)}) AND seq > ? ORDER BY seq LIMIT ?", (*chats, seq, limit))


def latest(database: sqlite3.Connection, chats: Sequence[str], limit: int) -> Sequence[Entry]:
    """Select the newest entries of some chats, oldest first."""
    return _entries(database, f"chat IN ({_marks(chats)}) ORDER BY seq DESC LIMIT ?", (*chats, limit))[::-1]


def last_seq(database: sqlite3.Connection) -> int:
    """Select the greatest `seq` ever given."""
    row = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entry'").fetchone()
    return int(row[0]) if row else 0


def untaken(database: sqlite3.Connection, limit: int) -> Sequence[Entry]:
    """Select the messages, edits excluded, after the last one that the daemon has taken."""
    return _entries(database, "seq > (SELECT seq FROM taken) AND edited = 0 ORDER BY seq LIMIT ?", (limit,))


def take(database: sqlite3.Connection, seq: int) -> None:
    """Note how far the daemon has taken the messages."""
    with database:
        database.execute("UPDATE taken SET seq = ?", (seq,))


def attachment(database: sqlite3.Connection, chat: str, attachment_id: str) -> Attachment | None:
    """Select the content of an attachment of a chat."""
    row = database.execute(
        "SELECT name, media_type, content FROM attachment WHERE attachment_id = ? AND chat = ?", (attachment_id, chat)
    ).fetchone()
    return Attachment(*row) if row else None


def prune(database: sqlite3.Connection, entries_per_chat: int, attachment_bytes: int) -> None:
    """Delete the oldest entries and attachments beyond what is kept. Looks at the chat of the newest entry."""
    newest = database.execute("SELECT chat FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
    if newest is None:
        return
    edge = database.execute(
        "SELECT seq FROM entry WHERE chat = ? ORDER BY seq DESC LIMIT 1 OFFSET ?", (*newest, entries_per_chat)
    ).fetchone()
    if edge:
        database.execute("DELETE FROM entry WHERE chat = ? AND seq <= ?", (*newest, *edge))
        database.execute("DELETE FROM attachment WHERE chat = ? AND message_id NOT IN (SELECT message_id FROM entry)", newest)
    total = 0
    for n, size in database.execute("SELECT n, size FROM attachment ORDER BY n DESC").fetchall():
        total += size
        if total > attachment_bytes:
            database.execute("DELETE FROM attachment WHERE n <= ?", (n,))
            break


def _insert(database: sqlite3.Connection, at: datetime, *values: str | bool) -> None:
    database.execute(
        "INSERT INTO entry (at, chat, message_id, sender, by_bot, text, edited) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (at.isoformat(), *values),
    )


def _remember(database: sqlite3.Connection, origin: str, repeat_key: str, message_id: str, keep: int) -> None:
    database.execute("INSERT INTO repeat (origin, repeat_key, message_id) VALUES (?, ?, ?)", (origin, repeat_key, message_id))
    database.execute(
        "DELETE FROM repeat WHERE origin = ? AND n <= (SELECT n FROM repeat WHERE origin = ? ORDER BY n DESC LIMIT 1 OFFSET ?)",
        (origin, origin, keep),
    )


def _entries(database: sqlite3.Connection, where: str, values: Sequence[str | int]) -> list[Entry]:
    columns = "seq, chat, message_id, sender, by_bot, text, edited, at"
    # `where` is one of the clauses above; what comes from outside is bound.
    rows = database.execute(f"SELECT {columns} FROM entry WHERE {where}", values).fetchall()  # noqa: S608 - see above
    entries = [
        Entry(
            seq=seq,
            chat=chat,
            message_id=message,
            sender=sender,
            by_bot=bool(bot),
            text=text,
            edited=bool(edited),
            at=datetime.fromisoformat(at),
        )
        for seq, chat, message, sender, bot, text, edited, at in rows
    ]
    return [replace(entry, attachments=_notes(database, entry.message_id)) if entry.by_bot else entry for entry in entries]


def _notes(database: sqlite3.Connection, message_id: str) -> tuple[AttachmentNote, ...]:
    rows = database.execute("SELECT attachment_id, name, media_type, size FROM attachment WHERE message_id = ?", (message_id,))
    return tuple(AttachmentNote(*row) for row in rows)


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))
