"""A way out through Apprise: text and pictures to one URL (ntfy, Bark, e-mail, a WeCom robot …); nothing comes in."""

import asyncio
import logging
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from opsbot.core.chat import AccountEvent, Capabilities, IncomingMessage, OutgoingMessage
from opsbot.core.errors import ChannelUnavailableError, MessageRejectedError

SEND_TIMEOUT_S = 25.0
CAPABILITIES = Capabilities(text_limit_chars=2000, file_limit_bytes=5_000_000, listens=False)
"""The services behind Apprise differ; Apprise itself cuts to what each can take (its plug-ins' `body_maxlen`, 2.2)."""


class AppriseChannel:
    """Sends to one Apprise URL, which is a secret: it may hold passwords and tokens."""

    def __init__(self, name: str, *, url: str, bot_name: str) -> None:
        """`bot_name` becomes the title of what is sent."""
        self._name = name
        self._url = url
        self._bot_name = bot_name
        self._apprise: Any = None
        self._left = asyncio.Event()

    @property
    def name(self) -> str:
        """The channel's key in the configuration."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """It only sends."""
        return CAPABILITIES

    async def __aenter__(self) -> Self:
        """Load Apprise and read the URL; no connection is made before something is sent."""
        self._left.clear()
        self._apprise = await asyncio.to_thread(_load, self._url)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let go."""
        self._apprise = None
        self._left.set()

    async def messages(self) -> AsyncIterator[IncomingMessage]:
        """Wait: nothing ever comes in."""
        await self._left.wait()
        nothing: tuple[IncomingMessage, ...] = ()
        for message in nothing:
            yield message

    async def account_events(self) -> AsyncIterator[AccountEvent]:
        """Wait: there is no account."""
        await self._left.wait()
        nothing: tuple[AccountEvent, ...] = ()
        for event in nothing:
            yield event

    async def send(self, message: OutgoingMessage) -> str:
        """Hand one message to the service; Apprise says only whether it was taken."""
        if self._apprise is None:
            raise ChannelUnavailableError("apprise: not connected")
        attachments = [_attachment(message)] if message.attachment else None
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                # Apprise counts an empty body as nothing to send, even with a picture.
                body = message.text or self._bot_name
                taken = await self._apprise.async_notify(body=body, title=self._bot_name, attach=attachments)
        except TimeoutError:
            raise ChannelUnavailableError("apprise: the service did not answer", maybe_sent=True) from None
        except TypeError as exc:
            raise MessageRejectedError("apprise: the service cannot take this message") from exc
        if not taken:
            raise ChannelUnavailableError("apprise: the service did not take the message; check the URL with the apprise command")
        return ""

    async def edit(self, message_id: str, message: OutgoingMessage) -> None:  # noqa: ARG002 - the port's shape
        """Refuse: what was sent is gone."""
        raise MessageRejectedError("apprise cannot edit")


def _load(url: str) -> Any:  # noqa: ANN401 - the library has no types
    """Import Apprise, which takes a while, and read the URL."""
    try:
        import apprise  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as exc:
        raise ChannelUnavailableError("apprise is not installed; pip install 'opsbot[apprise]'") from exc
    # Apprise logs what failed together with the answer of the service, which may repeat what was sent.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    target = apprise.Apprise()
    if not target.add(url):
        raise ChannelUnavailableError("apprise does not understand the URL; test it with the apprise command")
    return target


def _attachment(message: OutgoingMessage) -> Any:  # noqa: ANN401 - the library has no types
    from apprise.attachment.memory import AttachMemory  # noqa: PLC0415 - an extra

    attachment = message.attachment
    if attachment is None:
        raise MessageRejectedError("apprise: no attachment")
    memory: Any = AttachMemory
    return memory(content=attachment.content, name=attachment.name, mimetype=attachment.media_type.partition(";")[0])
