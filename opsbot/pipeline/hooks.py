"""Runs the hooks in which an operation tells something, and makes what they tell durable.

This is a seam where operation code runs: a bug in it is contained, logged with its traceback, and told to the owners.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

import structlog

from opsbot.core.catalogue import Language, text
from opsbot.core.change import Change
from opsbot.core.delivery import Delivery
from opsbot.core.dispatch import change_for, merge
from opsbot.core.notification import Notification, Severity
from opsbot.core.operation import Hook
from opsbot.core.output import Output
from opsbot.core.ports import Clock
from opsbot.core.scene import Route, Scene
from opsbot.core.store import Store
from opsbot.pipeline.context import Daemon, OperationContext
from opsbot.pipeline.limit import within

log = structlog.get_logger(__name__)

HOOK_TIMEOUT_S = 30.0
RUNNING_HOOK_TIMEOUT_S = 120.0
"""A hook that hangs is a bug of its operation, and must not stop what waits behind it."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How notifications behave: the `notifications:` of the configuration."""

    group_wait_s: float = 5.0
    repeat_minutes: tuple[int, ...] = (15, 30, 60)
    per_chat_per_minute: int = 10
    fallback_after_s: float = 60.0


ONE_AT_A_TIME = ("on_log", "on_timer", "on_partner_message")


class Hooks:
    """Runs hooks and turns what they told into changes.

    `turn` is held from the start of an `on_log`, `on_timer` or `on_partner_message` to the commit of what it wants, so
    that none of them sees half of another's work. Hooks that may run programs take as long as those do, and hold nothing.
    """

    def __init__(
        self,
        daemon: Daemon,
        store: Store,
        clock: Clock,
        manners: Manners,
        owner_route: Route,
        wake: Callable[[], None],
    ) -> None:
        """Keep what every hook needs; `wake` is called after each commit that may have left something to send."""
        self._daemon, self._store, self._clock, self._manners = daemon, store, clock, manners
        self._owner_route = owner_route
        self._wake = wake
        self.turn = asyncio.Lock()

    async def change_from(
        self, scene: Scene, hook: str, call: Callable[[OperationContext], Hook], *, may_run: bool = False
    ) -> Change:
        """Run one hook and give the change it wants; its state is visible to the next hook at once.

        A hook that raises leaves no writes: its change is the report to the owners.
        """
        context = OperationContext(self._daemon, scene, may_run=may_run)
        limit_s = RUNNING_HOOK_TIMEOUT_S if may_run else HOOK_TIMEOUT_S
        try:
            notifications = await within(self._clock, limit_s, _all_told(call(context)))
        except Exception as exc:  # operation code: the bug stays here
            log.exception("operation failed", scene=scene.name, hook=hook)
            return self.report(
                text("hook_bug", self._language, scene=scene.name, hook=hook, error=type(exc).__name__), key=f"bug:{hook}"
            )
        finally:
            await context.aclose()
        own = context.take_change()
        told = [self.change_for(notification, scene.name, scene.route) for notification in notifications]
        return merge(own, *told) if told else own

    def report(self, message: str, key: str, severity: Severity = Severity.URGENT) -> Change:
        """Give the change that tells the owners something about the daemon itself."""
        return self.change_for(Notification(message, key=key, severity=severity), "opsbot", self._owner_route)

    def say(self, message: str, key: str, route: Route) -> Change:
        """Give the change that tells somebody something about the daemon itself, at once."""
        return self.change_for(Notification(message, key=key, severity=Severity.URGENT), "opsbot", route)

    def change_for(self, notification: Notification, scene: str, route: Route) -> Change:
        """Give the change that one notification makes, under the configured manners."""
        return change_for(
            notification,
            scene=scene,
            route=route,
            notice_id=uuid4().hex,
            now=self._clock.now(),
            group_wait_s=self._manners.group_wait_s,
            repeat_minutes=self._manners.repeat_minutes,
        )

    async def tell(
        self, scene: Scene, hook: str, call: Callable[[OperationContext], Hook], *, also: Change | None = None
    ) -> None:
        """Run one hook that stands alone (a timer, a start) and commit what it told, together with `also`."""
        if hook in ONE_AT_A_TIME:
            async with self.turn:
                await self.commit(merge(also or Change(), await self.change_from(scene, hook, call)))
        else:
            await self.commit(merge(also or Change(), await self.change_from(scene, hook, call, may_run=True)))

    async def commit(self, change: Change) -> None:
        """Make a change durable and wake whoever sends."""
        if not change:
            return
        await self._store.commit(change)
        self._daemon.committed(change)
        self._wake()

    async def commit_delivery(self, delivery: Delivery, also: Change) -> int:
        """Make one delivery durable together with another change; gives the delivery's id."""
        (delivery_id,) = await self._store.commit(merge(also, Change(deliveries=(delivery,))))
        self._daemon.committed(also)
        self._wake()
        return delivery_id

    @property
    def _language(self) -> Language:
        return self._daemon.language


def _checked(notification: object) -> Notification:
    """Refuse what is no notification here, where the bug can be told: the outbox could not store it."""
    if not isinstance(notification, Notification):
        raise TypeError(f"a hook tells Notifications, not {type(notification).__name__}")
    if not isinstance(notification.content, Output):
        raise TypeError(
            f"a notification's content is str, Image, File, QrCode or Markdown, not {type(notification.content).__name__}"
        )
    return notification


async def _all_told(result: Hook) -> list[Notification]:
    return [_checked(notification) async for notification in _told(result)]


async def _told(result: Hook) -> AsyncIterator[Notification]:
    """Go over what a hook told, whether it returned or yielded."""
    if inspect.isasyncgen(result) or isinstance(result, AsyncIterator):
        async for notification in result:
            yield notification
        return
    told = await result if isinstance(result, Awaitable) else result
    if told is None:
        return
    for notification in (told,) if isinstance(told, Notification) else told:
        yield notification
