"""One daemon on fakes: the real pipelines, put together as the house puts them together."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.core.access import Access
from opsbot.core.catalogue import Language, text
from opsbot.core.context import PartState
from opsbot.core.output import File
from opsbot.core.redact import Redactor
from opsbot.core.scene import Route, Scene
from opsbot.pipeline.account import AccountKeeper
from opsbot.pipeline.context import Daemon
from opsbot.pipeline.hooks import Manners
from opsbot.pipeline.job import Jobs
from opsbot.pipeline.link import Link
from opsbot.pipeline.notify import Notifier
from opsbot.pipeline.parts import Parts
from opsbot.pipeline.rendering import Renderer
from opsbot.pipeline.schedule import Schedule
from opsbot.pipeline.supervise import Attempt, supervise
from opsbot.pipeline.watch import Watch, listeners_of
from opsbot.testing.channel import FakeChannel
from opsbot.testing.clock import FakeClock
from opsbot.testing.journal import HeardAsks, HeardHooks, HeardObey, Journal
from opsbot.testing.runner import FakeRunner
from opsbot.testing.source import FakeLog, FakeSource
from opsbot.testing.store import FakeStore


class FakeQr:
    """Draws no picture: the bytes are the payload, so that a test can see what would have been drawn."""

    def png(self, payload: str) -> bytes:
        """See `QrRenderer.png`."""
        return f"PNG of {payload}".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is there when a daemon starts, and what is left when it has ended."""

    scenes: Mapping[str, Scene]
    access: Access
    owner_route: Route
    channels: Sequence[FakeChannel]
    logs: Mapping[str, FakeLog]
    clock: FakeClock
    runner: FakeRunner
    store: FakeStore
    journal: Journal
    manners: Manners
    language: Language
    secrets: Sequence[str]
    pair_key: str
    bot_name: str
    own_pid: int


class Stage:
    """One life of a daemon."""

    def __init__(self, world: World) -> None:
        """Put the parts together; nothing runs before `play`."""
        self._world = world
        self._ids = itertools.count(len(world.store.jobs) + 1)
        self.parts = Parts(world.clock)
        self.links = tuple(Link(channel, "fake") for channel in world.channels)
        self.asks = HeardAsks()
        self._daemon = Daemon(
            name=world.bot_name,
            language=world.language,
            clock=world.clock,
            runner=world.runner,
            own_pid=world.own_pid,
            parts=self.parts.all,
            tail=self._tail,
        )
        renderer = Renderer(FakeQr(), Redactor(world.secrets), world.language)
        self._notifier = Notifier(self.links, world.store, renderer, self._daemon, world.manners, jitter=lambda: 0.0)
        self._hooks = HeardHooks(self._daemon, world.store, world.clock, world.manners, world.owner_route, self._notifier.wake)
        self._hooks.journal = world.journal
        self._schedule = Schedule(world.scenes, self._hooks, world.store, world.clock, world.manners)
        self._daemon.committed = self._schedule.committed
        self._daemon.alerts = lambda: [f"{alert.scene} {alert.key}" for alert in self._schedule.alerts()]
        self._keeper = AccountKeeper(None, self._hooks, self._daemon, self.parts)
        scenes = tuple(world.scenes.values())
        self._watches = {
            name: Watch(listeners_of(scenes, name), self._hooks, self._daemon, world.pair_key) for name in world.logs
        }
        self.ready = asyncio.Event()

    async def play(self) -> None:
        """Run until cancelled; `ready` is set once everything is up."""
        world = self._world
        async with asyncio.TaskGroup() as group:
            jobs = Jobs(group, self._hooks, world.clock, world.language, new_id=lambda: f"job-{next(self._ids)}")
            self._obey = HeardObey(world.scenes, world.access, world.store, self._hooks, self._daemon, jobs, self.asks)
            self._obey.journal = world.journal
            await self._recover()
            for link in self.links:
                self._spawn(group, "channel", link.name, partial(self._serve_channel, link))
            for source, log in world.logs.items():
                self._spawn(group, "source", source, partial(self._serve_source, source, log))
            group.create_task(self._notifier.notify(), name="notify:outbox")
            for scene in world.scenes.values():
                if "on_start" in scene.surface.hooks:
                    await self._hooks.tell(scene, "on_start", scene.operation.on_start)
            group.create_task(self._schedule.fire(), name="fire:schedule")
            self.ready.set()

    async def end(self) -> None:
        """Call the operations' `on_stop`, as an orderly end does before the tasks are cancelled."""
        for scene in self._world.scenes.values():
            if "on_stop" in scene.surface.hooks:
                await scene.operation.on_stop()

    async def _recover(self) -> None:
        world = self._world
        recovered = await world.store.recover(world.clock.now())
        self._daemon.state = {scene: dict(values) for scene, values in recovered.state.items()}
        self._schedule.start(recovered.timers, recovered.alerts)
        for job in recovered.interrupted:
            said = text("interrupted", world.language, text=job.text)
            await self._hooks.commit(self._hooks.say(said, f"interrupted:{job.job_id}", Route(tell=(job.chat,))))

    def _spawn(self, group: asyncio.TaskGroup, kind: str, name: str, serve: Callable[[Attempt], Awaitable[None]]) -> None:
        supervised = supervise(kind, name, serve, clock=self._world.clock, parts=self.parts, jitter=lambda: 0.0)
        group.create_task(supervised, name=f"supervise:{name}")

    async def _serve_channel(self, link: Link, attempt: Attempt) -> None:
        try:
            async with link.channel, asyncio.TaskGroup() as group:
                link.connected()
                self.parts.set("channel", link.name, PartState.RUNNING)
                group.create_task(self._keeper.follow(link, attempt.lives), name=f"follow:{link.name}")
                async for message in link.channel.messages():
                    attempt.lives()
                    await self._obey.hear(link, message)
        finally:
            link.lost()

    async def _serve_source(self, name: str, log: FakeLog, attempt: Attempt) -> None:
        world, watch = self._world, self._watches[name]
        matcher = RegexMatcher([listener.rule for listener in watch.listeners])
        checkpoints = await world.store.checkpoints(name)
        async with FakeSource(name, log, matcher, checkpoints, world.clock) as source:
            self.parts.set("source", name, PartState.RUNNING)
            await watch.follow(source, checkpoints, attempt.lives)

    async def _tail(self, source: str, limit_bytes: int) -> File:
        return File(f"{source}.log.txt", self._world.logs[source].content[-limit_bytes:], media_type="text/plain; charset=utf-8")
