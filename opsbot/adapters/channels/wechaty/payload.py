"""What a gateway says, as opsbot's own values. Nothing in here raises on what a puppet may have got wrong."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from opsbot.core.account_record import STATUS_NUMBERS
from opsbot.core.chat import AccountEvent, AccountEventKind, Attachment, ScanStatus

TEXT_MESSAGE = 7
"""wechaty-puppet 1.20, `types.Message.Text`, 2026-11. The enum in the Python packages is another, wrong one."""
SECONDS_BELOW = 100_000_000_000
"""A stamp below this is one in seconds: in milliseconds it would lie in 1973."""
SCAN_STATUSES = {number: status for status, number in STATUS_NUMBERS.items()}
EVERYBODY = re.compile(r"@(?:所有人|all\b)", re.IGNORECASE)
SOME_MENTION = re.compile(r"@[^@\u2005]{1,64}\u2005")


class EventType(IntEnum):
    """wechaty-grpc 0.20 / wechaty-puppet-service 1.19, `EventType`, 2026-11; those that mean something here."""

    HEARTBEAT = 1
    MESSAGE = 2
    ERROR = 16
    FRIENDSHIP = 17
    ROOM_JOIN = 19
    SCAN = 22
    READY = 23
    LOGIN = 25
    LOGOUT = 26
    DIRTY = 27


OTHER_EVENTS: Mapping[int, AccountEventKind] = {
    EventType.READY: AccountEventKind.READY,
    EventType.FRIENDSHIP: AccountEventKind.FRIEND_REQUEST,
    EventType.ROOM_JOIN: AccountEventKind.ROOM_JOIN,
}


@dataclass(frozen=True, slots=True)
class RawMessage:
    """The parts of a message payload that are used, each of its right type."""

    type: int
    text: str
    sender_id: str
    receiver_id: str
    room_id: str
    mention_ids: tuple[str, ...]
    sent_at: datetime


def fields_of(payload: str) -> dict[str, Any]:
    """Read an event's JSON; anything but an object is an empty one."""
    try:
        fields = json.loads(payload)
    except (TypeError, ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def text_of(fields: dict[str, Any], key: str) -> str:
    """Give a field that should be a text; "" when it is missing or something else."""
    value = fields.get(key)
    return value if isinstance(value, str) else ""


def account_event_of(kind: int, fields: dict[str, Any], at: datetime, own_id: str) -> AccountEvent | None:
    """Translate an event about the account; None for any other. The name is not in it and comes later."""
    account_id = text_of(fields, "contactId")
    if kind == EventType.SCAN:
        status = fields.get("status")
        known = SCAN_STATUSES.get(status, ScanStatus.UNKNOWN) if isinstance(status, int) else ScanStatus.UNKNOWN
        return AccountEvent(kind=AccountEventKind.SCAN, at=at, scan_status=known, payload=text_of(fields, "qrcode"))
    if kind == EventType.LOGIN:
        return AccountEvent(kind=AccountEventKind.LOGIN, at=at, account_id=account_id) if account_id else None
    if kind == EventType.LOGOUT:
        reason = text_of(fields, "data")
        return AccountEvent(kind=AccountEventKind.LOGOUT, at=at, account_id=account_id or own_id, reason=reason)
    other = OTHER_EVENTS.get(kind)
    return AccountEvent(kind=other, at=at) if other else None


def raw_message_of(payload: Any) -> RawMessage:  # noqa: ANN401 - untyped stub
    """Take what is used out of a message payload."""
    return RawMessage(
        type=payload.type,
        text=payload.text or "",
        sender_id=payload.from_id or "",
        receiver_id=payload.to_id or "",
        room_id=payload.room_id or "",
        mention_ids=tuple(payload.mention_ids or ()),
        sent_at=instant_of(payload.timestamp),
    )


def instant_of(timestamp: float) -> datetime:
    """Read a stamp in milliseconds, or in seconds as some puppets give it; one that makes no sense is 1970, which is too old.

    >>> instant_of(1_600_000_000) == instant_of(1_600_000_000_000)
    True
    """
    seconds = timestamp if timestamp < SECONDS_BELOW else timestamp / 1000
    try:
        return datetime.fromtimestamp(max(seconds, 0), UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def find_mention(text: str, names: Sequence[str], *, was_mentioned: bool, is_alone: bool) -> tuple[str, bool]:
    r"""Take the mentions of the bot out of a text in a room, and say whether it is spoken to.

    `was_mentioned` is what the platform says, `is_alone` that it names nobody else. Where the platform says nothing, a text that
    begins with one of the bot's names counts as well. A call to everybody speaks to nobody in particular.

    >>> find_mention("restart @Alice\u2005bob", ["Alice"], was_mentioned=True, is_alone=True)
    ('restart bob', True)
    >>> find_mention("@Alice qr", ["Alice"], was_mentioned=False, is_alone=True)
    ('qr', True)
    >>> find_mention("@Alice2 qr", ["Alice"], was_mentioned=False, is_alone=True)
    ('@Alice2 qr', False)
    """
    known = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True) if name)
    by_name = re.compile(rf"\s*@(?:{known})(?:[\s,:，：、]+|$)", re.IGNORECASE) if known else None
    if by_name and by_name.match(text):
        return by_name.sub(" ", text).strip(), True
    if not was_mentioned:
        return text, False
    if by_name and by_name.search(text):
        return by_name.sub(" ", text).strip(), True
    if EVERYBODY.search(text):
        return text, False
    # Mentioned under a name that is not known here, such as one that was changed a moment ago.
    return (SOME_MENTION.sub(" ", text, count=1) if is_alone else text).strip(), True


def filebox_of(attachment: Attachment) -> str:
    """Pack a file as gateways read it: `type` since 1.0, `boxType` before; 1 is base64 (file-box 1.4, 2026-11)."""
    content = base64.b64encode(attachment.content).decode()
    return json.dumps({"name": attachment.name, "type": 1, "boxType": 1, "base64": content})
