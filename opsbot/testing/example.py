"""Builders: a valid value of each kind, with what a test cares about put in."""

import itertools
from dataclasses import replace
from typing import Any

from opsbot.core.chat import Chat, IncomingMessage
from opsbot.core.context import Person
from opsbot.core.notification import Notification
from opsbot.testing.clock import NOON

_IDS = itertools.count(1)


def a_message(text: str = "hello", **changes: Any) -> IncomingMessage:  # noqa: ANN401 - fields of any type
    """Build a message as a channel delivers it: direct, fresh, from `owner`; `changes` are its fields."""
    message = IncomingMessage(
        message_id=f"message-{next(_IDS)}",
        chat=Chat("chat", "owner"),
        sender_id="owner",
        text=text,
        sent_at=NOON,
        received_at=NOON,
    )
    return replace(message, **changes)


def a_notification(text: str = "something happened", **changes: Any) -> Notification:  # noqa: ANN401 - fields of any type
    """Build a notification; `changes` are its fields."""
    return replace(Notification(text), **changes)


def a_person(name: str = "owner", *roles: str, **ids: str) -> Person:
    """Build a person: by default with the role that is called like them, and their name as their id on `chat`."""
    return Person(name, frozenset({*(roles or (name,)), "everyone"}), tuple((ids or {"chat": name}).items()))
