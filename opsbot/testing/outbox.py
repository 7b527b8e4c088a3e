"""The outbox of the FakeStore."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from opsbot.core.bundle import is_groupable
from opsbot.core.delivery import Delivery, DeliveryState
from opsbot.core.notification import Severity

OPEN = (DeliveryState.PENDING, DeliveryState.WAITING)


class FakeOutbox:
    """Deliveries by id; `deliveries` holds them all, in the order in which they came."""

    def __init__(self) -> None:
        """Begin empty."""
        self._rows: dict[int, Delivery] = {}
        self._in_flight: set[int] = set()
        self._last_id = 0

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """Everything that ever went into the outbox and was not forgotten."""
        return tuple(replace(one, maybe_sent=True) if one.delivery_id in self._in_flight else one for one in self._rows.values())

    def add(self, delivery: Delivery) -> int:
        """Put a delivery at the end of its chat's queue; what it supersedes is dropped first."""
        self._last_id = number = self._last_id + 1
        row = replace(delivery, delivery_id=number)
        older = [one for one in self._rows.values() if one.delivery_id not in self._in_flight and _is_superseded_by(one, row)]
        for one in older:
            self._drop(one, "superseded")
        if any(not one.edits for one in older):
            self._drop_orphans()
        self._rows[number] = row
        return number

    def due(self, channel: str, now: datetime) -> list[Delivery]:
        """Answer `Store.due`."""
        pending = self._pending(channel)
        blocked: dict[str, int] = {}
        for one in pending:
            if one.attempts and one.not_before > now:
                blocked.setdefault(one.chat.chat_id, one.delivery_id)
        found = [
            one
            for one in pending
            if one.not_before <= now and one.delivery_id < blocked.get(one.chat.chat_id, one.delivery_id + 1)
        ]
        return sorted(found, key=lambda one: (not (one.is_reply or one.severity is Severity.URGENT), one.delivery_id))

    def companions(self, first: Delivery, now: datetime) -> list[int]:
        """Answer `Store.companions`."""
        return [
            one.delivery_id
            for one in self._pending(first.chat.channel)
            if (one.chat, one.scene) == (first.chat, first.scene)
            and is_groupable(one)
            and one.not_before <= now
            and not one.attempts
            and not one.maybe_sent
        ]

    def next_due_at(self, channel: str) -> datetime | None:
        """Answer `Store.next_due_at`: what stands behind a retry leaves no sooner than the retry."""
        retry: dict[str, datetime] = {}
        times: list[datetime] = []
        for one in self._pending(channel):
            times.append(max(one.not_before, retry.get(one.chat.chat_id, one.not_before)))
            if one.attempts:
                retry[one.chat.chat_id] = max(one.not_before, retry.get(one.chat.chat_id, one.not_before))
        return min(times, default=None)

    def _pending(self, channel: str) -> list[Delivery]:
        return [one for one in self.deliveries if one.state is DeliveryState.PENDING and one.chat.channel == channel]

    def begin(self, delivery_ids: Sequence[int]) -> None:
        """Carry out `Store.begin`."""
        for one in self._of(delivery_ids, DeliveryState.PENDING):
            self._change(one, attempts=one.attempts + 1)
            self._in_flight.add(one.delivery_id)

    def settle(self, delivery_ids: Sequence[int], sent_message_id: str) -> None:
        """Carry out `Store.settle`."""
        for one in self._of(delivery_ids, *DeliveryState):
            self._land(one.delivery_id)
            self._change(one, state=DeliveryState.SENT, sent_message_id=sent_message_id, maybe_sent=False, reason="")
            for other in self.deliveries:
                if one.notice_id and other.notice_id == one.notice_id and other.state is DeliveryState.WAITING:
                    self._drop(other, "not needed")

    def postpone(self, delivery_ids: Sequence[int], until: datetime, reason: str, *, maybe_sent: bool) -> None:
        """Carry out `Store.postpone`."""
        for one in self._of(delivery_ids, DeliveryState.PENDING):
            self._land(one.delivery_id)
            self._change(one, not_before=until, reason=reason, maybe_sent=one.maybe_sent or maybe_sent)
            self._drop_if_superseded(one)

    def fail(self, delivery_ids: Sequence[int], reason: str) -> None:
        """Carry out `Store.fail`."""
        for one in self._of(delivery_ids, *OPEN):
            self._land(one.delivery_id)
            self._change(one, state=DeliveryState.FAILED, reason=reason)

    def land(self) -> None:
        """Note that the former daemon died in the middle of its attempts: those may have arrived."""
        in_flight, self._in_flight = self._in_flight, set()
        for one in self._of(sorted(in_flight), DeliveryState.PENDING):
            self._change(one, maybe_sent=True)
            self._drop_if_superseded(one)

    def stuck(self) -> list[list[Delivery]]:
        """Answer `Store.stuck`."""
        waiting = {one.notice_id for one in self.deliveries if one.state is DeliveryState.WAITING}
        notices: dict[str, list[Delivery]] = {}
        for one in self.deliveries:
            if one.notice_id in waiting:
                notices.setdefault(one.notice_id, []).append(one)
        return list(notices.values())

    def start_rank(self, notice_id: str, rank: int, now: datetime) -> None:
        """Carry out `Store.start_rank`."""
        for one in self.deliveries:
            if one.state is DeliveryState.WAITING and one.notice_id == notice_id and one.rank == rank:
                self._change(one, state=DeliveryState.PENDING, created_at=now, not_before=now)

    def sent_message_id(self, delivery_id: int) -> str:
        """Answer `Store.sent_message_id`."""
        return next((one.sent_message_id for one in self._of([delivery_id], DeliveryState.SENT)), "")

    def prune(self, before: datetime) -> None:
        """Forget settled deliveries, but none that a pending edit or a waiting fallback still needs."""
        edited = {one.edits for one in self.deliveries if one.state is DeliveryState.PENDING}
        waiting = {one.notice_id for one in self.deliveries if one.state is DeliveryState.WAITING}
        for one in self.deliveries:
            is_needed = one.state in OPEN or one.delivery_id in edited or one.notice_id in waiting
            if one.created_at < before and not is_needed:
                del self._rows[one.delivery_id]

    def _of(self, delivery_ids: Sequence[int], *states: DeliveryState) -> list[Delivery]:
        found = (self._rows.get(number) for number in delivery_ids)
        return [one for one in found if one is not None and one.state in states]

    def _change(self, one: Delivery, **changes: Any) -> None:  # noqa: ANN401 - fields of any type
        self._rows[one.delivery_id] = replace(self._rows[one.delivery_id], **changes)

    def _drop(self, one: Delivery, reason: str) -> None:
        self._change(one, state=DeliveryState.DROPPED, reason=reason)

    def _land(self, delivery_id: int) -> None:
        self._in_flight.discard(delivery_id)

    def _drop_if_superseded(self, one: Delivery) -> None:
        """Catch up with what came while the attempt was under way and could not drop it then."""
        newer = (other for other in self.deliveries if other.delivery_id > one.delivery_id)
        if any(_is_superseded_by(one, other) and (other.edits or other.state in OPEN) for other in newer):
            self._drop(one, "superseded")

    def _drop_orphans(self) -> None:
        """Drop the fallbacks of notices of which nothing else is left: those were superseded as a whole."""
        for notice in self.stuck():
            states = {one.state for one in notice}
            if notice[0].notice_id and states == {DeliveryState.WAITING, DeliveryState.DROPPED}:
                for one in notice:
                    if one.state is DeliveryState.WAITING:
                        self._drop(one, "superseded")


def _is_superseded_by(one: Delivery, newer: Delivery) -> bool:
    if one.edits and one.edits == newer.edits:
        return one.state is DeliveryState.PENDING
    is_same_matter = (one.chat.channel, one.chat.chat_id, one.scene, one.key) == (
        newer.chat.channel,
        newer.chat.chat_id,
        newer.scene,
        newer.key,
    )
    is_other_notice = not one.notice_id or one.notice_id != newer.notice_id
    return newer.supersedes and one.state in OPEN and not one.is_reply and is_same_matter and is_other_notice
