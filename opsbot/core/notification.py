"""What an operation wants people to know."""

from dataclasses import dataclass
from enum import StrEnum

from opsbot.core.chat import Chat
from opsbot.core.output import Output


class Severity(StrEnum):
    """How much something matters; URGENT waits for nothing."""

    DEBUG = "debug"
    NORMAL = "normal"
    IMPORTANT = "important"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True)
class Notification:
    """Something people should know; opsbot decides when it leaves and to whom.

    Args:
        content: what is said.
        key: what it is about; the same key is the same matter (grouped, superseded, resolved together).
        severity: URGENT leaves at once, the others are grouped for `group_wait_s`.
        supersedes: messages with this key that have not left yet are dropped in favour of this one.
        valid_for_s: after so many seconds the picture or file is worthless and only its caption is sent.
        reminder: opens an alert: this text is repeated at `repeat_minutes` until the key is resolved.
        resolves: closes the alert that was opened under this key.
        escalate: goes to the scene's `fallback` as well as to `tell`.
        chat: goes to this chat instead of `tell`.
    """

    content: Output
    key: str = ""
    severity: Severity = Severity.NORMAL
    supersedes: bool = False
    valid_for_s: float | None = None
    reminder: str = ""
    resolves: bool = False
    escalate: bool = False
    chat: Chat | None = None
