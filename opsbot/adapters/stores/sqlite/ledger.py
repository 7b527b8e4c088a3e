"""Checkpoints, state, timers, alerts, jobs and seen messages, on a connection; whoever calls holds the transaction."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from opsbot.adapters.stores.sqlite import outbox
from opsbot.adapters.stores.sqlite.rows import (
    alert_cells,
    checkpoint_cells,
    from_text,
    job_cells,
    to_alert,
    to_checkpoint,
    to_job,
    to_json,
    to_signed,
    to_stamp,
    to_text,
    to_timer,
)
from opsbot.core.change import Alert, Change, Job, JobState, Json, Recovered, StateWrite, Timer
from opsbot.core.log import Checkpoint

_CHECKPOINT = (
    "INSERT OR REPLACE INTO checkpoint (source, device, inode, path, position, marker, generation) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_ALERT = """
INSERT OR REPLACE INTO alert (scene, key, reminder, opened_at, next_at, repeats, acknowledged_by) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_REMINDED = "UPDATE alert SET next_at = ?, repeats = ?, acknowledged_by = ? WHERE scene = ? AND key = ?"
_JOB = """
INSERT OR REPLACE INTO job (job_id, message_key, person, channel, chat_id, is_room, scene, text, started_at, state, ended_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def commit(db: sqlite3.Connection, change: Change) -> Sequence[int]:
    """Carry out `Store.commit`.

    What is forgotten or resolved goes first: a new file may have the inode of a forgotten one, and an alert that is
    closed by mistake is worse than one that nags.
    """
    db.executemany(
        "DELETE FROM checkpoint WHERE source = ? AND device = ? AND inode = ?",
        [(to_text(source), to_signed(device), to_signed(inode)) for source, device, inode in change.forgotten],
    )
    db.executemany(_CHECKPOINT, [checkpoint_cells(checkpoint) for checkpoint in change.checkpoints])
    for write in change.state:
        _write_state(db, write)
    for timer in change.timers:
        _set_timer(db, timer)
    db.executemany(
        "DELETE FROM alert WHERE scene = ? AND key = ?", [(to_text(scene), to_text(key)) for scene, key in change.resolved]
    )
    db.executemany(_ALERT, [alert_cells(alert) for alert in change.alerts if not alert.repeats])
    # A reminder must not bring back an alert that was resolved meanwhile.
    db.executemany(_REMINDED, [_reminded_cells(alert) for alert in change.alerts if alert.repeats])
    db.executemany(_JOB, [job_cells(job) for job in change.jobs])
    return outbox.enqueue(db, change.deliveries)


def _write_state(db: sqlite3.Connection, write: StateWrite) -> None:
    place = (to_text(write.scene), to_text(write.key))
    if write.value is None:
        db.execute("DELETE FROM state WHERE scene = ? AND key = ?", place)
    else:
        db.execute("INSERT OR REPLACE INTO state (scene, key, value) VALUES (?, ?, ?)", (*place, to_json(write.value)))


def _set_timer(db: sqlite3.Connection, timer: Timer) -> None:
    place = (to_text(timer.scene), to_text(timer.key))
    if timer.due_at is None:
        db.execute("DELETE FROM timer WHERE scene = ? AND key = ?", place)
    else:
        db.execute("INSERT OR REPLACE INTO timer (scene, key, due_at) VALUES (?, ?, ?)", (*place, to_stamp(timer.due_at)))


def recover(db: sqlite3.Connection, now: datetime) -> Recovered:
    """Carry out `Store.recover`."""
    outbox.land(db)
    running = db.execute("SELECT * FROM job WHERE state = 'running' ORDER BY started_at, job_id").fetchall()
    db.execute("UPDATE job SET state = 'interrupted', ended_at = ? WHERE state = 'running'", (to_stamp(now),))
    return Recovered(
        state=_state(db),
        timers=tuple(timers(db)),
        alerts=tuple(alerts(db)),
        interrupted=tuple(replace(to_job(row), state=JobState.INTERRUPTED, ended_at=now) for row in running),
    )


def _state(db: sqlite3.Connection) -> dict[str, dict[str, Json]]:
    state: dict[str, dict[str, Json]] = {}
    for row in db.execute("SELECT scene, key, value FROM state"):
        state.setdefault(from_text(row["scene"]), {})[from_text(row["key"])] = json.loads(row["value"])
    return state


def checkpoints(db: sqlite3.Connection, source: str) -> Sequence[Checkpoint]:
    """Answer `Store.checkpoints`."""
    return [to_checkpoint(row) for row in db.execute("SELECT * FROM checkpoint WHERE source = ?", (to_text(source),))]


def claim(db: sqlite3.Connection, message_key: str, at: datetime, job: Job | None) -> bool:
    """Carry out `Store.claim`."""
    is_new = db.execute(
        "INSERT OR IGNORE INTO message (key, claimed_at) VALUES (?, ?)", (to_text(message_key), to_stamp(at))
    ).rowcount
    if is_new and job is not None:
        db.execute(_JOB, job_cells(job))
    return bool(is_new)


def _reminded_cells(alert: Alert) -> tuple[object, ...]:
    _, _, _, _, next_at, repeats, acknowledged_by = alert_cells(alert)
    return next_at, repeats, acknowledged_by, to_text(alert.scene), to_text(alert.key)


def alerts(db: sqlite3.Connection) -> Sequence[Alert]:
    """Answer `Store.alerts`, oldest first."""
    return [to_alert(row) for row in db.execute("SELECT * FROM alert ORDER BY opened_at, scene, key")]


def timers(db: sqlite3.Connection) -> Sequence[Timer]:
    """Answer `Store.timers`."""
    return [to_timer(row) for row in db.execute("SELECT * FROM timer ORDER BY due_at, scene, key")]


def prune(db: sqlite3.Connection, before: datetime) -> None:
    """Forget ended jobs and message keys."""
    db.execute("DELETE FROM job WHERE state <> 'running' AND coalesce(ended_at, started_at) < ?", (to_stamp(before),))
    db.execute("DELETE FROM message WHERE claimed_at < ?", (to_stamp(before),))
