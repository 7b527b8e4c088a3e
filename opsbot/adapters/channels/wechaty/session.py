"""The life of one connection: its event stream becomes messages and account events."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime

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

    def __init__(
        self, name: str, wire: WechatyWire, gateway: Gateway, clock: Clock, patience: Patience, *, bot_name: str = ""
    ) -> None:
        self._name = name
        self._wire = wire
        self._gateway = gateway
        self._clock = clock
        self._patience = patience
        self._bot_name = bot_name
        self._stack = AsyncExitStack()
        self._tasks = asyncio.TaskGroup()
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE)
        self._messages = Inbox[IncomingMessage]()
        self._events = Inbox[AccountEvent]()
        self._first_event = asyncio.Event()
        self._fault: ChannelUnavailableError | None = None
        self.connection = Connection(wire, gateway, patience, self._tasks)
        self.roster = Roster(self.connection, patience)
        self._account_told = asyncio.Event()
        self.own_id = ""

    async def open(self, *, take_over: bool) -> None:
        """Connect and wait until the event stream is up; after an error `close` must still be called.

        With `take_over` whoever holds the event stream is sent away.

        Raises:
            ChannelUnavailableError: why it did not come up.
        """
        await self._stack.enter_async_context(self._tasks)
        self._stack.callback(self.connection.close)
        await self.connection.open()
        await self._start_puppet(take_over=take_over)
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

    async def knows_login(self) -> bool:
        """Tell whether somebody is logged in; just after connecting, waits for the gateway to say so."""
        try:
            async with asyncio.timeout(self._patience.login_s):
                await self._account_told.wait()
        except TimeoutError:
            return False
        return bool(self.own_id)

    async def _start_puppet(self, *, take_over: bool) -> None:
        fault: ChannelUnavailableError | None = None
        try:
            if take_over:
                await self.connection.call("stop")
            await self.connection.call("start")  # a puppet that another client stopped stays stopped; else it changes nothing
        except ChannelError as exc:
            fault = self._first_words_fault(exc)
        if fault is not None:
            raise fault

    def _first_words_fault(self, fault: ChannelError) -> ChannelUnavailableError:
        if not self._gateway.tls and isinstance(fault.__cause__, self._wire.stream_terminated_error):
            where = self._gateway.address
            return ChannelUnavailableError(f"the wechaty gateway {where} hung up at once; if it speaks TLS, set tls: true")
        return fault if isinstance(fault, ChannelUnavailableError) else ChannelUnavailableError(str(fault))

    async def _await_first_event(self) -> None:
        """Wait for the HEARTBEAT that begins every stream; without it the stream is not up."""
        try:
            async with asyncio.timeout(self._patience.call_s):
                await self._first_event.wait()
        except TimeoutError as exc:
            raise ChannelUnavailableError(f"the wechaty gateway {self._gateway.address} sends no events") from exc
        if self._fault is not None:
            raise self._fault

    async def _read(self) -> None:
        try:
            fault = await self.connection.listen(self._take)
        except OverflowError:
            fault = ChannelUnavailableError("messages arrive faster than they are taken")
        self._end(fault)

    def _end(self, fault: ChannelUnavailableError | None) -> None:
        self._fault = self._fault or fault
        self.connection.close()  # what is still being asked fails now, not after a timeout each
        self._messages.end(fault)
        self._events.end()
        self._first_event.set()

    def _take(self, kind: int, payload: str) -> None:
        """Note one event of the stream; never waits, so that no slow answer holds up the ones behind it."""
        self._first_event.set()
        fields = fields_of(payload)
        if self._messages.is_full or self._events.is_full:
            raise OverflowError
        if kind == EventType.MESSAGE:
            self._take_message(text_of(fields, "messageId"))
        elif kind == EventType.DIRTY:
            self.roster.forget(fields.get("payloadType"), text_of(fields, "payloadId"))
        elif kind == EventType.ERROR:
            log.warning("puppet error", channel=self._name, said=_error_of(fields))
        elif event := account_event_of(kind, fields, self._clock.now(), self.own_id):
            self._take_account_event(event)

    def _take_account_event(self, event: AccountEvent) -> None:
        if event.kind is AccountEventKind.LOGIN:
            self.own_id = event.account_id
        elif event.kind in (AccountEventKind.LOGOUT, AccountEventKind.SCAN):
            self.own_id = ""
        self._account_told.set()
        self._events.put(self._tasks.create_task(self._named(event), name=f"name:{event.kind}"))

    async def _named(self, event: AccountEvent) -> AccountEvent:
        if event.kind is not AccountEventKind.LOGIN:
            return event
        return replace(event, account_name=await self.roster.name(event.account_id))

    def _take_message(self, message_id: str) -> None:
        if message_id:
            fetch = self._fetch(message_id, self.own_id, self._clock.now())
            self._messages.put(self._tasks.create_task(fetch, name=f"fetch:{message_id}"))

    async def _fetch(self, message_id: str, own_id: str, received_at: datetime) -> IncomingMessage | None:
        async with self._slots:
            try:
                raw = raw_message_of(await self.connection.call("message_payload", id=message_id))
            except ChannelError as exc:
                log.debug("message skipped", channel=self._name, message=message_id, reason=str(exc))
                return None
            is_own = raw.sender_id == own_id != ""
            chat_id = raw.room_id or (raw.receiver_id if is_own else raw.sender_id)
            if raw.type != TEXT_MESSAGE or not chat_id or not raw.sender_id:
                log.debug("message skipped", channel=self._name, message=message_id, type=raw.type)
                return None
            text, mentions_bot = await self._addressed(raw, own_id) if raw.room_id and not is_own else (raw.text, False)
            return IncomingMessage(
                message_id=message_id,
                chat=Chat(self._name, chat_id, is_room=bool(raw.room_id)),
                sender_id=raw.sender_id,
                sender_name=await self.roster.name(raw.sender_id),
                text=text,
                sent_at=raw.sent_at,
                received_at=received_at,
                is_own=is_own,
                mentions_bot=mentions_bot,
            )

    async def _addressed(self, raw: RawMessage, own_id: str) -> tuple[str, bool]:
        """Find out whether a message in a room is for the bot, whatever name it bears there."""
        names = [self._bot_name]
        if own_id and "@" in raw.text:
            names += [await self.roster.name(own_id), await self.roster.name_in(raw.room_id, own_id)]
        was_mentioned = own_id != "" and own_id in raw.mention_ids
        return find_mention(raw.text, names, was_mentioned=was_mentioned, is_alone=len(raw.mention_ids) <= 1)


def _error_of(fields: Mapping[str, object]) -> str:
    """Say in one line what a puppet reports; addresses in it may be login codes."""
    said = fields.get("gerror")
    inner = fields_of(said) if isinstance(said, str) else {}
    first_line = (text_of(inner, "message") or str(said or "")).strip().partition("\n")[0]
    return URL.sub("…", first_line)[:MAX_LOGGED_CHARS]
