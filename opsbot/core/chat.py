"""What passes between opsbot and a chat platform."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation on a channel: direct (with one person) or a room.

    `chat_id` is the platform's own id; for a direct chat it is the other person's id on that channel.
    """

    channel: str
    chat_id: str
    is_room: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingMessage:
    """One text message as a channel delivered it; nothing about it is trusted yet.

    `message_id` is unique on its channel. `sent_at` is the platform's stamp (aware UTC), `received_at` ours.
    `sender_name` is for showing only: names are never compared. `text` has no mention of the bot in front.
    """

    message_id: str
    chat: Chat
    sender_id: str
    text: str
    sent_at: datetime
    received_at: datetime
    sender_name: str = ""
    is_own: bool = False
    mentions_bot: bool = False


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a message; `content` is the whole of it."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """One message that is ready to leave: rendered, redacted, short enough for the channel.

    `key` is stable over retries of the same message: a channel that can, uses it to drop repeats.
    """

    chat: Chat
    text: str = ""
    attachment: Attachment | None = None
    key: str = ""


class IdentityStrength(StrEnum):
    """How much an id on a channel proves about the person behind it."""

    VERIFIED = "verified"
    SESSION = "session"
    MUTABLE = "mutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a channel can do; the pipelines decide from this alone and never from a channel's kind.

    `text_limit_chars` is the longest text of one message in Unicode characters, `file_limit_bytes` the largest
    attachment before encoding. `has_account` is true where somebody logs in by scanning a code. `listens` is
    false for a channel that only sends.
    """

    text_limit_chars: int
    file_limit_bytes: int
    edits: bool = False
    attachments: bool = True
    listens: bool = True
    has_account: bool = False
    identity: IdentityStrength = IdentityStrength.VERIFIED


class AccountEventKind(StrEnum):
    """What can happen to the account behind a channel."""

    SCAN = "scan"
    LOGIN = "login"
    LOGOUT = "logout"
    READY = "ready"
    FRIEND_REQUEST = "friend_request"
    ROOM_JOIN = "room_join"


class ScanStatus(StrEnum):
    """The states of a login code, in the words that Wechaty bots log (wechaty-puppet 1.20, `ScanStatus`)."""

    UNKNOWN = "Unknown"
    CANCEL = "Cancel"
    WAITING = "Waiting"
    SCANNED = "Scanned"
    CONFIRMED = "Confirmed"
    TIMEOUT = "Timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvent:
    """One thing that happened to a channel's own account.

    `scan_status` and `payload` (the text inside the login code; a secret) belong to SCAN,
    `account_id` and `account_name` to LOGIN and LOGOUT. `reason` is what the platform said about a logout.
    """

    kind: AccountEventKind
    at: datetime
    account_id: str = ""
    account_name: str = ""
    scan_status: ScanStatus = ScanStatus.UNKNOWN
    payload: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody (or some room) the account behind a channel knows; for `opsbot contacts`."""

    contact_id: str
    name: str
    handle: str = ""
    is_room: bool = False
