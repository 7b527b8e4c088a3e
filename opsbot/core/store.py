"""The port to what the daemon remembers; the others are in `opsbot.core.ports`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from opsbot.core.change import Alert, Change, Job, Recovered, Timer
from opsbot.core.delivery import Delivery
from opsbot.core.log import Checkpoint


class Store(Protocol):
    """The daemon's memory: checkpoints, outbox, state, timers, alerts, jobs, in one database.

    Everything durable goes through `commit`, which is one transaction. Methods may be called concurrently; they are
    carried out one after the other. All raise StateError when the database cannot be used (disk full, corrupt).
    """

    async def recover(self, now: datetime) -> Recovered:
        """Give what the daemon goes on from; jobs that were RUNNING become INTERRUPTED, once."""
        ...

    async def checkpoints(self, source: str) -> Sequence[Checkpoint]:
        """Give the checkpoints of a source."""
        ...

    async def commit(self, change: Change) -> Sequence[int]:
        """Make a change durable, all or nothing; gives the ids of its deliveries, in order."""
        ...

    async def claim(self, message_key: str, at: datetime, job: Job | None = None) -> bool:
        """Remember that a message was seen and store its job with it; False if it was seen before.

        Keys are remembered for at least seven days.
        """
        ...

    async def due(self, channel: str, now: datetime, limit: int = 100) -> Sequence[Delivery]:
        """Give pending deliveries of a channel whose time has come: what somebody waits for first, then the oldest.

        Somebody waits for replies and for what is urgent: a flood of other texts must not hold them up.

        Within a chat a delivery is given only when nothing older of that chat is still pending and due later
        because of a failed attempt (`attempts` > 0): a retry blocks what stands behind it.
        """
        ...

    async def companions(self, first: Delivery, now: datetime) -> Sequence[int]:
        """Give the ids of all due texts of the same chat and scene that may share a message with `first`, itself included.

        Those are texts that are neither replies nor urgent nor edits, and that nobody tried to send yet.
        """
        ...

    async def next_due_at(self, channel: str) -> datetime | None:
        """Say when the next pending delivery of a channel may leave, None if there is none."""
        ...

    async def begin(self, delivery_ids: Sequence[int]) -> None:
        """Note that an attempt begins: `attempts` + 1 and `maybe_sent`, durable before the message leaves."""
        ...

    async def settle(self, delivery_ids: Sequence[int], sent_message_id: str = "") -> None:
        """Note that the messages arrived."""
        ...

    async def postpone(self, delivery_ids: Sequence[int], until: datetime, reason: str, *, maybe_sent: bool) -> None:
        """Note that the attempt failed and when to try again."""
        ...

    async def fail(self, delivery_ids: Sequence[int], reason: str) -> None:
        """Note that the messages never will be accepted."""
        ...

    async def stuck(self) -> Sequence[Sequence[Delivery]]:
        """Give, per notice that still has WAITING fallbacks, all its deliveries."""
        ...

    async def start_rank(self, notice_id: str, rank: int, now: datetime) -> None:
        """Turn the WAITING deliveries of one rank into PENDING ones, created and due now."""
        ...

    async def sent_message_id(self, delivery_id: int) -> str:
        """Give the channel's id of a delivery that was sent, "" otherwise."""
        ...

    async def alerts(self) -> Sequence[Alert]:
        """Give the open alerts."""
        ...

    async def timers(self) -> Sequence[Timer]:
        """Give the timers that are set, soonest first."""
        ...

    async def prune(self, before: datetime) -> None:
        """Forget settled deliveries, ended jobs and message keys older than `before`."""
        ...
