"""Who is on the local channel, and what it shows."""

from collections.abc import Mapping
from dataclasses import dataclass

from opsbot.core.chat import Chat

ROOM_PREFIX = "room:"
RESERVED_PREFIX = "#"
"""Keys that begin so in the token file belong to no person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """What a configuration decides about the local channel.

    `people` maps the ids of this channel to the names that are shown, `owners` are ids among them. Everybody in `people` is in
    every room. `bot_name` is what `@NAME` mentions. `frame_ancestors` is the CSP's list of pages that may embed this one.
    `any_host` lets requests name the server as they like: only for a server that listens beyond the loopback.
    """

    people: Mapping[str, str]
    owners: frozenset[str] = frozenset()
    rooms: tuple[str, ...] = ()
    bot_name: str = "opsbot"
    language: str = "zh"
    frame_ancestors: str = "'none'"
    metrics_open: bool = False
    any_host: bool = False

    def __post_init__(self) -> None:
        """Refuse ids that the API could not address.

        Raises:
            ValueError: an id is empty, or begins like a room or like a reserved key.
        """
        for local_id in self.people:
            if not local_id or local_id.startswith((ROOM_PREFIX, RESERVED_PREFIX)):
                raise ValueError(
                    f"{local_id!r} cannot be an id of the local channel: it may not be empty or begin with room: or #"
                )

    def chats_of(self, person: str) -> tuple[str, ...]:
        """Name the chats that a person sees, as the API does: the direct chat, then the rooms."""
        return (person, *(ROOM_PREFIX + room for room in self.rooms))

    def holds(self, address: str) -> bool:
        """Tell whether there is such a chat."""
        return address in self.people or (address.startswith(ROOM_PREFIX) and address[len(ROOM_PREFIX) :] in self.rooms)


def address_of(chat: Chat) -> str:
    """Name a chat as the API does.

    >>> address_of(Chat("page", "OPS", is_room=True)), address_of(Chat("page", "archy"))
    ('room:OPS', 'archy')
    """
    return f"{ROOM_PREFIX}{chat.chat_id}" if chat.is_room else chat.chat_id


def chat_of(channel: str, address: str) -> Chat:
    """Give the chat behind the API's name for it.

    >>> chat_of("page", "room:OPS")
    Chat(channel='page', chat_id='OPS', is_room=True)
    """
    is_room = address.startswith(ROOM_PREFIX)
    return Chat(channel, address[len(ROOM_PREFIX) :] if is_room else address, is_room)
