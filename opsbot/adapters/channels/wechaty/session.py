"""The life of one connection: its event stream becomes messages and account events."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from opsbot.adapters.channels.wechaty.compat import WechatyWire
from opsbot.adapters.channels.wechaty.connection import Connection
from opsbot.adapters.channels.wechaty.gateway import Gateway, Patience
from opsbot.adapters.channels.wechaty.inbox import Inbox
from opsbot.adapters.channels.wechaty.payload import (
    TEXT_MESSAGE,
    EventType,
    RawMessage,
    account_event_of,
    fields_of,
    find_mention,
    raw_message_of,
    text_of,
)
from opsbot.adapters.channels.wechaty.roster import CALLS_AT_ONCE, Roster
from opsbot.core.chat import AccountEvent, AccountEventKind, Chat, IncomingMessage
from opsbot.core.errors import ChannelError, ChannelUnavailableError
from opsbot.core.ports import Clock

MAX_LOGGED_CHARS = 200
URL = re.compile(r"https?://\S+")
log = structlog.get_logger(__name__)


class Session:
    """One connection of the channel `name`; used once.

    `bot_name` is one more name under which the bot is spoken to in rooms.
    """

    def __init__(self, name: str, gateway: Gateway, clock: Clock, patience: Patience, bot_name: str = "") -> None:
        self._name = name
        self._gateway = gateway
        self._clock = clock
        self._patience = patience
        self._bot_name = bot_name
        self._stack = AsyncExitStack()
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE)
        self._messages = Inbox[IncomingMessage]()
        self._events = Inbox[AccountEvent]()
        self._first_event = asyncio.Event()
        self._ended: ChannelUnavailableError | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self.logged_in = asyncio.Event()
        self.own_id = ""
        self.was_refused_as_busy = False

    async def open(self, wire: WechatyWire, *, take_over: bool) -> None:
        """Connect and wait until the event stream is up; after an error, `close` must still be called.

        With `take_over` whoever holds the event stream is sent away.

        Raises:
            ChannelUnavailableError: why it did not come up.
        """
        self._tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        self.connection = Connection(wire, self._gateway, self._patience, self._tasks)
        self.roster = Roster(self.connection, self._patience)
        self._stack.callback(self.connection.close)
        await self.connection.open()
        await self._start(take_over=take_over)
        reader = self._tasks.create_task(self._read(), name=f"read:{self._name}")
        self._stack.callback(reader.cancel)
        await self._await_first_event()

    async def close(self) -> None:
        """End both streams and drop the connection; idempotent."""
        self._end(None)
        await self._stack.aclose()

    def messages(self) -> AsyncIterator[IncomingMessage]:
        """Stream what was written."""
        return self._messages.items()

    def account_events(self) -> AsyncIterator[AccountEvent]:
        """Stream what happened to the account."""
        return self._events.items()

    async def _start(self, *, take_over: bool) -> None:
        try:
            if take_over:
                await self.connection.call("stop")
            await self.connection.call("start")  # a puppet that another client stopped stays stopped; else it changes nothing
        except ChannelError as exc:
            raise self._first_contact_fault(exc) from exc.__cause__

    def _first_contact_fault(self, fault: ChannelError) -> ChannelUnavailableError:
        if self._gateway.tls or not isinstance(fault.__cause__, self.connection.lost_errors):
            return ChannelUnavailableError(str(fault))
        return ChannelUnavailableError(
            f"the wechaty gateway {self._gateway.address} hung up at the first word; if it speaks TLS, set tls: true"
        )

    async def _await_first_event(self) -> None:
        """Wait for the HEARTBEAT that begins every stream; without it the stream is not up."""
        try:
            async with asyncio.timeout(self._patience.call_s):
                await self._first_event.wait()
        except TimeoutError as exc:
            raise ChannelUnavailableError(f"the wechaty gateway {self._gateway.address} sends no events") from exc
        if self._ended is not None:
            raise self._ended

    async def _read(self) -> None:
        try:
            fault = await self.connection.listen(self._take)
        except OverflowError:
            fault = ChannelUnavailableError("messages arrive faster than they are taken")
        self.was_refused_as_busy = self.connection.was_refused_as_busy
        self._end(fault)

    def _end(self, fault: ChannelUnavailableError | None) -> None:
        self._ended = self._ended or fault
        self.logged_in.clear()
        if self._tasks is not None:
            self.connection.close()  # what is still being asked fails now, not after a timeout each
        self._messages.end(fault)
        self._events.end()
        self._first_event.set()

    def _take(self, kind: int, payload: str) -> None:
        self._first_event.set()
        fields = fields_of(payload)
        if kind == EventType.MESSAGE:
            self._take_message(text_of(fields, "messageId"))
        elif kind == EventType.DIRTY:
            self.roster.forget(fields.get("payloadType"), text_of(fields, "payloadId"))
        elif kind == EventType.ERROR:
            log.warning("puppet error", channel=self._name, said=_said(fields))
        elif event := account_event_of(kind, fields, self._clock.now(), self.own_id):
            self._take_account_event(event)
