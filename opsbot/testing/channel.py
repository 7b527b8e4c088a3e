"""A chat platform in memory."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeVar

from opsbot.core.chat import (
    AccountEvent,
    AccountEventKind,
    Capabilities,
    Chat,
    Contact,
    IncomingMessage,
    OutgoingMessage,
)
from opsbot.core.errors import ChannelError, ChannelUnavailableError, MessageRejectedError
from opsbot.core.ports import Clock

CAPABILITIES = Capabilities(text_limit_chars=2000, file_limit_bytes=1_000_000)
END = None

Item = TypeVar("Item")


class FakeChannel:
    """Records what is sent, and delivers what a test says.

    `sent` and `edited` hold what arrived, in order. What is said while nobody is connected waits for the next connection.
    """

    def __init__(self, name: str = "chat", *, clock: Clock, capabilities: Capabilities = CAPABILITIES) -> None:
        """Begin reachable, with nobody connected."""
        self._name = name
        self._clock = clock
        self._capabilities = capabilities
        self._ids = itertools.count(1)
        self._sent_ids: list[str] = []
        self._away = ""
        self._is_entered = False
        self._messages: asyncio.Queue[IncomingMessage | ChannelUnavailableError | None] = asyncio.Queue()
        self._events: asyncio.Queue[AccountEvent | None] = asyncio.Queue()
        self._failures: list[ChannelError | None] = []
        self._way = asyncio.Event()
        self._way.set()
        self.sent: list[OutgoingMessage] = []
        self.edited: list[tuple[str, OutgoingMessage]] = []
        self.known: list[Contact] = []
        self.entered = 0
        self.logged_out = 0

    @property
    def name(self) -> str:
        """See `Channel.name`."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """See `Channel.capabilities`."""
        return self._capabilities

    async def __aenter__(self) -> Self:
        """Connect, unless the platform is away."""
        await asyncio.sleep(0)
        if self._away:
            raise ChannelUnavailableError(self._away)
        self.entered += 1
        self._is_entered = True
        self._messages, self._events = _without_marks(self._messages), _without_marks(self._events)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect: both streams end."""
        if self._is_entered:
            self._is_entered = False
            self._messages.put_nowait(END)
            self._events.put_nowait(END)

    async def messages(self) -> AsyncIterator[IncomingMessage]:
        """See `Channel.messages`."""
        queue = self._messages
        while (item := await queue.get()) is not END:
            if isinstance(item, ChannelUnavailableError):
                raise item
            yield item

    async def account_events(self) -> AsyncIterator[AccountEvent]:
        """See `Channel.account_events`."""
        queue = self._events
        while (event := await queue.get()) is not END:
            yield event

    async def send(self, message: OutgoingMessage) -> str:
        """See `Channel.send`."""
        await self._attempt()
        self.sent.append(message)
        self._sent_ids.append(f"sent-{len(self.sent)}")
        return self._sent_ids[-1]

    async def edit(self, message_id: str, message: OutgoingMessage) -> None:
        """See `Channel.edit`."""
        if not self._capabilities.edits:
            raise MessageRejectedError("this channel cannot edit")
        await self._attempt()
        if message_id not in self._sent_ids:
            raise MessageRejectedError("no such message")
        self.edited.append((message_id, message))

    async def log_out(self) -> None:
        """See `Account.log_out`."""
        await self._attempt()
        self.logged_out += 1
        self.happens(AccountEvent(kind=AccountEventKind.LOGOUT, at=self._clock.now(), reason="logged out by opsbot"))

    async def contacts(self) -> Sequence[Contact]:
        """See `Account.contacts`."""
        await self._attempt()
        return tuple(self.known)

    # What a test does

    def says(
        self, text: str, *, by: str, room: str = "", mentions_bot: bool = True, age_s: float = 0.0, message_id: str = ""
    ) -> IncomingMessage:
        """Let somebody (an id on the platform) write to the bot, in their direct chat or in a room."""
        now_at = self._clock.now()
        message = IncomingMessage(
            message_id=message_id or f"said-{next(self._ids)}",
            chat=Chat(self._name, room or by, is_room=bool(room)),
            sender_id=by,
            sender_name=by.title(),
            text=text,
            sent_at=now_at - timedelta(seconds=age_s),
            received_at=now_at,
            mentions_bot=bool(room) and mentions_bot,
        )
        self.hears(message)
        return message

    def hears(self, message: IncomingMessage) -> None:
        """Deliver a message as it is."""
        self._messages.put_nowait(message)

    def happens(self, event: AccountEvent) -> None:
        """Let something happen to the account."""
        self._events.put_nowait(event)

    def logs_in(self, account_id: str, account_name: str = "") -> None:
        """Let an account log in."""
        self.happens(
            AccountEvent(kind=AccountEventKind.LOGIN, at=self._clock.now(), account_id=account_id, account_name=account_name)
        )

    def logs_out(self, account_id: str, reason: str = "") -> None:
        """Let an account log out."""
        self.happens(AccountEvent(kind=AccountEventKind.LOGOUT, at=self._clock.now(), account_id=account_id, reason=reason))

    def fails(self, *errors: ChannelError | None) -> None:
        """Let the next attempts to send or edit fail, one after the other; None lets one succeed."""
        self._failures += errors

    def goes_away(self, reason: str = "gone") -> None:
        """Cut the connection; nobody can connect until `comes_back`."""
        self._away = reason
        if self._is_entered:
            self._messages.put_nowait(ChannelUnavailableError(reason))

    def comes_back(self) -> None:
        """Be reachable again."""
        self._away = ""

    def holds(self) -> None:
        """Let attempts to send wait until `releases`."""
        self._way.clear()

    def releases(self) -> None:
        """Let what waits go on."""
        self._way.set()

    async def _attempt(self) -> None:
        await asyncio.sleep(0)
        await self._way.wait()
        error = self._failures.pop(0) if self._failures else None
        if error is not None:
            raise error
        if self._away or not self._is_entered:
            raise ChannelUnavailableError(self._away or "not connected")


def _without_marks(queue: "asyncio.Queue[Item]") -> "asyncio.Queue[Item]":
    """Give a fresh queue with what has not been delivered, but not with the marks of a former connection's end."""
    fresh: asyncio.Queue[Item] = asyncio.Queue()
    while not queue.empty():
        item = queue.get_nowait()
        if item is not END and not isinstance(item, ChannelUnavailableError):
            fresh.put_nowait(item)
    return fresh
