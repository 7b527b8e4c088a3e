"""A store in memory, without a thread."""

import asyncio
import copy
import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Self

from opsbot.core.change import Alert, Change, Job, JobState, Json, Recovered, Timer
from opsbot.core.delivery import Delivery
from opsbot.core.log import Checkpoint
from opsbot.testing.outbox import FakeOutbox


class FakeStore:
    """Keeps what the promise of `Store` says; a daemon that is restarted in a test gets the same one again.

    Tests may look at everything: `outbox.deliveries`, `state`, `jobs`.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self.outbox = FakeOutbox()
        self.state: dict[str, dict[str, Json]] = {}
        self.jobs: dict[str, Job] = {}
        self.seen: dict[str, datetime] = {}
        self._checkpoints: dict[tuple[str, int, int], Checkpoint] = {}
        self._timers: dict[tuple[str, str], Timer] = {}
        self._alerts: dict[tuple[str, str], Alert] = {}

    async def __aenter__(self) -> Self:
        """Do nothing: there is nothing to open."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Do nothing: there is nothing to close."""

    async def recover(self, now: datetime) -> Recovered:
        """See `Store.recover`."""
        await asyncio.sleep(0)
        self.outbox.land()
        running = sorted((job for job in self.jobs.values() if job.state is JobState.RUNNING), key=_age)
        interrupted = tuple(replace(job, state=JobState.INTERRUPTED, ended_at=now) for job in running)
        self.jobs |= {job.job_id: job for job in interrupted}
        return Recovered(copy.deepcopy(self.state), tuple(self._sorted_timers()), tuple(self._sorted_alerts()), interrupted)

    async def checkpoints(self, source: str) -> Sequence[Checkpoint]:
        """See `Store.checkpoints`."""
        await asyncio.sleep(0)
        return [checkpoint for checkpoint in self._checkpoints.values() if checkpoint.source == source]

    async def commit(self, change: Change) -> Sequence[int]:
        """See `Store.commit`."""
        await asyncio.sleep(0)
        _check(change)
        for key in change.forgotten:
            self._checkpoints.pop(key, None)
        self._checkpoints |= {(one.source, one.device, one.inode): one for one in change.checkpoints}
        self._write_state(change)
        for timer in change.timers:
            self._timers.pop((timer.scene, timer.key), None)
            if timer.due_at is not None:
                self._timers[timer.scene, timer.key] = timer
        for matter in change.resolved:
            self._alerts.pop(matter, None)
        for alert in change.alerts:
            if not alert.repeats or (alert.scene, alert.key) in self._alerts:  # a reminder opens nothing again
                self._alerts[alert.scene, alert.key] = alert
        self.jobs |= {job.job_id: job for job in change.jobs}
        return [self.outbox.add(delivery) for delivery in change.deliveries]

    def _write_state(self, change: Change) -> None:
        for write in change.state:
            values = self.state.setdefault(write.scene, {})
            values.pop(write.key, None)
            if write.value is not None:
                values[write.key] = json.loads(json.dumps(write.value))
            if not values:
                del self.state[write.scene]

    async def claim(self, message_key: str, at: datetime, job: Job | None = None) -> bool:
        """See `Store.claim`."""
        await asyncio.sleep(0)
        if message_key in self.seen:
            return False
        self.seen[message_key] = at
        if job is not None:
            self.jobs[job.job_id] = job
        return True

    async def due(self, channel: str, now: datetime, limit: int = 100) -> Sequence[Delivery]:
        """See `Store.due`."""
        await asyncio.sleep(0)
        return self.outbox.due(channel, now)[:limit]

    async def companions(self, first: Delivery, now: datetime) -> Sequence[int]:
        """See `Store.companions`."""
        await asyncio.sleep(0)
        return self.outbox.companions(first, now)

    async def next_due_at(self, channel: str) -> datetime | None:
        """See `Store.next_due_at`."""
        await asyncio.sleep(0)
        return self.outbox.next_due_at(channel)

    async def begin(self, delivery_ids: Sequence[int]) -> None:
        """See `Store.begin`."""
        await asyncio.sleep(0)
        self.outbox.begin(delivery_ids)

    async def settle(self, delivery_ids: Sequence[int], sent_message_id: str = "") -> None:
        """See `Store.settle`."""
        await asyncio.sleep(0)
        self.outbox.settle(delivery_ids, sent_message_id)

    async def postpone(self, delivery_ids: Sequence[int], until: datetime, reason: str, *, maybe_sent: bool) -> None:
        """See `Store.postpone`."""
        await asyncio.sleep(0)
        self.outbox.postpone(delivery_ids, until, reason, maybe_sent=maybe_sent)

    async def fail(self, delivery_ids: Sequence[int], reason: str) -> None:
        """See `Store.fail`."""
        await asyncio.sleep(0)
        self.outbox.fail(delivery_ids, reason)

    async def stuck(self) -> Sequence[Sequence[Delivery]]:
        """See `Store.stuck`."""
        await asyncio.sleep(0)
        return self.outbox.stuck()

    async def start_rank(self, notice_id: str, rank: int, now: datetime) -> None:
        """See `Store.start_rank`."""
        await asyncio.sleep(0)
        self.outbox.start_rank(notice_id, rank, now)

    async def sent_message_id(self, delivery_id: int) -> str:
        """See `Store.sent_message_id`."""
        await asyncio.sleep(0)
        return self.outbox.sent_message_id(delivery_id)

    async def alerts(self) -> Sequence[Alert]:
        """See `Store.alerts`."""
        await asyncio.sleep(0)
        return self._sorted_alerts()

    async def timers(self) -> Sequence[Timer]:
        """See `Store.timers`."""
        await asyncio.sleep(0)
        return self._sorted_timers()

    async def prune(self, before: datetime) -> None:
        """See `Store.prune`."""
        await asyncio.sleep(0)
        self.outbox.prune(before)
        self.jobs = {key: job for key, job in self.jobs.items() if job.state is JobState.RUNNING or _ended(job) >= before}
        self.seen = {key: at for key, at in self.seen.items() if at >= before}

    def _sorted_timers(self) -> list[Timer]:
        return sorted(self._timers.values(), key=lambda timer: (timer.due_at, timer.scene, timer.key))

    def _sorted_alerts(self) -> list[Alert]:
        return sorted(self._alerts.values(), key=lambda alert: (alert.opened_at, alert.scene, alert.key))


def _age(job: Job) -> tuple[datetime, str]:
    return job.started_at, job.job_id


def _ended(job: Job) -> datetime:
    return job.ended_at or job.started_at


def _check(value: object) -> None:
    """Refuse what no store can keep, before anything has been changed.

    Raises:
        TypeError: an instant without a time zone, or a value that is no JSON.
    """
    if isinstance(value, datetime) and value.tzinfo is None:
        raise TypeError(f"{value!r} has no time zone")
    if isinstance(value, tuple):
        for item in value:
            _check(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            _check(getattr(value, field.name))
    elif isinstance(value, list | dict):
        json.dumps(value)
