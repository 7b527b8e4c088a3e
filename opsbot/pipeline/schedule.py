"""What happens by itself: durable timers, periodic methods, reminders of open alerts."""

import asyncio
import heapq
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog

from opsbot.core.change import Alert, Change, Timer
from opsbot.core.dispatch import reminded
from opsbot.core.notification import Notification, Severity
from opsbot.core.operation import Hook
from opsbot.core.ports import Clock
from opsbot.core.scene import Scene
from opsbot.core.store import Store
from opsbot.pipeline.context import OperationContext
from opsbot.pipeline.hooks import Hooks, Manners

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 3600.0


class Schedule:
    """Fires what is due."""

    def __init__(self, scenes: Mapping[str, Scene], hooks: Hooks, store: Store, clock: Clock, manners: Manners) -> None:
        """Keep the scenes; `start` hands in what was set before a restart."""
        self._scenes, self._hooks, self._store, self._clock, self._manners = scenes, hooks, store, clock, manners
        self._timers: dict[tuple[str, str], datetime] = {}
        self._periodic: list[tuple[datetime, str, str, timedelta]] = []
        self._alerts: dict[tuple[str, str], Alert] = {}
        self._running: set[tuple[str, str]] = set()
        self._changed = asyncio.Event()

    def start(self, timers: Sequence[Timer], alerts: Sequence[Alert]) -> None:
        """Take over what the store knew, and begin the periods of `@every`."""
        self.timers_changed(timers)
        self._alerts = {(alert.scene, alert.key): alert for alert in alerts}
        now = self._clock.now()
        for scene in self._scenes.values():
            for method, period in scene.surface.periodic.items():
                heapq.heappush(self._periodic, (now + period, scene.name, method, period))

    def timers_changed(self, timers: Sequence[Timer]) -> None:
        """Take over timers that were just committed."""
        for timer in timers:
            if timer.due_at is None:
                self._timers.pop((timer.scene, timer.key), None)
            else:
                self._timers[timer.scene, timer.key] = timer.due_at
        if timers:
            self._changed.set()

    def committed(self, change: Change) -> None:
        """Take note of what a commit changed: timers, and alerts that were opened, resolved or acknowledged."""
        self.timers_changed(change.timers)
        if change.alerts or change.resolved:
            self._changed.set()

    def alerts(self) -> tuple[Alert, ...]:
        """Give the open alerts as last read."""
        return tuple(self._alerts.values())

    async def fire(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                self._alerts = {(alert.scene, alert.key): alert for alert in await self._store.alerts()}
                now = self._clock.now()
                await self.fire_timers(now)
                self._fire_periodic(now, group)
                await self._remind(now)
                if not self._changed.is_set():
                    await self._rest((self._next_at(now) - self._clock.now()).total_seconds())

    def next_timer_at(self) -> datetime | None:
        """Say when the next timer is due, None when none is set."""
        return min(self._timers.values(), default=None)

    async def fire_timers(self, now: datetime) -> None:
        """Fire the timers that are due, soonest first."""
        for (scene_name, key), due_at in sorted(self._timers.items(), key=lambda item: item[1]):
            if due_at > now:
                break
            if self._timers.get((scene_name, key)) != due_at:
                continue  # a hook that ran just now cleared or moved it
            del self._timers[scene_name, key]
            scene = self._scenes.get(scene_name)
            cleared = Change(timers=(Timer(scene_name, key, None),))
            if scene is None or "on_timer" not in scene.surface.hooks:
                await self._hooks.commit(cleared)  # the scene is gone from the configuration
                continue
            await self._hooks.tell(scene, "on_timer", partial(_on_timer, scene, key), also=cleared)

    def _fire_periodic(self, now: datetime, group: asyncio.TaskGroup) -> None:
        """Start what is due in tasks of its own: a program that takes long must not hold up the timers."""
        while self._periodic and self._periodic[0][0] <= now:
            _, scene_name, method, period = heapq.heappop(self._periodic)
            heapq.heappush(self._periodic, (now + period, scene_name, method, period))
            if (scene_name, method) not in self._running:
                self._running.add((scene_name, method))
                group.create_task(self._run_periodic(scene_name, method), name=f"every:{scene_name}.{method}")

    async def _run_periodic(self, scene_name: str, method: str) -> None:
        scene = self._scenes[scene_name]
        try:
            await self._hooks.tell(scene, method, getattr(scene.operation, method))
        finally:
            self._running.discard((scene_name, method))

    async def _remind(self, now: datetime) -> None:
        for alert in list(self._alerts.values()):
            scene = self._scenes.get(alert.scene)
            if alert.next_at is None or alert.next_at > now or scene is None:
                continue
            notification = Notification(alert.reminder, key=f"{alert.key}:reminder", severity=Severity.URGENT, supersedes=True)
            change = self._hooks.change_for(notification, scene.name, scene.route)
            after = reminded(alert, now, self._manners.repeat_minutes)
            await self._hooks.commit(Change(deliveries=change.deliveries, alerts=(after,)))

    def _next_at(self, now: datetime) -> datetime:
        candidates = [now + timedelta(seconds=LOOK_AGAIN_S), *self._timers.values()]
        candidates += [self._periodic[0][0]] if self._periodic else []
        candidates += [
            alert.next_at for alert in self._alerts.values() if alert.next_at is not None and alert.scene in self._scenes
        ]
        return min(candidates)

    async def _rest(self, delay_s: float) -> None:
        async def limit() -> None:
            await self._clock.sleep(delay_s)
            self._changed.set()

        async with asyncio.TaskGroup() as group:
            limiter = group.create_task(limit(), name="schedule:rest")
            await self._changed.wait()
            limiter.cancel()


def _on_timer(scene: Scene, key: str, context: OperationContext) -> Hook:
    return scene.operation.on_timer(context, key)
