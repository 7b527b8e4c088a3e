"""Since when people cannot be reached: a newer word on the same matter must not begin that wait anew."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from opsbot.core.chat import Chat
from opsbot.core.delivery import Delivery
from opsbot.pipeline.link import Link


@dataclass(slots=True)
class Reach:
    """What is known about who cannot be reached, and since when; nothing of it outlives the daemon."""

    _channels: dict[str, datetime] = field(default_factory=dict)
    _chats: dict[Chat, datetime] = field(default_factory=dict)

    def look(self, links: Iterable[Link], now: datetime) -> None:
        """Note which channels can send now."""
        for link in links:
            if link.sendable.is_set():
                self.opened(link.name)
            else:
                self._channels.setdefault(link.name, now)

    def opened(self, channel: str) -> None:
        """Note that a channel can send."""
        self._channels.pop(channel, None)

    def arrived(self, chat: Chat) -> None:
        """Note that something reached a chat."""
        self._chats.pop(chat, None)

    def failed(self, chat: Chat, now: datetime) -> None:
        """Note that something did not reach a chat and is tried again."""
        self._chats.setdefault(chat, now)

    def waiting(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Give the deliveries as old as the wait for their chats is."""
        return [replace(delivery, created_at=min(self._since(delivery))) for delivery in deliveries]

    def _since(self, delivery: Delivery) -> Iterable[datetime]:
        yield delivery.created_at
        for known in (self._channels.get(delivery.chat.channel), self._chats.get(delivery.chat)):
            if known is not None:
                yield known
