"""What the app tells the local channel about the rest of the daemon, and how."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """How one channel or source stands.

    `state` is the supervisor's word (RUNNING, BACKOFF …), `detail` the reason an operator reads; `since` is aware UTC.
    """

    name: str
    kind: str
    state: str
    since: datetime | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSnapshot:
    """How the daemon stands at one moment.

    `word` is the one word that anybody may read. `login` holds, per channel that waits for a login, the text inside the
    login code: a secret, drawn for owners only and never sent as text.
    """

    ready: bool
    word: str
    channels: tuple[PartState, ...] = ()
    sources: tuple[PartState, ...] = ()
    login: Mapping[str, str] = field(default_factory=dict)


class StatusProvider(Protocol):
    """Knows how the daemon stands."""

    def snapshot(self) -> StatusSnapshot:
        """Give the state of all parts, from memory: it is called every few seconds per open page."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Insight:
    """Where the page, the health check and the metrics get what they show.

    `metrics` gives Prometheus text, from memory. `render_qr` draws a PNG; it may block and is called in a thread.
    """

    status: StatusProvider
    metrics: Callable[[], str]
    render_qr: Callable[[str], bytes]
