"""The questions and the changes of the outbox, on a connection; whoever calls holds the transaction.

A delivery is `in_flight` from `begin` until the attempt's end is noted: such a row is not dropped under the notifier's hands.
After a crash nobody knows how the attempt ended, so `land` turns it into `maybe_sent`.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from opsbot.adapters.stores.sqlite.rows import (
    delivery_cells,
    from_stamp,
    from_text,
    output_cells,
    to_delivery,
    to_stamp,
    to_text,
)
from opsbot.core.delivery import Delivery

_INSERT = """
INSERT INTO delivery (channel, chat_id, is_room, notice_id, scene, key, severity, created_at, not_before, expires_at,
    is_reply, supersedes, rank, edits, state, attempts, maybe_sent, sent_message_id, reason)
VALUES (:channel, :chat_id, :is_room, :notice_id, :scene, :key, :severity, :created_at, :not_before, :expires_at,
    :is_reply, :supersedes, :rank, :edits, :state, :attempts, :maybe_sent, :sent_message_id, :reason)
"""

# The same notice may reach one chat twice (as a first recipient and as a fallback): that is no newer word on the matter.
_SUPERSEDE = """
UPDATE delivery SET state = 'dropped', reason = 'superseded'
WHERE state IN ('pending', 'waiting') AND channel = :channel AND chat_id = :chat_id AND scene = :scene AND key = :key
    AND NOT is_reply AND NOT in_flight AND (notice_id <> :notice_id OR notice_id = '')
"""

# A notice of which nothing is left but fallbacks was superseded as a whole: those must not start.
_DROP_ORPHANED_FALLBACKS = """
UPDATE delivery SET state = 'dropped', reason = 'superseded'
WHERE state = 'waiting' AND notice_id <> ''
    AND EXISTS (SELECT 1 FROM delivery AS other WHERE other.notice_id = delivery.notice_id AND other.state = 'dropped')
    AND NOT EXISTS (SELECT 1 FROM delivery AS other
        WHERE other.notice_id = delivery.notice_id AND other.state NOT IN ('waiting', 'dropped'))
"""

_SUPERSEDE_EDITS = """
UPDATE delivery SET state = 'dropped', reason = 'superseded'
WHERE edits = :edits AND edits > 0 AND state = 'pending' AND NOT in_flight
"""

# What came while the attempt was under way could not drop it then.
_DROP_IF_SUPERSEDED = """
UPDATE delivery SET state = 'dropped', reason = 'superseded'
WHERE id = :id AND state = 'pending' AND NOT in_flight AND (
    (edits > 0 AND EXISTS (SELECT 1 FROM delivery AS newer
        WHERE newer.edits = delivery.edits AND newer.edits > 0 AND newer.id > delivery.id))
    OR (NOT is_reply AND EXISTS (SELECT 1 FROM delivery AS newer
        WHERE newer.state IN ('pending', 'waiting') AND newer.channel = delivery.channel
            AND newer.chat_id = delivery.chat_id AND newer.scene = delivery.scene AND newer.key = delivery.key
            AND newer.supersedes AND newer.id > delivery.id
            AND (newer.notice_id <> delivery.notice_id OR newer.notice_id = ''))))
"""

_DUE = """
WITH blocked AS (
    SELECT chat_id, min(id) AS head FROM delivery
    WHERE channel = :channel AND state = 'pending' AND attempts > 0 AND not_before > :now GROUP BY chat_id)
SELECT outbox.* FROM outbox LEFT JOIN blocked ON blocked.chat_id = outbox.chat_id
WHERE outbox.channel = :channel AND outbox.state = 'pending' AND outbox.not_before <= :now
    AND (blocked.head IS NULL OR outbox.id < blocked.head)
ORDER BY (outbox.is_reply OR outbox.severity = 'urgent') DESC, outbox.id LIMIT :limit
"""

_COMPANIONS = """
SELECT id FROM outbox
WHERE channel = :channel AND chat_id = :chat_id AND is_room = :is_room AND scene = :scene AND state = 'pending'
    AND not_before <= :now AND NOT is_reply AND severity <> 'urgent' AND edits = 0 AND attempts = 0 AND NOT maybe_sent
    AND kind = 'text'
ORDER BY id
"""

# What stands behind a retry leaves no sooner than the retry.
_NEXT_DUE = """
SELECT min(max(not_before, coalesce((SELECT max(older.not_before) FROM delivery AS older
    WHERE older.channel = delivery.channel AND older.chat_id = delivery.chat_id
        AND older.state = 'pending' AND older.attempts > 0 AND older.id < delivery.id), not_before)))
FROM delivery WHERE channel = ? AND state = 'pending'
"""

_SETTLE = """
UPDATE delivery SET state = 'sent', sent_message_id = :sent_message_id, maybe_sent = 0, in_flight = 0, reason = ''
WHERE id = :id
"""

_DROP_FALLBACKS = """
UPDATE delivery SET state = 'dropped', reason = 'not needed'
WHERE state = 'waiting' AND notice_id <> '' AND notice_id = (SELECT notice_id FROM delivery WHERE id = :id)
"""

# An earlier attempt that may have arrived stays possible, however the later ones end.
_POSTPONE = """
UPDATE delivery SET not_before = :until, reason = :reason, maybe_sent = max(maybe_sent, :maybe_sent), in_flight = 0
WHERE id = :id AND state = 'pending'
"""

_PRUNE = """
DELETE FROM delivery WHERE created_at < :before AND state IN ('sent', 'failed', 'dropped')
    AND id NOT IN (SELECT edits FROM delivery WHERE state = 'pending' AND edits > 0)
    AND notice_id NOT IN (SELECT notice_id FROM delivery WHERE state = 'waiting')
"""


def enqueue(db: sqlite3.Connection, deliveries: Sequence[Delivery]) -> Sequence[int]:
    """Put deliveries at the end of their chats' queues, in order; what they supersede is dropped first."""
    return [_enqueue(db, delivery) for delivery in deliveries]


def _enqueue(db: sqlite3.Connection, delivery: Delivery) -> int:
    cells = delivery_cells(delivery)
    if delivery.edits:
        db.execute(_SUPERSEDE_EDITS, cells)
    if delivery.supersedes and db.execute(_SUPERSEDE, cells).rowcount:
        db.execute(_DROP_ORPHANED_FALLBACKS)
    delivery_id = db.execute(_INSERT, cells).lastrowid or 0
    db.execute(
        "INSERT INTO output (delivery_id, kind, fields, content) VALUES (?, ?, ?, ?)", output_cells(delivery_id, delivery.output)
    )
    return delivery_id


def due(db: sqlite3.Connection, channel: str, now: datetime, limit: int) -> Sequence[Delivery]:
    """Answer `Store.due`."""
    cells = {"channel": to_text(channel), "now": to_stamp(now), "limit": limit}
    return [to_delivery(row) for row in db.execute(_DUE, cells)]


def companions(db: sqlite3.Connection, first: Delivery, now: datetime) -> Sequence[int]:
    """Answer `Store.companions`."""
    cells = {**delivery_cells(first), "now": to_stamp(now)}
    return [row["id"] for row in db.execute(_COMPANIONS, cells)]


def next_due_at(db: sqlite3.Connection, channel: str) -> datetime | None:
    """Answer `Store.next_due_at`."""
    stamp = db.execute(_NEXT_DUE, (to_text(channel),)).fetchone()[0]
    return None if stamp is None else from_stamp(stamp)


def begin(db: sqlite3.Connection, delivery_ids: Sequence[int]) -> None:
    """Carry out `Store.begin`."""
    db.executemany(
        "UPDATE delivery SET attempts = attempts + 1, in_flight = 1 WHERE id = ? AND state = 'pending'",
        [(delivery_id,) for delivery_id in delivery_ids],
    )


def settle(db: sqlite3.Connection, delivery_ids: Sequence[int], sent_message_id: str) -> None:
    """Carry out `Store.settle`; the fallbacks of a notice that arrived are not needed any more."""
    cells = [{"id": delivery_id, "sent_message_id": to_text(sent_message_id)} for delivery_id in delivery_ids]
    db.executemany(_SETTLE, cells)
    db.executemany(_DROP_FALLBACKS, cells)


def postpone(db: sqlite3.Connection, delivery_ids: Sequence[int], until: datetime, reason: str, *, maybe_sent: bool) -> None:
    """Carry out `Store.postpone`; what was superseded during the attempt is dropped instead."""
    shared = {"until": to_stamp(until), "reason": to_text(reason), "maybe_sent": maybe_sent}
    cells = [{"id": delivery_id, **shared} for delivery_id in delivery_ids]
    db.executemany(_POSTPONE, cells)
    db.executemany(_DROP_IF_SUPERSEDED, cells)


def fail(db: sqlite3.Connection, delivery_ids: Sequence[int], reason: str) -> None:
    """Carry out `Store.fail`."""
    db.executemany(
        "UPDATE delivery SET state = 'failed', reason = ?, in_flight = 0 WHERE id = ? AND state IN ('pending', 'waiting')",
        [(to_text(reason), delivery_id) for delivery_id in delivery_ids],
    )


def land(db: sqlite3.Connection) -> None:
    """Note that a former daemon died in the middle of its attempts: those may have arrived."""
    cells = [{"id": row["id"]} for row in db.execute("SELECT id FROM delivery WHERE state = 'pending' AND in_flight")]
    db.executemany("UPDATE delivery SET maybe_sent = 1, in_flight = 0 WHERE id = :id", cells)
    db.executemany(_DROP_IF_SUPERSEDED, cells)


def stuck(db: sqlite3.Connection) -> Sequence[Sequence[Delivery]]:
    """Answer `Store.stuck`, oldest notice first."""
    notices: dict[str, list[Delivery]] = {}
    for row in db.execute(
        "SELECT * FROM outbox WHERE notice_id IN (SELECT notice_id FROM delivery WHERE state = 'waiting') ORDER BY id"
    ):
        delivery = to_delivery(row)
        notices.setdefault(delivery.notice_id, []).append(delivery)
    return list(notices.values())


def start_rank(db: sqlite3.Connection, notice_id: str, rank: int, now: datetime) -> None:
    """Carry out `Store.start_rank`."""
    db.execute(
        "UPDATE delivery SET state = 'pending', created_at = :now, not_before = :now "
        "WHERE state = 'waiting' AND notice_id = :notice_id AND rank = :rank",
        {"now": to_stamp(now), "notice_id": to_text(notice_id), "rank": rank},
    )


def sent_message_id(db: sqlite3.Connection, delivery_id: int) -> str:
    """Answer `Store.sent_message_id`."""
    row = db.execute("SELECT sent_message_id FROM delivery WHERE id = ? AND state = 'sent'", (delivery_id,)).fetchone()
    return from_text(row["sent_message_id"]) if row else ""


def prune(db: sqlite3.Connection, before: datetime) -> None:
    """Forget settled deliveries, but none that a pending edit or a waiting fallback still needs."""
    db.execute(_PRUNE, {"before": to_stamp(before)})
