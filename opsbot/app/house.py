"""All parts of one daemon, put together: reads down as start-up; the stack around it reads up as shutdown."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import structlog

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.journal.account_log import AccountLogFile
from opsbot.adapters.process.runner import ProcessRunner
from opsbot.adapters.rendering.qr import QrPng
from opsbot.adapters.sources.tail import read_tail
from opsbot.adapters.stores.sqlite import SqliteStore
from opsbot.app.channels import Surroundings, link_of
from opsbot.app.insight import Insight
from opsbot.app.outage import Alarm, Outage
from opsbot.app.own_file import OwnFiles
from opsbot.app.preparation import prepare
from opsbot.app.scenes import Cast, access_of, owner_route
from opsbot.app.sources import make_source
from opsbot.app.web import serve_pages
from opsbot.config.model import Configuration
from opsbot.core.access import Access
from opsbot.core.catalogue import text
from opsbot.core.change import Job
from opsbot.core.context import Part, PartState
from opsbot.core.errors import ChannelUnavailableError, CommandError
from opsbot.core.output import File
from opsbot.core.redact import Redactor
from opsbot.core.scene import Route, Scene
from opsbot.core.store import Store
from opsbot.pipeline.account import AccountKeeper
from opsbot.pipeline.ask import Asks
from opsbot.pipeline.context import Daemon
from opsbot.pipeline.hooks import Hooks, Manners
from opsbot.pipeline.job import Jobs
from opsbot.pipeline.notify import Notifier
from opsbot.pipeline.obey import Obey
from opsbot.pipeline.parts import Parts
from opsbot.pipeline.rendering import Renderer
from opsbot.pipeline.schedule import Schedule
from opsbot.pipeline.supervise import Attempt, supervise
from opsbot.pipeline.watch import Watch, listeners_of

if TYPE_CHECKING:
    from opsbot.adapters.channels.local import LocalChannel

log = structlog.get_logger(__name__)

KEEP_DAYS = 14
PRUNE_EVERY_S = 86_400.0
CATCH_UP_S = 2.0
LOGS_OPEN_WITHIN_S = 3.0
"""So long `ready` waits for the logs: one on a disk that hangs must not keep the bot from speaking."""

FOLLOW_TO_END_S = 1.0
STOP_HOOK_TIMEOUT_S = 5.0


@asynccontextmanager
async def open_house(configuration: Configuration, outage: Outage | None = None) -> AsyncIterator["House"]:
    """Open the store, put the parts together, serve the pages; all tasks end with the context.

    `outage` is what it has to start over after.

    Raises:
        ConfigError: the operations do not fit the configuration.
        StateError: the state cannot be used, or a port is taken.
    """
    access = access_of(configuration)
    cast = await asyncio.to_thread(prepare, configuration, access)
    async with SqliteStore(configuration.state_dir / "opsbot.db") as store, asyncio.TaskGroup() as group:
        house = House(configuration, access, cast, store, group, outage)
        async with serve_pages(configuration, house.links) as pages:
            house.pages = pages
            yield house


class House:
    """The parts of one daemon and how they know each other."""

    def __init__(
        self,
        configuration: Configuration,
        access: Access,
        cast: Cast,
        store: Store,
        group: asyncio.TaskGroup,
        outage: Outage | None = None,
    ) -> None:
        """Put everything together; nothing runs before `start`."""
        clock = SystemClock()
        qr = QrPng()
        notifications = configuration.notifications
        manners = Manners(
            notifications.group_wait_s,
            notifications.repeat_minutes,
            notifications.per_chat_per_minute,
            notifications.fallback_after_s,
        )
        self.configuration, self.cast, self._store, self._group, self._clock = configuration, cast, store, group, clock
        self.pages: dict[str, str] = {}
        self.parts = Parts(clock)
        self._opening = {name: asyncio.Event() for name, source in configuration.sources.items() if source.path is not None}
        self.parts.listen(self._note_source)
        self.insight = Insight(
            configuration.name,
            self.parts.all,
            configuration.language,
            kinds={name: source.kind for name, source in configuration.sources.items()},
        )
        surroundings = Surroundings(configuration, access, clock, qr, self.insight)
        self.links = tuple(link_of(name, surroundings) for name in configuration.channels)
        self.insight.links = self.links
        self._redactor = Redactor(configuration.secrets())
        self._daemon = Daemon(
            name=configuration.name,
            language=configuration.language,
            clock=clock,
            runner=ProcessRunner(os.environ, language=configuration.language),
            own_pid=os.getpid(),
            parts=self.insight.shown_parts,
            tail=self._tail,
        )
        self._notifier = Notifier(self.links, store, Renderer(qr, self._redactor, configuration.language), self._daemon, manners)
        route = owner_route(configuration, access)
        self._hooks = Hooks(self._daemon, store, clock, manners, route, self._notifier.wake)
        self._alarm = Alarm(outage, configuration.name, configuration.language, self.links, route, clock)
        self._schedule = Schedule(cast.scenes, self._hooks, store, clock, manners)
        self._daemon.committed = self._schedule.committed
        self._daemon.alerts = self._alert_lines
        self._watches = {
            name: Watch(listeners_of(tuple(cast.scenes.values()), name), self._hooks, self._daemon, self._pair_key())
            for name in configuration.sources
        }
        self.insight.watches = self._watches
        jobs = Jobs(group, self._hooks, clock, configuration.language, new_id=lambda: uuid4().hex[:8])
        self._obey = Obey(cast.scenes, access, store, self._hooks, self._daemon, jobs, Asks())
        self._own = OwnFiles(configuration.state_dir, configuration.log.file)
        self._account_log = self._make_account_log()
        self._keeper = AccountKeeper(self._account_log, self._hooks, self._daemon, self.parts)

    async def start(self) -> None:
        """Take over what the last run left, then start every part."""
        recovered = await self._store.recover(self._clock.now())
        self._daemon.state = {scene: dict(values) for scene, values in recovered.state.items()}
        self._schedule.start(recovered.timers, recovered.alerts)
        await self._hooks.commit(self._alarm.all_clear(self._hooks))
        await self._tell_interrupted(recovered.interrupted)
        await self._tell_load_failures()
        if self._account_log is not None:
            await asyncio.to_thread(self._account_log.prepare)
        for link in self.links:
            self._spawn("channel", link.name, partial(self._serve_channel, link.name))
        for source in self.configuration.sources:
            self._spawn("source", source, partial(self._serve_source, source))
        self._keep_on("notify:outbox", self._notifier.notify())
        self._keep_on("start:operations", self._start_operations())
        self._keep_on("fire:schedule", self._fire_schedule())
        self._keep_on("prune:store", self._prune())
        await self._wait_for_pages()
        await self._wait_for_logs()
        self.insight.ready = True

    async def _start_operations(self) -> None:
        for scene in self.cast.scenes.values():
            if "on_start" in scene.surface.hooks:
                await self._hooks.tell(scene, "on_start", scene.operation.on_start)

    async def _fire_schedule(self) -> None:
        """Let the logs be caught up with first: what a timer asks about may be answered in a line not read yet."""
        await self._clock.sleep(CATCH_UP_S)
        await self._schedule.fire()

    async def _prune(self) -> None:
        """Forget what is settled and old, again and again."""
        while True:
            await self._store.prune(self._clock.now() - timedelta(days=KEEP_DAYS))
            await self._clock.sleep(PRUNE_EVERY_S)

    async def _wait_for_pages(self) -> None:
        """Wait until the local pages can be used: a person is about to open them."""
        for link in self.links:
            if link.name in self.pages:
                await link.sendable.wait()

    async def _wait_for_logs(self) -> None:
        """Wait until it is known where each log begins: what is written once we said `ready` is not missed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOGS_OPEN_WITHIN_S):
                for opened in self._opening.values():
                    await opened.wait()

    def _note_source(self, part: Part) -> None:
        if part.kind == "source" and part.name in self._opening and part.state != PartState.STARTING:
            self._opening[part.name].set()

    async def close(self) -> None:
        """End the operations; the parts end with the task group."""
        self.insight.ready = False
        for scene in self.cast.scenes.values():
            if "on_stop" in scene.surface.hooks:
                await _stop(scene)

    def personal_links(self, channel: str) -> list[tuple[str, str]]:
        """Give, per person on a local channel, the address that lets them in; it holds their token."""
        local = cast("LocalChannel", next(link.channel for link in self.links if link.name == channel))
        ids = [(name, person.ids[channel]) for name, person in self.configuration.people.items() if channel in person.ids]
        return [(name, local.link(self.pages[channel], local_id)) for name, local_id in ids]

    def _spawn(self, kind: str, name: str, serve: Callable[[Attempt], Awaitable[None]]) -> None:
        self._keep_on(f"supervise:{name}", supervise(kind, name, serve, clock=self._clock, parts=self.parts))

    def _keep_on(self, name: str, work: Coroutine[None, None, None]) -> None:
        self._group.create_task(self._alarm.watching(work), name=name)

    async def _serve_channel(self, name: str, attempt: Attempt) -> None:
        link = next(link for link in self.links if link.name == name)
        try:
            async with link.channel, asyncio.TaskGroup() as group:
                link.connected()
                self.parts.set("channel", name, PartState.RUNNING)
                following = group.create_task(self._keeper.follow(link, attempt.lives), name=f"follow:{name}")
                try:
                    async for message in link.channel.messages():
                        attempt.lives()
                        self.insight.counts["message"] += 1
                        await self._obey.hear(link, message)
                except ChannelUnavailableError:
                    # A logout that came just before the loss is what the partner must read.
                    await asyncio.wait({following}, timeout=FOLLOW_TO_END_S)
                    raise
        finally:
            link.lost()

    async def _serve_source(self, name: str, attempt: Attempt) -> None:
        watch = self._watches[name]
        rules = [listener.rule for listener in watch.listeners]
        checkpoints = await self._store.checkpoints(name)
        runner, own = self._daemon.runner, self._own
        async with await make_source(name, self.configuration, rules, checkpoints, runner, self._clock, own) as source:
            self.parts.set("source", name, PartState.RUNNING)
            await watch.follow(source, checkpoints, attempt.lives)

    def _make_account_log(self) -> AccountLogFile | None:
        settings = self.configuration.log
        if settings.file is None:
            return None
        name, pair_key = self.configuration.name, self._pair_key()
        return AccountLogFile(settings.file, settings.format, name=name, pair_key=pair_key, note=self._own.note)

    def _pair_key(self) -> str:
        pair_key = self.configuration.pair_key
        return pair_key.get_secret_value() if pair_key else ""

    async def _tail(self, source: str, limit_bytes: int) -> File:
        settings = self.configuration.sources[source]
        if settings.path is None:
            raise CommandError(text("log_elsewhere", self.configuration.language, source=source))
        try:
            name, content = await asyncio.to_thread(read_tail, str(settings.path), limit_bytes, settings.encoding, self._own.has)
        except OSError as exc:
            raise CommandError(f"{source}: {exc.strerror or 'there is no such file now'}") from exc
        masked = await asyncio.to_thread(self._redactor.mask, content)
        return File(f"{name}.txt", masked.encode(), media_type="text/plain; charset=utf-8")

    def _alert_lines(self) -> list[str]:
        return [f"{alert.scene} {alert.key} {alert.opened_at:%Y-%m-%d %H:%M}Z" for alert in self._schedule.alerts()]

    async def _tell_interrupted(self, jobs: Sequence[Job]) -> None:
        """Tell those whose command was running when the daemon died; an operation that foresaw it speaks for itself."""
        for job in jobs:
            said = text("interrupted", self.configuration.language, text=job.text)
            route = Route(tell=(job.chat,))
            await self._hooks.commit(self._hooks.say(said, key=f"interrupted:{job.job_id}", route=route))

    async def _tell_load_failures(self) -> None:
        for problem in self.cast.load_failures:
            log.error("operation not loaded", problem=str(problem))
            self.parts.set("operation", problem.key, PartState.FATAL, problem.reason)
        if self.cast.load_failures:
            problems = "\n".join(str(problem) for problem in self.cast.load_failures)
            said = text("load_failed", self.configuration.language, problems=problems)
            await self._hooks.commit(self._hooks.report(said, key="load"))


async def _stop(scene: Scene) -> None:
    try:
        async with asyncio.timeout(STOP_HOOK_TIMEOUT_S):
            await scene.operation.on_stop()
    except Exception:  # operation code: the stop goes on
        log.exception("operation failed", scene=scene.name, hook="on_stop")
