"""Empties the outbox: each channel in its own task, each chat in order, until settled."""

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from opsbot.core.bundle import Bundle, bundles, is_groupable, may_leave_at
from opsbot.core.chat import OutgoingMessage
from opsbot.core.delivery import fallback_to_start, retry_after
from opsbot.core.errors import ChannelUnavailableError, MessageRejectedError
from opsbot.core.ports import Clock
from opsbot.core.store import Store
from opsbot.pipeline.context import Daemon
from opsbot.pipeline.hooks import Manners
from opsbot.pipeline.link import Link
from opsbot.pipeline.reach import Reach
from opsbot.pipeline.rendering import Renderer

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 60.0
FALLBACK_CHECK_S = 1.0


class Notifier:
    """Sends what the outbox holds."""

    def __init__(
        self,
        links: Sequence[Link],
        store: Store,
        renderer: Renderer,
        daemon: Daemon,
        manners: Manners,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Keep the channels; nothing is sent before `notify` runs."""
        self._links = links
        self._store = store
        self._renderer = renderer
        self._daemon = daemon
        self._clock: Clock = daemon.clock
        self._manners = manners
        self._jitter = jitter
        self._wakes = {link.name: asyncio.Event() for link in links}
        self._fallback_wake = asyncio.Event()
        self._reach = Reach()
        self._sent_at: dict[str, deque[datetime]] = defaultdict(lambda: deque(maxlen=max(1, manners.per_chat_per_minute)))

    def wake(self) -> None:
        """Say that the outbox may hold something new."""
        for event in (*self._wakes.values(), self._fallback_wake):
            event.set()

    async def notify(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            for link in self._links:
                group.create_task(self._drain(link), name=f"notify:{link.name}")
            group.create_task(self._start_fallbacks(), name="notify:fallbacks")

    async def _drain(self, link: Link) -> None:
        wake = self._wakes[link.name]
        while True:
            await link.sendable.wait()
            self._reach.opened(link.name)
            wake.clear()
            for bundle in bundles(await self._store.due(link.name, self._clock.now())):
                await self._deliver(link, bundle)
                if wake.is_set():
                    break  # what is due has changed: a failure holds up its chat, a newer word drops an older one
            next_at = await self._store.next_due_at(link.name)
            delay_s = LOOK_AGAIN_S if next_at is None else (next_at - self._clock.now()).total_seconds()
            if delay_s > 0:
                await self._rest(wake, delay_s)

    async def _rest(self, wake: asyncio.Event, delay_s: float) -> None:
        """Wait for a wake-up, at most so long; the injected clock decides how long that is."""

        async def limit() -> None:
            await self._clock.sleep(delay_s)
            wake.set()

        async with asyncio.TaskGroup() as group:
            limiter = group.create_task(limit(), name="notify:rest")
            await wake.wait()
            limiter.cancel()

    async def _deliver(self, link: Link, bundle: Bundle) -> None:
        now = self._clock.now()
        bundle = await self._with_companions(link, bundle, now)
        if is_groupable(bundle.first) and (wait_until := self._budget(bundle, now)) > now:
            await self._store.postpone(bundle.ids, wait_until, "rate", maybe_sent=False)
            return
        if not link.sendable.is_set():
            return
        has_begun = False
        try:
            messages = await self._renderer.render(bundle, link.channel.capabilities, now)
            replaces = await self._store.sent_message_id(bundle.first.edits) if bundle.first.edits else ""
            await self._store.begin(bundle.ids)
            sent_id = ""
            for message in messages:
                sent_id = await self._say(link, message, replaces) or sent_id
                replaces, has_begun = "", True
        except ChannelUnavailableError as exc:
            await self._postpone(link, bundle, exc, maybe_sent=exc.maybe_sent or has_begun)
        except MessageRejectedError as exc:
            log.warning("message rejected", channel=link.name, scene=bundle.first.scene, reason=str(exc))
            await self._store.fail(bundle.ids, str(exc))
            self._fallback_wake.set()
        else:
            self._reach.arrived(bundle.first.chat)
            self._sent_at[_chat_key(bundle)].append(now)
            await self._store.settle(bundle.ids, sent_id)

    async def _with_companions(self, link: Link, bundle: Bundle, now: datetime) -> Bundle:
        """Let all that waits for the same chat leave with a grouped text, or wait with it."""
        if not is_groupable(bundle.first) or bundle.first.maybe_sent:
            return bundle
        joined = bundle.joined_by(await self._store.companions(bundle.first, now))
        if joined.more_ids:
            self._wakes[link.name].set()  # what else was due may be among them
        return joined

    async def _say(self, link: Link, message: OutgoingMessage, replaces: str) -> str:
        """Send a message, or put it in the place of one sent before; gives its id."""
        if replaces:
            try:
                await link.channel.edit(replaces, message)
            except MessageRejectedError as exc:  # gone, or too old: what it says is new nevertheless
                log.info("message not edited", channel=link.name, reason=str(exc))
            else:
                return replaces
        return await link.channel.send(message)

    async def _postpone(self, link: Link, bundle: Bundle, exc: ChannelUnavailableError, *, maybe_sent: bool) -> None:
        attempts = bundle.first.attempts + 1
        self._reach.failed(bundle.first.chat, self._clock.now())
        until = self._clock.now() + retry_after(attempts, self._jitter(), exc.retry_after_s)
        log.warning("message postponed", channel=link.name, scene=bundle.first.scene, attempts=attempts, reason=str(exc))
        await self._store.postpone(bundle.ids, until, str(exc), maybe_sent=maybe_sent)
        self._wakes[link.name].set()

    def _budget(self, bundle: Bundle, now: datetime) -> datetime:
        return may_leave_at(self._sent_at[_chat_key(bundle)], now, self._manners.per_chat_per_minute)

    async def _start_fallbacks(self) -> None:
        """Look at notices with fallbacks in waiting: often while there are some, else only when something new came."""
        while True:
            self._fallback_wake.clear()
            stuck = await self._store.stuck()
            now = self._clock.now()
            self._reach.look(self._links, now)
            for deliveries in stuck:
                rank = fallback_to_start(self._reach.waiting(deliveries), now, self._manners.fallback_after_s)
                if rank is not None:
                    log.warning("fallback started", scene=deliveries[0].scene, rank=rank)
                    await self._store.start_rank(deliveries[0].notice_id, rank, now)
                    self.wake()
            open_notices = [d for d in stuck if not any(delivery.state == "sent" for delivery in d)]
            await self._rest(self._fallback_wake, FALLBACK_CHECK_S if open_notices else LOOK_AGAIN_S)


def _chat_key(bundle: Bundle) -> str:
    return f"{bundle.first.chat.channel}\n{bundle.first.chat.chat_id}"
