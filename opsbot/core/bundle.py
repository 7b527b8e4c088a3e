"""Decide what of the outbox leaves now, and what leaves together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsbot.core.chat import Chat
from opsbot.core.delivery import Delivery
from opsbot.core.notification import Severity

WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Bundle:
    """Deliveries that leave as one message: one, or several texts of one scene for one chat.

    `more_ids` are texts that are only counted in the message; they are settled with it.
    """

    deliveries: tuple[Delivery, ...]
    more_ids: tuple[int, ...] = ()

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of all that leaves with this message."""
        return (*(delivery.delivery_id for delivery in self.deliveries), *self.more_ids)

    def joined_by(self, companions: Sequence[int]) -> "Bundle":
        """Take in all that waits beside it, however much that is: a flood is one message, and a count."""
        own = {delivery.delivery_id for delivery in self.deliveries}
        return replace(self, more_ids=tuple(one for one in companions if one not in own))

    @property
    def first(self) -> Delivery:
        """The oldest delivery."""
        return self.deliveries[0]


def bundles(due: Sequence[Delivery]) -> list[Bundle]:
    """Group what is due: grouped texts of one chat and scene travel together, all else alone; order is kept per chat."""
    groups: list[list[Delivery]] = []
    open_groups: dict[Chat, list[Delivery]] = {}
    for delivery in due:
        group = open_groups.get(delivery.chat)
        if group is not None and _may_join(group[0], delivery):
            group.append(delivery)
            continue
        group = [delivery]
        groups.append(group)
        open_groups[delivery.chat] = group
    return [Bundle(tuple(group)) for group in groups]


def _may_join(first: Delivery, delivery: Delivery) -> bool:
    is_fresh = not first.maybe_sent and not delivery.maybe_sent  # what is repeated says so by itself
    return is_fresh and is_groupable(first) and is_groupable(delivery) and first.scene == delivery.scene


def is_groupable(delivery: Delivery) -> bool:
    """Tell whether a delivery may share a message with others: a text nobody waits for."""
    return (
        isinstance(delivery.output, str)
        and not delivery.is_reply
        and delivery.severity is not Severity.URGENT
        and not delivery.edits
    )


def may_leave_at(sent_at: Sequence[datetime], now: datetime, per_minute: int) -> datetime:
    """Say when a chat's budget lets the next grouped message out; `sent_at` are the last sendings, oldest first."""
    recent = [at for at in sent_at if at > now - timedelta(seconds=WINDOW_S)]
    if len(recent) < per_minute:
        return now
    return recent[len(recent) - per_minute] + timedelta(seconds=WINDOW_S)
