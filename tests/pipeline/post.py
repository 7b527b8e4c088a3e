"""The sending half of a daemon on fakes: store, notifier, channels, clock."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from opsbot.core.change import Change
from opsbot.core.chat import Capabilities, Chat
from opsbot.core.delivery import Delivery, DeliveryState
from opsbot.core.notification import Severity
from opsbot.core.output import Output
from opsbot.core.redact import Redactor
from opsbot.pipeline.context import Daemon
from opsbot.pipeline.hooks import Manners
from opsbot.pipeline.link import Link
from opsbot.pipeline.notify import Notifier
from opsbot.pipeline.rendering import Renderer
from opsbot.testing import CAPABILITIES, FakeChannel, FakeClock, FakeQr, FakeRunner, FakeStore, count_threads, settled

SECRET = "hunter2hunter2"
A, B, PHONE = Chat("chat", "a"), Chat("chat", "b"), Chat("phone", "")


@dataclass
class Post:
    """What a test holds of it."""

    clock: FakeClock
    store: FakeStore
    channels: Sequence[FakeChannel]
    links: Sequence[Link]
    notifier: Notifier

    @property
    def channel(self) -> FakeChannel:
        return self.channels[0]

    def a_delivery(self, output: Output = "hello", /, *, to: Chat = A, wait_s: float = 0, **changes: Any) -> Delivery:
        now = self.clock.now()
        values: dict[str, Any] = {"notice_id": "", "scene": "errors", "is_reply": True} | changes
        return Delivery(chat=to, output=output, created_at=now, not_before=now + timedelta(seconds=wait_s), **values)

    def a_notice(self, output: Output = "hello", /, **changes: Any) -> Delivery:
        """Give a delivery that may be grouped."""
        values: dict[str, Any] = {"is_reply": False, "severity": Severity.NORMAL} | changes
        return self.a_delivery(output, **values)

    async def takes(self, *deliveries: Delivery) -> list[int]:
        """Commit deliveries, as a hook does, and let go on what can."""
        ids = list(await self.store.commit(Change(deliveries=deliveries)))
        self.notifier.wake()
        await settled()
        return ids

    def texts(self, to: Chat | None = None, channel: int = 0) -> list[str]:
        return [message.text for message in self.channels[channel].sent if to in (None, message.chat)]

    def states(self) -> list[DeliveryState]:
        return [delivery.state for delivery in self.store.outbox.deliveries]


@asynccontextmanager
async def posting(
    *names: str,
    manners: Manners | None = None,
    capabilities: Capabilities = CAPABILITIES,
    store: FakeStore | None = None,
    clock: FakeClock | None = None,
) -> AsyncIterator[Post]:
    """Run a notifier over channels with these names (by default one called chat), all connected."""
    count_threads()
    clock, store = clock or FakeClock(), store or FakeStore()
    channels = [FakeChannel(name, clock=clock, capabilities=capabilities) for name in names or ("chat",)]
    links = [Link(channel, "fake") for channel in channels]
    daemon = Daemon(name="alice", language="en", clock=clock, runner=FakeRunner(clock), own_pid=1)
    renderer = Renderer(FakeQr(), Redactor([SECRET]), "en")
    notifier = Notifier(links, store, renderer, daemon, manners or Manners(), jitter=lambda: 0.0)
    async with AsyncExitStack() as stack:
        for channel, link in zip(channels, links, strict=True):
            await stack.enter_async_context(channel)
            link.connected()
        group = await stack.enter_async_context(asyncio.TaskGroup())
        running = group.create_task(notifier.notify())
        await settled()
        yield Post(clock, store, channels, links, notifier)
        running.cancel()
