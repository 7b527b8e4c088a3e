"""The Channel port over the embedded chat."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from opsbot.adapters.channels.local.api import ChatApi
from opsbot.adapters.channels.local.board import BoardApi
from opsbot.adapters.channels.local.guard import Guard
from opsbot.adapters.channels.local.history import History, Keep
from opsbot.adapters.channels.local.mention import without_mention
from opsbot.adapters.channels.local.pages import Pages
from opsbot.adapters.channels.local.schema import Entry, Posting
from opsbot.adapters.channels.local.settings import LocalSettings, address_of, chat_of
from opsbot.adapters.channels.local.status import Insight
from opsbot.adapters.channels.local.tokens import Tokens
from opsbot.core.chat import AccountEvent, Attachment, Capabilities, IncomingMessage, OutgoingMessage
from opsbot.core.errors import ChannelUnavailableError, MessageRejectedError, StateError
from opsbot.core.ports import Clock

CAPABILITIES = Capabilities(text_limit_chars=20_000, file_limit_bytes=20 * 1024 * 1024, edits=True)


class LocalChannel:
    """The embedded chat as a channel: connected while entered, its other side are the routes that the app mounts.

    What a person posts is durable before it is answered. A message that the daemon had not finished taking when it was
    left comes again at the next entry, with the same id.
    """

    def __init__(
        self, name: str, *, state_dir: Path, settings: LocalSettings, insight: Insight, clock: Clock, keep: Keep | None = None
    ) -> None:
        """Take who is there and what may be shown; the directory must exist when the channel is entered."""
        self._name = name
        self._state_dir = state_dir
        self._settings = settings
        self._clock = clock
        self._history = History(state_dir, keep)
        self._guard = Guard(settings)
        self._pages = Pages(settings)
        self._chats = ChatApi(settings, self._history, clock)
        self._board = BoardApi(settings, insight)

    @property
    def name(self) -> str:
        """The channel's key in the configuration."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """What this channel can do."""
        return CAPABILITIES

    def routes(self) -> list[web.RouteDef]:
        """Give what the one web server must serve: the page, the API, health and metrics.

        They can be mounted before the channel is entered, and answer 503 while it is not.
        """
        return [self._guard.route(entry) for entry in (*self._pages.table(), *self._chats.table(), *self._board.table())]

    def link(self, base_url: str, person: str) -> str:
        """Give the address that opens the page as a person; the token is in the fragment. Only once the channel was entered.

        Raises:
            StateError: the channel was never entered, or the person has no id on it.
        """
        return f"{base_url.rstrip('/')}/#token={self._guard.token_of(person)}"

    async def __aenter__(self) -> Self:
        """Open the history; make the tokens that are missing."""
        try:
            await self._history.open()
            self._guard.admit(await self._history.in_thread(Tokens.prepare, self._state_dir, tuple(self._settings.people)))
            await self._history.in_thread(self._pages.load)
        except StateError as exc:
            await self._history.close()
            raise ChannelUnavailableError(str(exc)) from exc
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the history; whoever polls is answered at once."""
        await self._history.close()

    async def messages(self) -> AsyncIterator[IncomingMessage]:
        """Stream what was posted, the bot's own messages included; ends when the channel is left."""
        while self._history.is_open:
            news = self._history.news
            try:
                entries = await self._history.untaken()
                for entry in entries:
                    yield self._incoming(entry)
                    await self._history.take(entry.seq)
            except StateError as exc:
                if not self._history.is_open:
                    return
                raise ChannelUnavailableError(str(exc)) from exc
            if not entries:
                await news.wait()

    async def account_events(self) -> AsyncIterator[AccountEvent]:
        """Wait until the channel is left: there is no account behind it."""
        while self._history.is_open:
            await self._history.news.wait()
        none: tuple[AccountEvent, ...] = ()
        for event in none:
            yield event

    async def send(self, message: OutgoingMessage) -> str:
        """Keep a message of the bot; a repeat with the same key gives the id of the first."""
        address = self._address(message)
        if not message.text and message.attachment is None:
            raise MessageRejectedError("the message is empty")
        attachment = message.attachment
        if attachment and len(attachment.content) > CAPABILITIES.file_limit_bytes:
            raise MessageRejectedError(f"{attachment.name} is larger than {CAPABILITIES.file_limit_bytes} bytes")
        posting = Posting(
            chat=address,
            sender=self._settings.bot_name,
            text=message.text,
            at=self._clock.now(),
            by_bot=True,
            repeat_key=message.key,
            attachment=attachment and Attachment(plain_name(attachment.name), attachment.media_type, attachment.content),
        )
        try:
            message_id, _ = await self._history.append(posting)
        except StateError as exc:
            raise ChannelUnavailableError(str(exc)) from exc
        return message_id

    async def edit(self, message_id: str, message: OutgoingMessage) -> None:
        """Keep a new text for a message of the bot; its attachment stays."""
        address = self._address(message)
        if message.attachment is not None:
            raise MessageRejectedError("only the text of a message can be replaced")
        try:
            was_there = await self._history.edit(address, message_id, message.text, self._clock.now())
        except StateError as exc:
            raise ChannelUnavailableError(str(exc)) from exc
        if not was_there:
            raise MessageRejectedError("the message to edit is not there any more")

    def _address(self, message: OutgoingMessage) -> str:
        address = address_of(message.chat)
        if message.chat.channel != self._name or not self._settings.holds(address):
            raise MessageRejectedError(f"{address} is no chat of {self._name}")
        if len(message.text) > CAPABILITIES.text_limit_chars:
            raise MessageRejectedError(f"the text is longer than {CAPABILITIES.text_limit_chars} characters")
        if not _is_storable(message.text):
            raise MessageRejectedError("the text holds half of a surrogate pair")
        return address

    def _incoming(self, entry: Entry) -> IncomingMessage:
        chat = chat_of(self._name, entry.chat)
        text, mentions_bot = without_mention(entry.text, self._settings.bot_name, anywhere=chat.is_room)
        return IncomingMessage(
            message_id=entry.message_id,
            chat=chat,
            sender_id=entry.sender,
            sender_name=self._settings.people.get(entry.sender, entry.sender),
            text=text,
            sent_at=entry.at,
            received_at=self._clock.now(),
            is_own=entry.by_bot,
            mentions_bot=mentions_bot,
        )


def plain_name(name: str) -> str:
    r"""Make a file name of what an operation called its file: no folders, no control characters, at most 120 characters.

    >>> plain_name("../../etc/pass\r\nwd")
    'passwd'
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(character for character in last if character.isprintable()).strip(" .")
    return kept[-120:] or "file"


def _is_storable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
