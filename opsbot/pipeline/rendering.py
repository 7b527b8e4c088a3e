"""From an output to messages a channel accepts: masked, drawn, grouped, split."""

import asyncio
from datetime import datetime

from opsbot.core.bundle import Bundle
from opsbot.core.catalogue import Language, text
from opsbot.core.chat import Attachment, Capabilities, OutgoingMessage
from opsbot.core.delivery import Delivery, grouped_text
from opsbot.core.output import File, Image, Markdown, Output, QrCode
from opsbot.core.plain import plain_text
from opsbot.core.ports import QrRenderer
from opsbot.core.redact import Redactor
from opsbot.core.splitting import split_text

MAX_PIECES = 5
"""A text that needs more messages goes as a file, with its head and tail as text."""


class Renderer:
    """Prepares bundles for a channel."""

    def __init__(self, qr: QrRenderer, redactor: Redactor, language: Language) -> None:
        """Keep how pictures are drawn and what is masked."""
        self._qr, self._redactor, self._language = qr, redactor, language

    async def render(self, bundle: Bundle, capabilities: Capabilities, now: datetime) -> list[OutgoingMessage]:
        """Give the messages of a bundle, in order; the last one carries the bundle's key."""
        first = bundle.first
        if len(bundle.ids) > 1:
            texts = [str(delivery.output) for delivery in bundle.deliveries]
            body, attachment = grouped_text(texts, text("n_more", self._language, n="{n}"), len(bundle.more_ids)), None
        else:
            body, attachment = await self._content(first, now)
        body = self._redactor.mask(plain_text(body))
        if first.maybe_sent:
            body = f"{text('repeated', self._language)}\n{body}".strip()
        if attachment is not None and not capabilities.attachments:
            attachment = None
        return self._messages(first, body, attachment, capabilities)

    async def _content(self, delivery: Delivery, now: datetime) -> tuple[str, Attachment | None]:
        output: Output = delivery.output
        if isinstance(output, str):
            return output, None
        if isinstance(output, Markdown):
            return output.text, None
        if delivery.expires_at is not None and delivery.expires_at <= now:
            return f"{output.caption}\n{text('expired', self._language)}", None
        return output.caption, await self._attachment(output)

    async def _attachment(self, output: Image | File | QrCode) -> Attachment:
        if isinstance(output, QrCode):
            # Drawing takes some ten milliseconds of CPU: a thread keeps the loop free.
            return Attachment("qr.png", "image/png", await asyncio.to_thread(self._qr.png, output.payload))
        if isinstance(output, File) and output.media_type.startswith("text/"):
            masked = await asyncio.to_thread(self._redactor.mask, output.content.decode("utf-8", "replace"))
            return Attachment(output.name, output.media_type, masked.encode())
        return Attachment(output.name, output.media_type, output.content)

    def _messages(
        self, first: Delivery, body: str, attachment: Attachment | None, capabilities: Capabilities
    ) -> list[OutgoingMessage]:
        key = str(first.delivery_id)
        pieces = split_text(body, capabilities.text_limit_chars)
        if len(pieces) > MAX_PIECES and attachment is None and capabilities.attachments:
            whole = body.encode()[: capabilities.file_limit_bytes]
            attachment = Attachment("output.txt", "text/plain; charset=utf-8", whole)
            pieces = [pieces[0], text("whole_output", self._language)]
        messages = [
            OutgoingMessage(chat=first.chat, text=piece, key=f"{key}.{number}") for number, piece in enumerate(pieces) if piece
        ]
        if attachment is None:
            return messages
        last = messages.pop() if messages else OutgoingMessage(chat=first.chat)
        return [*messages, OutgoingMessage(chat=first.chat, text=last.text, attachment=attachment, key=f"{key}.file")]
