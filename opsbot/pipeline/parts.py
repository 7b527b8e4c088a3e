"""How each part of the daemon does: channels, sources, operations. Said in the log when it changes, and nowhere twice."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from opsbot.core.context import Part, PartState
from opsbot.core.ports import Clock

log = structlog.get_logger(__name__)


class Parts:
    """The states of all parts, by name."""

    def __init__(self, clock: Clock) -> None:
        """Begin with none."""
        self._clock = clock
        self._parts: dict[tuple[str, str], Part] = {}
        self._listeners: list[Callable[[Part], None]] = []

    def listen(self, listener: Callable[[Part], None]) -> None:
        """Call the listener with each part whose state or detail changed."""
        self._listeners.append(listener)

    def set(self, kind: str, name: str, state: str, detail: str = "") -> None:
        """Note a part's state; the same state again changes nothing but the detail."""
        before = self._parts.get((kind, name))
        if before is not None and before.state == state and before.detail == detail:
            return
        if before is not None and before.state == state:
            part = replace(before, detail=detail)
        else:
            part = Part(name, kind, state, self._clock.now(), detail)
            _say(before, part)
        self._parts[kind, name] = part
        for listener in self._listeners:
            listener(part)

    def all(self) -> Sequence[Part]:
        """Give all parts in the order in which they came up."""
        return tuple(self._parts.values())


def _say(before: Part | None, part: Part) -> None:
    """Log a part once when it is lost and once when it is back; STARTING keeps the reason of the loss in its detail."""
    was_away = before is not None and before.state == PartState.STARTING and bool(before.detail)
    if part.state == PartState.BACKOFF and not was_away:
        log.warning("part away", kind=part.kind, name=part.name, reason=part.detail)
    elif part.state == PartState.RUNNING:
        log.info("part running", kind=part.kind, name=part.name, detail=part.detail, was_away=was_away)
    elif part.state == PartState.FATAL:
        log.error("part failed", kind=part.kind, name=part.name, reason=part.detail)
