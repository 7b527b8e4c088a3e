"""Tells the owners what of a log could not be read, and how much that was."""

from functools import partial

import structlog

from opsbot.core.catalogue import text
from opsbot.core.change import Change
from opsbot.core.flood import Flood
from opsbot.core.log import Gap
from opsbot.core.notification import Severity
from opsbot.core.size import in_words
from opsbot.pipeline.context import Daemon
from opsbot.pipeline.flood import Floods, Gate
from opsbot.pipeline.hooks import Hooks

log = structlog.get_logger(__name__)

TOLD_EVERY_S = 600.0
"""A log's gap is told at once; those that follow it within so long are told together."""
GATES_KEPT = 1000


class Gaps:
    """The gaps of one source. All of them are logged and counted; per log, those that come thick and fast are told together."""

    def __init__(self, floods: Floods, hooks: Hooks, daemon: Daemon) -> None:
        """Begin with none."""
        self._floods = floods
        self._hooks = hooks
        self._daemon = daemon
        self._gates: dict[str, Gate] = {}
        self._reasons: dict[str, str] = {}
        self.count = 0
        self.lost_bytes = 0

    def change_from(self, source: str, gap: Gap, now_s: float) -> Change:
        """Give the change that tells of a gap now; an empty one when it is told later, with others."""
        log.warning("log gap", source=source, path=gap.path, reason=gap.reason, lost_bytes=gap.lost_bytes)
        self.count += 1
        self.lost_bytes += gap.lost_bytes or 0
        self._reasons[gap.path] = gap.reason
        if not self._gate(gap.path, now_s).passes(now_s, gap.lost_bytes or 0):
            return Change()
        values = {"path": gap.path, "reason": gap.reason, "lost": self._lost(gap.lost_bytes)}
        return self._say(gap.path, text("gap", self._daemon.language, **values))

    def _gate(self, path: str, now_s: float) -> Gate:
        if path not in self._gates:
            if len(self._gates) >= GATES_KEPT:
                self._forget(now_s)
            flood = Flood(burst=1, per_minute=60.0 / TOLD_EVERY_S, say_every_s=TOLD_EVERY_S)
            self._gates[path] = self._floods.gate(flood, partial(self._more, path))
        return self._gates[path]

    def _forget(self, now_s: float) -> None:
        """Drop the logs that had no gap for long; there may be any number of logs over the years."""
        for path in [path for path, gate in self._gates.items() if gate.flood.is_over(now_s)]:
            del self._gates[path], self._reasons[path]

    def _more(self, path: str, count: int, seconds: int, lost_bytes: int) -> Change:
        values = {"path": path, "n": count, "seconds": seconds, "reason": self._reasons[path], "lost": self._lost(lost_bytes)}
        return self._say(path, text("gaps", self._daemon.language, **values))

    def _lost(self, lost_bytes: int | None) -> str:
        if not lost_bytes:
            return text("lost_some", self._daemon.language)
        return text("lost", self._daemon.language, size=in_words(lost_bytes))

    def _say(self, path: str, said: str) -> Change:
        """Tell the owners, not urgently: when a disk dies, a thousand logs have gaps at once, and they share a message."""
        return self._hooks.report(said, key=f"gap:{path}", severity=Severity.IMPORTANT)
