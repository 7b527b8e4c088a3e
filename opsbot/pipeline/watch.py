"""The first line: what a source found becomes events, what operations tell of them becomes durable with the checkpoint."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from opsbot.core.account_record import verify
from opsbot.core.catalogue import text
from opsbot.core.change import Change
from opsbot.core.dispatch import merge
from opsbot.core.log import Batch, Disabled, Hit, LogEvent, Record, Rule
from opsbot.core.ports import Clock
from opsbot.core.scene import Scene
from opsbot.pipeline.context import Daemon
from opsbot.pipeline.hooks import Hooks

log = structlog.get_logger(__name__)


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


class Watch:
    """Consumes one source."""

    def __init__(self, listeners: Sequence[Listener], hooks: Hooks, daemon: Daemon, pair_key: str) -> None:
        """Keep the source's rule set; rule numbers in its batches index `listeners`."""
        self._listeners = listeners
        self._hooks = hooks
        self._daemon = daemon
        self._clock: Clock = daemon.clock
        self._pair_key = pair_key

    async def change_from(self, batch: Batch) -> Change:
        """Run the hooks for a batch, in file order, and join all that follows from it into one change."""
        changes = [Change(checkpoints=batch.checkpoints, forgotten=tuple((batch.source, *key) for key in batch.forgotten))]
        for gap in batch.gaps:
            log.warning("log gap", source=batch.source, path=gap.path, reason=gap.reason, lost_bytes=gap.lost_bytes)
            said = text("gap", self._daemon.language, path=gap.path, reason=gap.reason)
            changes.append(self._hooks.report(said, key=f"gap:{gap.path}"))
        changes.extend(self._give_up(batch.source, disabled) for disabled in batch.disabled)
        for record in batch.records:
            changes.extend([await self._tell(self._listeners[hit.rule], hit, record, batch) for hit in record.hits])
        return merge(*changes)

    def _give_up(self, source: str, disabled: Disabled) -> Change:
        listener = self._listeners[disabled.rule]
        log.warning("rule_disabled", source=source, scene=listener.scene.name, rule=listener.rule.name, reason=disabled.reason)
        said = text("rule_disabled", self._daemon.language, rule=listener.rule.name, source=source, reason=disabled.reason)
        return self._hooks.report(said, key=f"rule:{listener.scene.name}:{listener.rule.name}")

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
