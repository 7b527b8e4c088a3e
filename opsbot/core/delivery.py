"""One message on its way to one chat: the rows of the outbox, and the decisions about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from opsbot.core.chat import Chat
from opsbot.core.notification import Severity
from opsbot.core.output import Output

RETRY_FIRST_S = 0.5
RETRY_CAP_S = 30.0
GROUP_SHOWS = 5
"""So many texts of a group are shown whole, the others are counted."""


class DeliveryState(StrEnum):
    """Where a delivery stands; WAITING is a fallback whose turn has not come."""

    WAITING = "waiting"
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One output for one chat, as the outbox keeps it.

    `delivery_id` is 0 until the outbox has given it one; ids grow, and within a chat they are the order of sending.
    Deliveries with the same `notice_id` say the same thing to several recipients; `rank` 0 are the first ones, rank
    1, 2 … the fallbacks in order. `not_before` is when it may leave. `maybe_sent` means that an earlier attempt was
    begun and its end is unknown. `edits` is the id of the delivery whose message this one replaces in place, and
    `sent_message_id` the channel's id of the message once it was sent.
    """

    chat: Chat
    output: Output
    notice_id: str
    created_at: datetime
    not_before: datetime
    scene: str = ""
    key: str = ""
    severity: Severity = Severity.NORMAL
    is_reply: bool = False
    supersedes: bool = False
    rank: int = 0
    expires_at: datetime | None = None
    edits: int = 0
    delivery_id: int = 0
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    maybe_sent: bool = False
    sent_message_id: str = ""
    reason: str = ""


def retry_after(attempts: int, jitter: float, asked_s: float | None = None) -> timedelta:
    """Say how long to wait after the given number of failed attempts.

    Doubles from RETRY_FIRST_S to RETRY_CAP_S; `jitter` (0..1) takes up to a quarter away. What the platform asked
    for is a minimum.

    >>> retry_after(1, jitter=0.0).total_seconds(), retry_after(99, jitter=1.0).total_seconds()
    (0.5, 22.5)
    """
    exponential_s = min(RETRY_CAP_S, RETRY_FIRST_S * 2.0 ** min(max(0, attempts - 1), 16))
    return timedelta(seconds=max(asked_s or 0.0, exponential_s * (1 - jitter / 4)))


def fallback_to_start(deliveries: Sequence[Delivery], now: datetime, fallback_after_s: float) -> int | None:
    """Say which rank of one notice's deliveries must be tried now, None when nothing is to be done.

    A fallback starts when nobody of the ranks before it was reached: each was refused for good, or has been
    waiting for `fallback_after_s` since it was to leave.
    """
    if any(d.state is DeliveryState.SENT for d in deliveries):
        return None
    waiting = sorted({d.rank for d in deliveries if d.state is DeliveryState.WAITING})
    if not waiting:
        return None
    tried = [d for d in deliveries if d.state is not DeliveryState.WAITING]
    stuck_since = now - timedelta(seconds=fallback_after_s)
    hopeless = all(d.state is DeliveryState.FAILED or d.created_at <= stuck_since for d in tried)
    return waiting[0] if hopeless else None


def grouped_text(texts: Sequence[str], n_more: str, n_untold: int = 0) -> str:
    r"""Join texts into one message: the first few whole, the rest counted with the phrase `n_more` ("{n} more").

    `n_untold` are counted besides, without being among `texts`.

    >>> grouped_text(["a", "b"], "{n} more")
    'a\nb'
    >>> grouped_text(list("abcdefg"), "{n} more").splitlines()[-1]
    '2 more'
    """
    shown = list(texts[:GROUP_SHOWS])
    rest = len(texts) - len(shown) + n_untold
    return "\n".join([*shown, n_more.format(n=rest)] if rest else shown)
