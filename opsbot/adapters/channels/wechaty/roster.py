"""Whom the account knows, by name; remembered for one connection."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import IntEnum
from typing import Any

from opsbot.adapters.channels.wechaty.connection import Connection
from opsbot.adapters.channels.wechaty.gateway import Patience
from opsbot.core.chat import Contact
from opsbot.core.errors import ChannelError, ChannelUnavailableError, MessageRejectedError

CALLS_AT_ONCE = 8
REMEMBERED_NAMES = 5000


class Dirty(IntEnum):
    """What a gateway says has changed (wechaty-puppet 1.20, `types.Dirty`, 2026-11)."""

    CONTACT = 2
    ROOM = 3
    ROOM_MEMBER = 4


class Roster:
    """Looks names up, each once, until the gateway says that it changed.

    Names are for showing and for finding a mention; nobody is told apart by them.
    """

    def __init__(self, connection: Connection, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience
        self._names: dict[tuple[str, str], str] = {}
        self._changes = 0

    async def name(self, contact_id: str) -> str:
        """Give the name of a contact, "" if it cannot be had now."""
        return await self._look_up(("", contact_id), "name", "contact_payload", id=contact_id)

    async def name_in(self, room_id: str, contact_id: str) -> str:
        """Give the name that a contact bears in one room only, "" if none."""
        return await self._look_up((room_id, contact_id), "room_alias", "room_member_payload", id=room_id, member_id=contact_id)

    def forget(self, kind: object, payload_id: str) -> None:
        """Drop what has changed."""
        self._changes += 1
        if kind == Dirty.CONTACT:
            self._names.pop(("", payload_id), None)
        elif kind in (Dirty.ROOM, Dirty.ROOM_MEMBER):
            self._names = {key: name for key, name in self._names.items() if not key[0]}

    async def contacts(self) -> Sequence[Contact]:
        """List persons, then rooms; one that the gateway cannot describe has no name.

        Raises:
            ChannelUnavailableError: the gateway does not tell.
        """
        try:
            async with asyncio.timeout(self._patience.contacts_s):
                persons = (await self._connection.call("contact_list")).ids
                rooms = (await self._connection.call("room_list")).ids
                known = [*await _each(self._person, persons), *await _each(self._room, rooms)]
        except TimeoutError as exc:
            raise ChannelUnavailableError(f"the contacts did not come within {self._patience.contacts_s:g} s") from exc
        except MessageRejectedError as exc:
            raise ChannelUnavailableError(str(exc)) from exc
        if not self._connection.is_open:
            raise ChannelUnavailableError("the connection was lost while the contacts were read")
        return known

    async def _person(self, contact_id: str) -> Contact:
        payload = await self._payload("contact_payload", id=contact_id)
        return Contact(contact_id, payload.name or "", payload.weixin or "") if payload else Contact(contact_id, "")

    async def _room(self, room_id: str) -> Contact:
        payload = await self._payload("room_payload", id=room_id)
        return Contact(room_id, (payload.topic or "") if payload else "", is_room=True)

    async def _look_up(self, key: tuple[str, str], field: str, method: str, **ids: str) -> str:
        if key in self._names:
            return self._names[key]
        changes = self._changes
        payload = await self._payload(method, **ids)
        if payload is None:
            return ""
        name: str = getattr(payload, field) or ""
        if changes == self._changes:  # else it may have changed while the answer was under way
            if len(self._names) >= REMEMBERED_NAMES:
                self._names.clear()
            self._names[key] = name
        return name

    async def _payload(self, method: str, **ids: str) -> Any:  # noqa: ANN401 - untyped stub
        try:
            return await self._connection.call(method, within_s=self._patience.name_s, **ids)
        except ChannelError:
            return None


async def _each(read: Callable[[str], Awaitable[Contact]], ids: Sequence[str]) -> Sequence[Contact]:
    """Read all, a few at once, and keep their order."""
    unique = list(dict.fromkeys(ids))
    waiting = iter(unique)
    found: dict[str, Contact] = {}

    async def work() -> None:
        for one in waiting:
            found[one] = await read(one)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CALLS_AT_ONCE):
            tasks.create_task(work(), name="read:contacts")
    return [found[one] for one in unique]
