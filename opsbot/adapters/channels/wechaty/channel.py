"""A WeChat account behind a wechaty gateway, as a channel."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Never, Self

from opsbot.adapters.channels.wechaty.compat import IncompatibleWechatyError, WechatyWire, load
from opsbot.adapters.channels.wechaty.gateway import Patience, gateway_at
from opsbot.adapters.channels.wechaty.inbox import Inbox
from opsbot.adapters.channels.wechaty.payload import filebox_of
from opsbot.adapters.channels.wechaty.session import Session
from opsbot.core.chat import AccountEvent, Capabilities, Contact, IncomingMessage, OutgoingMessage
from opsbot.core.errors import ChannelUnavailableError, MessageRejectedError
from opsbot.core.ports import Clock

TEXT_LIMIT_CHARS = 2000
"""WeChat and the puppets publish no limit for personal accounts; other bots report that longer texts are cut off without an
error (NousResearch/hermes-agent issue 16411, through another interface than wechaty; read 2026-11)."""
FILE_LIMIT_BYTES = 3_000_000
"""A request to a gateway holds at most 4 194 304 bytes, and base64 adds a third (measured, wechaty-puppet-service 1.19)."""
TAKE_OVER_AFTER = 5
"""So many refusals in a row, because another client holds the event stream, before that one is sent away."""


class WechatyChannel:
    """Connects as the one client of the gateway at `endpoint` (HOST:PORT).

    A gateway serves a single event stream. Whoever connects second is refused, so a second opsbot does no harm; but a client that
    vanished with its network holds the stream for ever, and is sent away after TAKE_OVER_AFTER refusals in a row.

    `tls_ca_file` holds the authorities to believe instead of the system's. Ids are those of the puppet: with pad-protocol
    puppets the wxid, which stays with the account for life, hence `IdentityStrength.VERIFIED`; names are never compared.
    """

    def __init__(
        self,
        name: str,
        endpoint: str,
        token: str,
        clock: Clock,
        *,
        tls: bool = True,
        tls_ca_file: Path | None = None,
        bot_name: str = "",
        patience: Patience | None = None,
    ) -> None:
        self._name = name
        self._gateway = gateway_at(endpoint, token, tls=tls, tls_ca_file=tls_ca_file)
        self._clock = clock
        self._bot_name = bot_name
        self._patience = patience or Patience()
        self._session: Session | None = None
        self._refusals = 0

    @property
    def name(self) -> str:
        """The channel's key in the configuration."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """What WeChat accounts can do."""
        return Capabilities(text_limit_chars=TEXT_LIMIT_CHARS, file_limit_bytes=FILE_LIMIT_BYTES, has_account=True)

    async def __aenter__(self) -> Self:
        """Connect to the gateway; whether somebody is logged in there is told by `account_events`."""
        session = Session(self._name, await _loaded(), self._gateway, self._clock, self._patience, bot_name=self._bot_name)
        try:
            await session.open(take_over=self._refusals >= TAKE_OVER_AFTER)
        except BaseException:
            self._refusals = self._refusals + 1 if session.connection.was_refused_as_busy else 0
            await session.close()
            raise
        self._refusals = 0
        self._session = session
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect; the account stays logged in."""
        if self._session is not None:
            await self._session.close()

    def messages(self) -> AsyncIterator[IncomingMessage]:
        """Stream the account's text messages."""
        return self._session.messages() if self._session else _nothing()

    def account_events(self) -> AsyncIterator[AccountEvent]:
        """Stream login codes, logins and logouts. A login is told again with each connection."""
        return self._session.account_events() if self._session else _nothing()

    async def send(self, message: OutgoingMessage) -> str:
        """Send the text, then the file, as two messages if there are both; gives the id of the last one."""
        if not message.text and message.attachment is None:
            raise MessageRejectedError("an empty message cannot be sent")
        if message.attachment is not None and len(message.attachment.content) > FILE_LIMIT_BYTES:
            size = len(message.attachment.content)
            raise MessageRejectedError(f"{message.attachment.name} has {size} bytes; a wechaty gateway takes {FILE_LIMIT_BYTES}")
        session = await self._logged_in()
        try:
            async with asyncio.timeout(self._patience.send_s):
                return await self._send(session, message)
        except TimeoutError as exc:
            reason = f"the wechaty gateway did not answer within {self._patience.send_s:g} s"
            raise ChannelUnavailableError(reason, maybe_sent=True) from exc

    async def edit(self, message_id: str, message: OutgoingMessage) -> None:  # noqa: ARG002 - the port's names
        """Refuse: WeChat has no edits."""
        raise MessageRejectedError("WeChat cannot edit messages")

    async def log_out(self) -> None:
        """Log the account out, on its owner's phone too."""
        session = await self._logged_in()
        await session.connection.call("logout")

    async def contacts(self) -> Sequence[Contact]:
        """List friends and rooms."""
        session = await self._logged_in()
        return await session.roster.contacts()

    async def _logged_in(self) -> Session:
        session = self._session
        if session is None or not session.connection.is_open:
            raise ChannelUnavailableError(f"the wechaty gateway {self._gateway.address} is not connected")
        if not await session.knows_login():
            raise ChannelUnavailableError(f"nobody is logged in at the wechaty gateway {self._gateway.address}")
        return session

    async def _send(self, session: Session, message: OutgoingMessage) -> str:
        call, chat_id = session.connection.call, message.chat.chat_id
        within_s = self._patience.send_s
        sent_id = ""
        if message.text:
            sent = await call("message_send_text", within_s=within_s, conversation_id=chat_id, text=message.text)
            sent_id = sent.id or ""  # some puppets give none, and have sent it
        if message.attachment is None:
            return sent_id
        try:
            filebox = filebox_of(message.attachment)
            sent = await call("message_send_file", within_s=within_s, conversation_id=chat_id, filebox=filebox)
        except ChannelUnavailableError as exc:
            if not message.text or exc.maybe_sent:
                raise
            raise ChannelUnavailableError(str(exc), retry_after_s=exc.retry_after_s, maybe_sent=True) from exc
        return sent.id or sent_id


async def _loaded() -> WechatyWire:
    logging.getLogger("hpack").setLevel(logging.INFO)  # at debug it writes every header, the token among them
    try:
        return await asyncio.to_thread(load)  # the first import takes some 80 ms
    except IncompatibleWechatyError as exc:
        raise ChannelUnavailableError(str(exc)) from exc


def _nothing() -> AsyncIterator[Never]:
    """Stream nothing: there was no connection yet."""
    inbox = Inbox[Never]()
    inbox.end()
    return inbox.items()
