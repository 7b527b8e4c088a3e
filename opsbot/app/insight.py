"""What the daemon shows of itself: health, states, metrics."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from opsbot.adapters.channels.local.status import PartState as ShownPart
from opsbot.adapters.channels.local.status import StatusSnapshot
from opsbot.core.context import Part, PartState
from opsbot.pipeline.link import Link


@dataclass(slots=True)
class Insight:
    """A view of the running daemon for the page, `/healthz` and `/metrics`."""

    name: str
    parts: Callable[[], Sequence[Part]]
    links: Sequence[Link] = ()
    ready: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def snapshot(self) -> StatusSnapshot:
        """Give the state of all parts at this moment."""
        parts = self.parts()
        return StatusSnapshot(
            ready=self.ready,
            word=self._word(parts),
            channels=tuple(_shown(part, self._kind_of(part.name)) for part in parts if part.kind == "channel"),
            sources=tuple(_shown(part, "file") for part in parts if part.kind == "source"),
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
        """Write Prometheus text (exposition format 0.0.4)."""
        lines = [
            "# HELP opsbot_part_running 1 while a channel or source does what it is for.",
            "# TYPE opsbot_part_running gauge",
            *(
                f'opsbot_part_running{{bot="{self.name}",kind="{part.kind}",name="{part.name}"}} '
                f"{int(part.state == PartState.RUNNING)}"
                for part in self.parts()
            ),
            "# HELP opsbot_account_logged_in 1 while the account behind a channel is logged in.",
            "# TYPE opsbot_account_logged_in gauge",
            *(
                f'opsbot_account_logged_in{{bot="{self.name}",channel="{link.name}"}} {int(link.logged_in_at is not None)}'
                for link in self.links
                if link.channel.capabilities.has_account
            ),
            "# HELP opsbot_events_total What went through the daemon, by kind.",
            "# TYPE opsbot_events_total counter",
            *(f'opsbot_events_total{{bot="{self.name}",kind="{kind}"}} {count}' for kind, count in sorted(self.counts.items())),
        ]
        return "\n".join(lines) + "\n"


def _shown(part: Part, kind: str) -> ShownPart:
    return ShownPart(name=part.name, kind=kind, state=part.state, since=part.since_at, detail=part.detail)
