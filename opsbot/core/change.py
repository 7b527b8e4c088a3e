"""What is committed together: one Change is one transaction of the store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from opsbot.core.chat import Chat
from opsbot.core.delivery import Delivery
from opsbot.core.log import Checkpoint

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class StateWrite:
    """One value of a scene's state; `value` None deletes the key."""

    scene: str
    key: str
    value: Json


@dataclass(frozen=True, slots=True)
class Timer:
    """A durable timer: fires `on_timer(key)` of the scene at `due_at`, also after a restart. None clears it."""

    scene: str
    key: str
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A matter that stays open until it is resolved or acknowledged, and is repeated meanwhile.

    `repeats` counts the reminders that were sent; `next_at` None means that no more are due (acknowledged). Committing an
    alert with `repeats` > 0 changes one that is open and opens none: it may have been resolved meanwhile.
    """

    scene: str
    key: str
    reminder: str
    opened_at: datetime
    next_at: datetime | None
    repeats: int = 0
    acknowledged_by: str = ""


class JobState(StrEnum):
    """How a job stands; INTERRUPTED is a job that was running when the daemon died."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A command being carried out, or what is left of one after a restart."""

    job_id: str
    message_key: str
    person: str
    chat: Chat
    scene: str
    text: str
    started_at: datetime
    state: JobState = JobState.RUNNING
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Everything that one step wants to be durable, all of it or nothing.

    A delivery with `supersedes` drops what has not left yet under the same (chat, scene, key) in the same transaction.
    `resolved` names alerts (scene, key) that are closed.
    """

    checkpoints: tuple[Checkpoint, ...] = ()
    forgotten: tuple[tuple[str, int, int], ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    state: tuple[StateWrite, ...] = ()
    timers: tuple[Timer, ...] = ()
    alerts: tuple[Alert, ...] = ()
    resolved: tuple[tuple[str, str], ...] = ()
    jobs: tuple[Job, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is anything to commit."""
        return any(getattr(self, name) for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the store knew when it was opened: the daemon goes on from here."""

    state: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    timers: tuple[Timer, ...] = ()
    alerts: tuple[Alert, ...] = ()
    interrupted: tuple[Job, ...] = ()
