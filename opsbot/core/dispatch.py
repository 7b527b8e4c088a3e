"""From what an operation tells to the deliveries of its scene."""

from dataclasses import replace
from datetime import datetime, timedelta

from opsbot.core.change import Alert, Change
from opsbot.core.chat import Chat
from opsbot.core.delivery import Delivery, DeliveryState
from opsbot.core.notification import Notification, Severity
from opsbot.core.scene import Route


def change_for(
    notification: Notification,
    *,
    scene: str,
    route: Route,
    notice_id: str,
    now: datetime,
    group_wait_s: float,
    repeat_minutes: tuple[int, ...],
) -> Change:
    """Say what a notification makes durable: a delivery per recipient, its fallbacks in waiting, its alert.

    URGENT notifications leave at once; the others, pictures too, wait `group_wait_s`, so that a chat keeps their order.
    """
    first = (notification.chat,) if notification.chat else route.tell
    wait_s = 0.0 if notification.severity is Severity.URGENT else group_wait_s
    expires_at = now + timedelta(seconds=notification.valid_for_s) if notification.valid_for_s is not None else None
    template = Delivery(
        chat=Chat("", ""),
        output=notification.content,
        notice_id=notice_id,
        created_at=now,
        not_before=now + timedelta(seconds=wait_s),
        scene=scene,
        key=notification.key,
        severity=notification.severity,
        supersedes=notification.supersedes,
        expires_at=expires_at,
    )
    fallback = () if notification.chat else route.fallback
    return Change(
        deliveries=(
            *(replace(template, chat=chat) for chat in first),
            *_fallbacks(template, fallback, is_escalated=notification.escalate),
        ),
        alerts=alert_for(notification, scene, now, repeat_minutes),
        resolved=((scene, notification.key),) if notification.resolves else (),
    )


def _fallbacks(template: Delivery, chats: tuple[Chat, ...], *, is_escalated: bool) -> tuple[Delivery, ...]:
    """Give the fallbacks, in waiting for their turn.

    Escalated ones are a notice of their own: the first leaves at once, the next ones only if it is not reached.
    """
    first_rank = 0 if is_escalated else 1
    notice_id = f"{template.notice_id}-escalated" if is_escalated else template.notice_id
    return tuple(
        replace(
            template, chat=chat, notice_id=notice_id, rank=rank, state=DeliveryState.WAITING if rank else DeliveryState.PENDING
        )
        for rank, chat in enumerate(chats, start=first_rank)
    )


def alert_for(notification: Notification, scene: str, now: datetime, repeat_minutes: tuple[int, ...]) -> tuple[Alert, ...]:
    """Give the alert that a notification opens, if it opens one."""
    if not notification.reminder or not repeat_minutes:
        return ()
    next_at = now + timedelta(minutes=repeat_minutes[0])
    return (Alert(scene=scene, key=notification.key, reminder=notification.reminder, opened_at=now, next_at=next_at),)


def reminded(alert: Alert, now: datetime, repeat_minutes: tuple[int, ...]) -> Alert:
    """Give the alert after one more reminder: the next is due after the next interval, the last interval repeats."""
    repeats = alert.repeats + 1
    interval = repeat_minutes[min(repeats, len(repeat_minutes) - 1)]
    return replace(alert, repeats=repeats, next_at=now + timedelta(minutes=interval))


def merge(*changes: Change) -> Change:
    """Join changes into one, so that they are committed together; what a later one resolves is open in none before it."""
    joined = Change(**{name: tuple(item for change in changes for item in getattr(change, name)) for name in Change.__slots__})
    alerts: list[Alert] = []
    for change in changes:
        alerts = [*(alert for alert in alerts if (alert.scene, alert.key) not in change.resolved), *change.alerts]
    return replace(joined, alerts=tuple(alerts))
