"""The first line: what a source found becomes events, what operations tell of them becomes durable with the checkpoint."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from opsbot.core.account_record import verify
from opsbot.core.catalogue import text
from opsbot.core.change import Change
from opsbot.core.coverage import Coverage
from opsbot.core.dispatch import merge
from opsbot.core.flood import Flood
from opsbot.core.log import Batch, Checkpoint, Disabled, Hit, LogEvent, Record, Rule, SourceFigures
from opsbot.core.notification import Notification, Severity
from opsbot.core.ports import Clock, Source
from opsbot.core.scene import Scene
from opsbot.pipeline.context import Daemon
from opsbot.pipeline.flood import Floods, Gate
from opsbot.pipeline.gap import Gaps
from opsbot.pipeline.hooks import Hooks

log = structlog.get_logger(__name__)

AT_A_STRETCH = 1000
"""After so many matches that are only counted the others have their turn; that is well under a millisecond …"""
HOOK_WORK = 100
"""… and so are a hundredth as many hooks, if they are quick …"""
STRETCH_S = 0.002
"""… or after so long."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One rule of one scene; its place in the source's rule set is its number."""

    scene: Scene
    rule: Rule


def listeners_of(scenes: Sequence[Scene], source: str) -> tuple[Listener, ...]:
    """Collect the rules of all scenes on a source: together they are the source's one rule set."""
    return tuple(
        Listener(scene, rule)
        for scene in scenes
        if scene.source == source and "on_log" in scene.surface.hooks
        for rule in scene.rules
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a source stands, and what came of it.

    `figures` are those of the source as it is now: it counts from zero after each restart, and is all zeros while it is away.
    The other numbers count on; `suppressed` is by listener.
    """

    figures: SourceFigures
    records: int
    gaps: int
    lost_bytes: int
    suppressed: tuple[int, ...]


class Watch:
    """Consumes one source, again and again as it is restarted."""

    def __init__(
        self, listeners: Sequence[Listener], hooks: Hooks, daemon: Daemon, pair_key: str, *, is_capped: bool = True
    ) -> None:
        """Keep the source's rule set; rule numbers in its batches index `listeners`.

        Without `is_capped` everything reaches the operations, however much it is: for a look at an old log.
        """
        self.listeners = tuple(listeners)
        self._hooks = hooks
        self._daemon = daemon
        self._clock: Clock = daemon.clock
        self._pair_key = pair_key
        self._source: Source | None = None
        self._coverage = Coverage()
        self._records = 0
        self._floods = Floods(hooks, self._clock)
        self._gates = [self._gate(listener) if is_capped else None for listener in self.listeners]
        self._gaps = Gaps(self._floods, hooks, daemon)

    def _gate(self, listener: Listener) -> Gate | None:
        per_minute = listener.rule.per_minute
        if per_minute == 0:
            return None
        flood = Flood() if per_minute is None else Flood(burst=per_minute, per_minute=per_minute)
        return self._floods.gate(flood, partial(self._suppressed, listener))

    def standing(self) -> Standing:
        """Say where the source stands; cheap."""
        return Standing(
            figures=self._source.figures() if self._source is not None else SourceFigures(),
            records=self._records,
            gaps=self._gaps.count,
            lost_bytes=self._gaps.lost_bytes,
            suppressed=tuple(gate.flood.kept_back if gate is not None else 0 for gate in self._gates),
        )

    async def follow(self, source: Source, checkpoints: Sequence[Checkpoint], lives: Callable[[], None]) -> None:
        """Consume a source that was entered until its stream ends; `lives` is called with each batch.

        `checkpoints` are those it was made with: what they cover is not told again, should the source read it again.
        """
        self._source = source
        self._coverage = Coverage(checkpoints)
        try:
            async with asyncio.TaskGroup() as group:
                saying = group.create_task(self._floods.say(), name=f"say:{source.name}")
                async for batch in source.batches():
                    lives()
                    async with self._hooks.turn:
                        await self._hooks.commit(await self.change_from(batch))
                    self._records += len(batch.records)
                saying.cancel()
        finally:
            self._source = None
            await self._floods.say_all()

    async def change_from(self, batch: Batch) -> Change:
        """Run the hooks for a batch, in file order, and join all that follows from it into one change.

        Others have their turn in between.
        """
        now_s = self._clock.monotonic_s()
        changes = [Change(checkpoints=batch.checkpoints, forgotten=tuple((batch.source, *key) for key in batch.forgotten))]
        changes.extend(self._gaps.change_from(batch.source, gap, now_s) for gap in batch.gaps)
        changes.extend(self._give_up(batch.source, disabled) for disabled in batch.disabled)
        work = 0
        for record in batch.records:
            for hit in record.hits if self._coverage.takes(record) else ():
                gate = self._gates[hit.rule]
                work += 1
                if gate is None or gate.passes(now_s):
                    if change := await self._tell(self.listeners[hit.rule], hit, record, batch):
                        changes.append(change)
                    work += HOOK_WORK
                if work >= AT_A_STRETCH or self._clock.monotonic_s() - now_s > STRETCH_S:
                    await asyncio.sleep(0)
                    work, now_s = 0, self._clock.monotonic_s()
        self._coverage.note(batch.checkpoints, batch.forgotten)
        return merge(*changes)

    def _give_up(self, source: str, disabled: Disabled) -> Change:
        listener = self.listeners[disabled.rule]
        log.warning("rule_disabled", source=source, scene=listener.scene.name, rule=listener.rule.name, reason=disabled.reason)
        said = text("rule_disabled", self._daemon.language, rule=listener.rule.name, source=source, reason=disabled.reason)
        return self._hooks.report(said, key=f"rule:{listener.scene.name}:{listener.rule.name}")

    def _suppressed(self, listener: Listener, count: int, seconds: int, _lost_bytes: int) -> Change:
        scene, rule = listener.scene, listener.rule.name
        log.warning("rule_flooded", source=scene.source, scene=scene.name, rule=rule, suppressed=count, seconds=seconds)
        said = text("suppressed", self._daemon.language, rule=rule, source=scene.source, n=count, seconds=seconds)
        notification = Notification(said, key=f"flood:{rule}", severity=Severity.IMPORTANT)
        return self._hooks.change_for(notification, scene.name, scene.route)

    async def _tell(self, listener: Listener, hit: Hit, record: Record, batch: Batch) -> Change:
        signed = verify(record.text, self._pair_key, self._clock.now())
        event = LogEvent(
            source=batch.source,
            rule=listener.rule,
            text=record.text,
            groups=hit.groups,
            fields=_fields(record.text),
            observed_at=batch.observed_at,
            path=record.path,
            signed_by=signed.name if signed else "",
            signed_ms=signed.at_ms if signed else 0,
            checkpoint=record.checkpoint,
        )
        operation = listener.scene.operation
        return await self._hooks.change_from(listener.scene, "on_log", lambda context: operation.on_log(context, event))


def _fields(record: str) -> Mapping[str, object]:
    if not record.startswith("{"):
        return {}
    try:
        value = json.loads(record)
    except (ValueError, RecursionError):  # anybody may have written the line
        return {}
    return value if isinstance(value, dict) else {}
