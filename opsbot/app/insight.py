"""What the daemon shows of itself: health, states, metrics."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from opsbot.adapters.channels.local.status import PartState as ShownPart
from opsbot.adapters.channels.local.status import StatusSnapshot
from opsbot.app.metrics import metrics_text
from opsbot.app.remark import remarks
from opsbot.core.catalogue import Language
from opsbot.core.context import Part, PartState
from opsbot.pipeline.link import Link
from opsbot.pipeline.watch import Watch


@dataclass(slots=True)
class Insight:
    """A view of the running daemon for the page, the `status` command, `/healthz` and `/metrics`.

    `kinds` says what each source is.
    """

    name: str
    parts: Callable[[], Sequence[Part]]
    language: Language = "en"
    kinds: Mapping[str, str] = field(default_factory=dict)
    links: Sequence[Link] = ()
    watches: Mapping[str, Watch] = field(default_factory=dict)
    ready: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def shown_parts(self) -> Sequence[Part]:
        """Give all parts; what is worth a word about a source stands in its detail."""
        return [self._with_remarks(part) for part in self.parts()]

    def _with_remarks(self, part: Part) -> Part:
        watch = self.watches.get(part.name) if part.kind == "source" else None
        remark = remarks(watch.standing(), self.language) if watch is not None else ""
        return replace(part, detail=", ".join(filter(None, [part.detail, remark]))) if remark else part

    def snapshot(self) -> StatusSnapshot:
        """Give the state of all parts at this moment."""
        parts = self.shown_parts()
        return StatusSnapshot(
            ready=self.ready,
            word=self._word(parts),
            channels=tuple(_shown(part, self._kind_of(part.name)) for part in parts if part.kind == "channel"),
            sources=tuple(_shown(part, self.kinds.get(part.name, part.kind)) for part in parts if part.kind == "source"),
            login={link.name: link.scan_payload for link in self.links if link.scan_payload},
        )

    def _word(self, parts: Sequence[Part]) -> str:
        if not self.ready:
            return "starting"
        is_out = any(link.channel.capabilities.has_account and link.logged_in_at is None for link in self.links)
        return "degraded" if is_out or any(part.state != PartState.RUNNING for part in parts) else "ok"

    def _kind_of(self, channel: str) -> str:
        return next((link.kind for link in self.links if link.name == channel), "channel")

    def metrics(self) -> str:
        """Write Prometheus text."""
        return metrics_text(self.name, self.parts(), self.links, self.counts, self.watches)


def _shown(part: Part, kind: str) -> ShownPart:
    return ShownPart(name=part.name, kind=kind, state=part.state, since=part.since_at, detail=part.detail)
