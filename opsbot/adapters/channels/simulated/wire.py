"""The frames between the hub and a daemon's `simulated` channel: one JSON object in one WebSocket text frame.

From the hub: `hello` (whose account this is), `event`, `message`, and `re` (the answer to a request).
From the channel: requests with an `id` and `do`: send, log_out, contacts.
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from opsbot.core.chat import AccountEvent, AccountEventKind, Attachment, ScanStatus

Frame = dict[str, Any]

TEXT_LIMIT_CHARS = 2000
FILE_LIMIT_BYTES = 3 * 1024 * 1024
FRAME_LIMIT_BYTES = 5 * 1024 * 1024  # the largest file in base64, its text, and room to spare


def event_frame(event: AccountEvent) -> Frame:
    """Write an account event."""
    return {
        "event": {
            "kind": event.kind.value,
            "at": event.at.isoformat(),
            "account_id": event.account_id,
            "account_name": event.account_name,
            "scan_status": event.scan_status.value,
            "payload": event.payload,
            "reason": event.reason,
        }
    }


def read_event(fields: Mapping[str, Any]) -> AccountEvent:
    """Read what `event_frame` wrote.

    Raises:
        ValueError: it is of a kind this version does not know.
        KeyError: a field is missing.
    """
    return AccountEvent(
        kind=AccountEventKind(fields["kind"]),
        at=datetime.fromisoformat(fields["at"]),
        account_id=fields["account_id"],
        account_name=fields["account_name"],
        scan_status=ScanStatus(fields["scan_status"]),
        payload=fields["payload"],
        reason=fields["reason"],
    )


def write_attachment(attachment: Attachment | None) -> Frame | None:
    """Write a file into a request."""
    if attachment is None:
        return None
    content = base64.b64encode(attachment.content).decode("ascii")
    return {"name": attachment.name, "media_type": attachment.media_type, "content": content}


def read_attachment(fields: Mapping[str, Any] | None) -> Attachment | None:
    """Read what `write_attachment` wrote.

    Raises:
        ValueError: the content is not base64.
        KeyError: a field is missing.
    """
    if fields is None:
        return None
    return Attachment(str(fields["name"]), str(fields["media_type"]), base64.b64decode(fields["content"], validate=True))
