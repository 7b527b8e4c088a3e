"""What a scene would have said about an old log: the real operation, rules and pipeline; nobody is told, and nothing is kept."""

import asyncio
import glob
import gzip
import os
import shutil
import tempfile
import zlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.sources.file.source import FileSource
from opsbot.adapters.stores.sqlite import SqliteStore
from opsbot.app.line_number import LineNumbers
from opsbot.app.matching import matcher_for
from opsbot.app.scenes import access_of, cast_of, owner_route
from opsbot.app.stand_in import NoPicture, NoRunner, PatientClock, SimulatedClock
from opsbot.config.model import Configuration
from opsbot.core.account_record import signed_at, verify
from opsbot.core.bundle import Bundle
from opsbot.core.change import Change
from opsbot.core.chat import Capabilities, Chat
from opsbot.core.delivery import Delivery, DeliveryState
from opsbot.core.errors import ConfigError, Problem
from opsbot.core.log import Batch, Record
from opsbot.core.notification import Severity
from opsbot.core.ports import Matcher
from opsbot.core.redact import Redactor
from opsbot.core.scene import Scene
from opsbot.core.store import Store
from opsbot.loader import Loader
from opsbot.pipeline.context import Daemon
from opsbot.pipeline.hooks import Hooks, Manners
from opsbot.pipeline.rendering import Renderer
from opsbot.pipeline.schedule import Schedule
from opsbot.pipeline.watch import Watch, listeners_of

TICK = timedelta(seconds=1)
"""So much later is each record that a rule finds."""
LOOK_AHEAD = timedelta(days=1)
"""So long timers are waited for when the log has ended."""
MOST_TIMERS = 1000
"""So many may fire between two records: one that sets itself again and again must not keep the replay."""
CAPABILITIES = Capabilities(text_limit_chars=100_000, file_limit_bytes=100_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One thing that would have been said, or done.

    `cause` says what led to it: the file, the line and the text of a record, or a timer. `to` are those who would have been told,
    `fallback` those who come next when none of them can be reached; both are empty for a program that would have been run.
    """

    cause: str
    at: datetime
    severity: Severity = Severity.NORMAL
    to: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    text: str


class HeardHooks(Hooks):
    """Hooks whose notifications are heard instead of being sent; state and timers go the real way."""

    heard: Callable[[Sequence[Delivery]], Awaitable[None]]

    async def commit(self, change: Change) -> None:
        """See `Hooks.commit`."""
        await self.heard(change.deliveries)
        await super().commit(replace(change, deliveries=()))


class Replay:
    """One scene that is played before an old log."""

    def __init__(self, configuration: Configuration, scene: Scene, store: Store, show: Callable[[Said], None]) -> None:
        """Put the scene's part of the daemon together; `show` gets what would have been said."""
        self._scene = scene
        self._source = configuration.sources[scene.source]
        self._show = show
        self._names = dict(_names(configuration))
        self._pair_key = configuration.pair_key.get_secret_value() if configuration.pair_key else ""
        self._redactor = Redactor(configuration.secrets())
        self._renderer = Renderer(NoPicture(), self._redactor, configuration.language)
        self._clock = SimulatedClock(SystemClock().now())
        self._cause = "at the start"
        settings = configuration.notifications
        manners = Manners(settings.group_wait_s, settings.repeat_minutes)
        daemon = Daemon(configuration.name, configuration.language, self._clock, NoRunner(self._show_program), os.getpid())
        owners = owner_route(configuration, access_of(configuration))
        self._hooks = HeardHooks(daemon, store, PatientClock(self._clock), manners, owners, lambda: None)
        self._hooks.heard = self._hear
        self._schedule = Schedule({scene.name: scene}, self._hooks, store, self._clock, manners)
        daemon.committed = self._schedule.committed
        listeners = listeners_of((scene,), scene.source)
        self._watch = Watch(listeners, self._hooks, daemon, self._pair_key, is_capped=False)

    def matcher(self) -> Matcher:
        """Compile the rules of the scene. Blocking."""
        rules = [listener.rule for listener in self._watch.listeners]
        return matcher_for(rules, multiline=self._source.records(), encoding=self._source.encoding)

    async def read(self, path: Path, shown_path: str, matcher: Matcher) -> int:
        """Play; gives how many records a rule of the scene found."""
        if "on_start" in self._scene.surface.hooks:
            await self._hooks.tell(self._scene, "on_start", self._scene.operation.on_start)
        source = FileSource(
            self._scene.source,
            glob.escape(str(path)),
            matcher,
            clock=SystemClock(),
            read_from="beginning",
            until="end",
            multiline=self._source.records(),
            encoding=self._source.encoding,
        )
        count = 0
        with await asyncio.to_thread(path.open, "rb") as file:
            lines = LineNumbers(file, self._source.encoding)
            async with source:
                async for batch in source.batches():
                    empty = replace(batch, records=(), checkpoints=(), forgotten=())
                    await self._hooks.commit(await self._watch.change_from(empty))
                    numbers = await asyncio.to_thread(lines.at, [record.offset for record in batch.records])
                    for record, number in zip(batch.records, numbers, strict=True):
                        await self._play(replace(record, path=shown_path), number, batch)
                    count += len(batch.records)
        await self._pass(self._clock.at + LOOK_AHEAD)
        return count

    async def _play(self, record: Record, line: int, batch: Batch) -> None:
        signed = signed_at(record.text)
        if signed is not None and verify(record.text, self._pair_key, signed):
            await self._pass(signed)
        else:
            await self._pass(self._clock.at + TICK)
        self._cause = self._redactor.mask(f"{record.path}:{line}: {record.text}")
        found = replace(batch, records=(record,), checkpoints=(), forgotten=(), gaps=(), disabled=(), observed_at=self._clock.at)
        async with self._hooks.turn:
            await self._hooks.commit(await self._watch.change_from(found))

    async def _pass(self, until: datetime) -> None:
        """Let time pass: timers fire at their time."""
        for _ in range(MOST_TIMERS):
            due_at = self._schedule.next_timer_at()
            if due_at is None or due_at > until:
                break
            self._clock.at = max(self._clock.at, due_at)
            self._cause = "a timer of the scene"
            await self._schedule.fire_timers(self._clock.at)
        self._clock.at = until

    async def _hear(self, deliveries: Sequence[Delivery]) -> None:
        """Show what is said to several as one thing."""
        notices: dict[str, list[Delivery]] = {}
        for delivery in deliveries:
            notices.setdefault(delivery.notice_id.removesuffix("-escalated"), []).append(delivery)
        for said in notices.values():
            waiting = [each for each in said if each.state is DeliveryState.WAITING]
            self._show(
                Said(
                    cause=self._cause,
                    at=self._clock.at,
                    severity=said[0].severity,
                    to=tuple(self._name(each.chat) for each in said if each not in waiting),
                    fallback=tuple(self._name(each.chat) for each in waiting),
                    text=await self._text(said[0]),
                )
            )

    async def _text(self, delivery: Delivery) -> str:
        messages = await self._renderer.render(Bundle((delivery,)), CAPABILITIES, self._clock.at)
        parts = [
            part for each in messages for part in (each.text, f"[{each.attachment.name}]" if each.attachment else "") if part
        ]
        return "\n".join(parts)

    def _name(self, chat: Chat) -> str:
        return self._names.get(chat, f"{chat.chat_id}@{chat.channel}")

    def _show_program(self, text: str) -> None:
        self._show(Said(cause=self._cause, at=self._clock.at, text=self._redactor.mask(text)))


def replay(configuration: Configuration, name: str, path: Path, show: Callable[[Said], None]) -> int:
    """Play a scene before a log, which may be compressed (.gz); gives how many records its rules found. Blocking.

    Raises:
        ConfigError: there is no such scene, it reads no log, or the file cannot be read.
    """
    scene = _scene(configuration, name)

    store = SqliteStore(None)
    played = Replay(configuration, scene, store, show)
    matcher = played.matcher()

    async def play(plain: Path) -> int:
        async with store:
            return await played.read(plain, str(path), matcher)

    with tempfile.TemporaryDirectory(prefix="opsbot-replay-") as folder:
        return asyncio.run(play(_plain(path, Path(folder))))


def _scene(configuration: Configuration, name: str) -> Scene:
    cast = cast_of(configuration, access_of(configuration), Loader(configuration.operation_dirs))
    scene = cast.scenes.get(name)
    at = ("operations", name)
    if scene is None:
        if name in configuration.operations:
            raise ConfigError(*cast.load_failures)
        known = ", ".join(sorted(one.name for one in cast.scenes.values() if "on_log" in one.surface.hooks)) or "none"
        raise ConfigError(
            configuration.document.problem(("operations",), f"there is no scene {name}", f"that read logs: {known}")
        )
    if "on_log" not in scene.surface.hooks:
        raise ConfigError(configuration.document.problem(at, "reads no log, so there is nothing to replay"))
    return scene


def _plain(path: Path, folder: Path) -> Path:
    """Give the file, or its content in the folder when it is compressed."""
    try:
        if path.suffix != ".gz":
            path.open("rb").close()
            return path
        content = folder / "log"
        with gzip.open(path) as compressed, content.open("wb") as plain:
            shutil.copyfileobj(compressed, plain)
    except (OSError, EOFError, zlib.error) as exc:
        raise ConfigError(Problem(str(path), 0, "log", getattr(exc, "strerror", None) or str(exc))) from exc
    return content


def _names(configuration: Configuration) -> Iterator[tuple[Chat, str]]:
    """Name chats as the configuration does."""
    for name, person in configuration.people.items():
        for channel, person_id in person.ids.items():
            yield Chat(channel, person_id), f"{name}@{channel}"
    for name, ids in configuration.rooms.items():
        for channel, room_id in ids.items():
            yield Chat(channel, room_id, is_room=True), f"room:{name}@{channel}"
