"""The state cannot be written while the daemon runs: the disk is full, or was mounted read-only."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsbot.core.catalogue import Language, text
from opsbot.core.change import Change
from opsbot.core.chat import OutgoingMessage
from opsbot.core.delivery import retry_after
from opsbot.core.errors import ChannelError, StateError
from opsbot.core.ports import Clock
from opsbot.core.scene import Route
from opsbot.pipeline.hooks import Hooks
from opsbot.pipeline.link import Link
from opsbot.pipeline.supervise import first_of

OVER_AFTER_S = 60.0
"""A daemon that lives so long again has overcome it; what comes then is another outage."""
CRY_WITHIN_S = 5.0


@dataclass(slots=True)
class Outage:
    """Since when it lasts, why, how often it was tried in vain to go on, and when that seemed to work."""

    since_at: datetime
    reason: str
    failures: int = 0
    back_at: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Say whether the daemon has lived long enough since then."""
        return self.back_at is not None and now - self.back_at > timedelta(seconds=OVER_AFTER_S)

    @property
    def delay_s(self) -> float:
        """How long to wait before the next try."""
        return retry_after(self.failures, jitter=0.0).total_seconds()


def outage_of(exc: StateError, before: Outage | None, now: datetime) -> Outage:
    """Give the outage that a failure begins, or goes on with."""
    if before is None or before.is_over(now):
        return Outage(now, str(exc), failures=1)
    return Outage(before.since_at, str(exc), failures=before.failures + 1)


class Alarm:
    """Tells the owners of an outage: past the outbox when it begins, by the outbox when it is over."""

    def __init__(
        self, outage: Outage | None, name: str, language: Language, links: Sequence[Link], route: Route, clock: Clock
    ) -> None:
        """`outage` is what the daemon starts over after, `route` where its owners are."""
        self._outage, self._name, self._language = outage, name, language
        self._links, self._route, self._clock = links, route, clock
        self._has_cried = False

    async def watching(self, work: Awaitable[None]) -> None:
        """Do something; when it fails because the state cannot be written, say so before that ends everything."""
        try:
            await work
        except* StateError as group:
            await self._cry(str(first_of(group)))
            raise

    async def _cry(self, reason: str) -> None:
        """Say it to the first of the owners who is reached, once in an outage."""
        if self._has_cried or (self._outage is not None and not self._outage.is_over(self._clock.now())):
            return
        self._has_cried = True
        said = text("state_lost", self._language, name=self._name, reason=reason)
        links = {link.name: link for link in self._links if link.sendable.is_set()}
        for chat in (*self._route.tell, *self._route.fallback):
            if chat.channel in links:
                with suppress(ChannelError, TimeoutError):
                    async with asyncio.timeout(CRY_WITHIN_S):
                        await links[chat.channel].channel.send(OutgoingMessage(chat=chat, text=said))
                    return

    def all_clear(self, hooks: Hooks) -> Change:
        """Give the change that tells that it is over: to be made before anything is started, which it would only stop again."""
        if self._outage is None:
            return Change()
        since = f"{self._outage.since_at:%Y-%m-%d %H:%M:%S}Z"
        return hooks.report(text("state_back", self._language, since=since, reason=self._outage.reason), key="state")
