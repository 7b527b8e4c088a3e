"""Values of the core as rows, and back, without loss."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from opsbot.core.change import Alert, Job, JobState, Timer
from opsbot.core.chat import Chat
from opsbot.core.delivery import Delivery, DeliveryState
from opsbot.core.log import Checkpoint
from opsbot.core.notification import Severity
from opsbot.core.output import File, Image, Markdown, Output, QrCode

Cell = None | int | str | bytes
"""What SQLite takes."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
TWO_64 = 2**64

_KINDS: dict[str, type[Image | File | QrCode | Markdown]] = {
    "image": Image,
    "file": File,
    "qr": QrCode,
    "markdown": Markdown,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def to_stamp(at: datetime) -> int:
    """Give microseconds since 1970 UTC.

    >>> to_stamp(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (at - EPOCH) // MICROSECOND


def from_stamp(stamp: int) -> datetime:
    """Give the aware UTC datetime of `to_stamp`."""
    return EPOCH + timedelta(microseconds=stamp)


def to_optional_stamp(at: datetime | None) -> int | None:
    """Give the stamp, None for none."""
    return None if at is None else to_stamp(at)


def from_optional_stamp(stamp: int | None) -> datetime | None:
    """Give the instant, None for none."""
    return None if stamp is None else from_stamp(stamp)


def to_text(text: str) -> str | bytes:
    r"""Give a text as SQLite takes it: lone surrogates (a file name, a JSON log) go in as bytes.

    >>> from_text(to_text("caf\udce9"))
    'caf\udce9'
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return str(text)


def from_text(cell: str | bytes) -> str:
    """Give the text of `to_text`."""
    return cell.decode("utf-8", "surrogatepass") if isinstance(cell, bytes) else cell


def to_signed(number: int) -> int:
    """Fold an unsigned number of 64 bits, as some file systems have for inodes, into SQLite's signed ones."""
    return number - TWO_64 if number >= TWO_64 // 2 else number


def to_json(value: object) -> str:
    """Give JSON in ASCII, which keeps every string, lone surrogates included."""
    return json.dumps(value, separators=(",", ":"))


def output_cells(delivery_id: int, output: Output) -> tuple[Cell, ...]:
    """Give the row of an output: texts as JSON, bytes as they are."""
    if isinstance(output, str):
        return delivery_id, "text", to_json({"text": output}), None
    values = {field.name: getattr(output, field.name) for field in fields(output)}
    content = values.pop("content", None)
    return delivery_id, _NAMES[type(output)], to_json(values), content


def _output(row: sqlite3.Row) -> Output:
    values: dict[str, Any] = json.loads(row["fields"])
    if row["kind"] == "text":
        return str(values["text"])
    if row["content"] is not None:
        values["content"] = row["content"]
    return _KINDS[row["kind"]](**values)


def _chat(row: sqlite3.Row) -> Chat:
    return Chat(from_text(row["channel"]), from_text(row["chat_id"]), bool(row["is_room"]))


def delivery_cells(delivery: Delivery) -> Mapping[str, Cell]:
    """Give the row of a delivery, without its id and its output."""
    return {
        "channel": to_text(delivery.chat.channel),
        "chat_id": to_text(delivery.chat.chat_id),
        "is_room": delivery.chat.is_room,
        "notice_id": to_text(delivery.notice_id),
        "scene": to_text(delivery.scene),
        "key": to_text(delivery.key),
        "severity": delivery.severity.value,
        "created_at": to_stamp(delivery.created_at),
        "not_before": to_stamp(delivery.not_before),
        "expires_at": to_optional_stamp(delivery.expires_at),
        "is_reply": delivery.is_reply,
        "supersedes": delivery.supersedes,
        "rank": delivery.rank,
        "edits": delivery.edits,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "maybe_sent": delivery.maybe_sent,
        "sent_message_id": to_text(delivery.sent_message_id),
        "reason": to_text(delivery.reason),
    }


def to_delivery(row: sqlite3.Row) -> Delivery:
    """Read one row of the view `outbox`."""
    return Delivery(
        chat=_chat(row),
        output=_output(row),
        notice_id=from_text(row["notice_id"]),
        created_at=from_stamp(row["created_at"]),
        not_before=from_stamp(row["not_before"]),
        scene=from_text(row["scene"]),
        key=from_text(row["key"]),
        severity=Severity(row["severity"]),
        is_reply=bool(row["is_reply"]),
        supersedes=bool(row["supersedes"]),
        rank=row["rank"],
        expires_at=from_optional_stamp(row["expires_at"]),
        edits=row["edits"],
        delivery_id=row["id"],
        state=DeliveryState(row["state"]),
        attempts=row["attempts"],
        maybe_sent=bool(row["maybe_sent"] or row["in_flight"]),
        sent_message_id=from_text(row["sent_message_id"]),
        reason=from_text(row["reason"]),
    )


def checkpoint_cells(checkpoint: Checkpoint) -> tuple[Cell, ...]:
    """Give the row of a checkpoint."""
    return (
        to_text(checkpoint.source),
        to_signed(checkpoint.device),
        to_signed(checkpoint.inode),
        to_text(checkpoint.path),
        checkpoint.offset,
        checkpoint.marker,
        to_text(checkpoint.generation),
    )


def to_checkpoint(row: sqlite3.Row) -> Checkpoint:
    """Read a row of `checkpoint`."""
    return Checkpoint(
        source=from_text(row["source"]),
        path=from_text(row["path"]),
        device=row["device"] % TWO_64,
        inode=row["inode"] % TWO_64,
        offset=row["position"],
        marker=row["marker"],
        generation=from_text(row["generation"]),
    )


def alert_cells(alert: Alert) -> tuple[Cell, ...]:
    """Give the row of an alert."""
    return (
        to_text(alert.scene),
        to_text(alert.key),
        to_text(alert.reminder),
        to_stamp(alert.opened_at),
        to_optional_stamp(alert.next_at),
        alert.repeats,
        to_text(alert.acknowledged_by),
    )


def to_alert(row: sqlite3.Row) -> Alert:
    """Read a row of `alert`."""
    return Alert(
        scene=from_text(row["scene"]),
        key=from_text(row["key"]),
        reminder=from_text(row["reminder"]),
        opened_at=from_stamp(row["opened_at"]),
        next_at=from_optional_stamp(row["next_at"]),
        repeats=row["repeats"],
        acknowledged_by=from_text(row["acknowledged_by"]),
    )


def to_timer(row: sqlite3.Row) -> Timer:
    """Read a row of `timer`."""
    return Timer(from_text(row["scene"]), from_text(row["key"]), from_stamp(row["due_at"]))


def job_cells(job: Job) -> tuple[Cell, ...]:
    """Give the row of a job."""
    return (
        to_text(job.job_id),
        to_text(job.message_key),
        to_text(job.person),
        to_text(job.chat.channel),
        to_text(job.chat.chat_id),
        job.chat.is_room,
        to_text(job.scene),
        to_text(job.text),
        to_stamp(job.started_at),
        job.state.value,
        to_optional_stamp(job.ended_at),
    )


def to_job(row: sqlite3.Row) -> Job:
    """Read a row of `job`."""
    return Job(
        job_id=from_text(row["job_id"]),
        message_key=from_text(row["message_key"]),
        person=from_text(row["person"]),
        chat=_chat(row),
        scene=from_text(row["scene"]),
        text=from_text(row["text"]),
        started_at=from_stamp(row["started_at"]),
        state=JobState(row["state"]),
        ended_at=from_optional_stamp(row["ended_at"]),
    )
