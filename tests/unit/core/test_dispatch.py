"""What a notification makes durable."""

from datetime import timedelta
from typing import Any

import pytest

from opsbot.core.change import Alert, Change, StateWrite
from opsbot.core.chat import Chat
from opsbot.core.delivery import DeliveryState
from opsbot.core.dispatch import change_for, merge, reminded
from opsbot.core.notification import Severity
from opsbot.core.output import QrCode
from opsbot.core.scene import Route
from opsbot.testing import NOON, a_notification

ARCHY, BOB, PHONE, MAIL = (Chat("wechat", "archy"), Chat("wechat", "bob"), Chat("phone", ""), Chat("mail", ""))
ROUTE = Route(tell=(BOB, ARCHY), fallback=(PHONE, MAIL))


def change(**changes: Any) -> Change:
    return change_for(
        a_notification(**changes),
        scene="rescue",
        route=ROUTE,
        notice_id="n1",
        now=NOON,
        group_wait_s=5,
        repeat_minutes=(15, 30, 60),
    )


def test_each_recipient_gets_a_delivery_and_fallbacks_wait() -> None:
    deliveries = change().deliveries

    assert [(one.chat, one.rank, one.state) for one in deliveries] == [
        (BOB, 0, DeliveryState.PENDING),
        (ARCHY, 0, DeliveryState.PENDING),
        (PHONE, 1, DeliveryState.WAITING),
        (MAIL, 2, DeliveryState.WAITING),
    ]
    assert {one.notice_id for one in deliveries} == {"n1"}


def test_escalation_starts_the_first_fallback_at_once_and_keeps_the_next_ones_in_waiting() -> None:
    escalated = change(escalate=True).deliveries

    assert {one.state for one in escalated if one.rank == 0} == {DeliveryState.PENDING}
    assert {one.state for one in escalated if one.rank > 0} <= {DeliveryState.WAITING}


def test_chat_of_the_notification_takes_the_place_of_the_route() -> None:
    assert [one.chat for one in change(chat=MAIL, escalate=True).deliveries] == [MAIL]


@pytest.mark.parametrize(
    ("severity", "wait_s"), [(Severity.DEBUG, 5), (Severity.NORMAL, 5), (Severity.IMPORTANT, 5), (Severity.URGENT, 0)]
)
def test_only_what_is_urgent_leaves_at_once(severity: Severity, wait_s: int) -> None:
    assert {one.not_before - NOON for one in change(severity=severity).deliveries} == {timedelta(seconds=wait_s)}


def test_delivery_carries_what_the_notification_said() -> None:
    first = change(content=QrCode("x"), key="k", supersedes=True, valid_for_s=300, severity=Severity.URGENT).deliveries[0]

    assert (first.output, first.scene, first.key, first.supersedes) == (QrCode("x"), "rescue", "k", True)
    assert (first.expires_at, first.severity, first.is_reply) == (NOON + timedelta(seconds=300), Severity.URGENT, False)


def test_zero_validity_has_expired_at_once() -> None:
    assert change(valid_for_s=0).deliveries[0].expires_at == NOON


def test_reminder_opens_an_alert_that_is_due_after_the_first_interval() -> None:
    assert change(key="k", reminder="still").alerts == (
        Alert(scene="rescue", key="k", reminder="still", opened_at=NOON, next_at=NOON + timedelta(minutes=15)),
    )


def test_resolving_closes_the_alert_of_the_key() -> None:
    assert (change(key="k", resolves=True).resolved, change(key="k").resolved) == ((("rescue", "k"),), ())


def test_reminders_follow_the_intervals_and_the_last_one_repeats() -> None:
    alert = change(key="k", reminder="still").alerts[0]

    minutes = []
    for _ in range(5):
        assert alert.next_at is not None
        minutes.append((alert.next_at - NOON).total_seconds() / 60)
        alert = reminded(alert, alert.next_at, (15, 30, 60))

    assert minutes == [15, 45, 105, 165, 225]


def test_changes_are_joined_in_order() -> None:
    first, second = StateWrite("s", "a", 1), StateWrite("s", "a", 2)

    assert merge(Change(state=(first,)), Change(), Change(state=(second,))).state == (first, second)


def test_alert_that_a_later_change_resolves_is_not_opened() -> None:
    opened, resolved = change(key="k", reminder="still out"), change(key="k", resolves=True)

    assert (merge(opened, resolved).alerts, merge(resolved, opened).alerts) == ((), opened.alerts)


def test_change_without_anything_is_false() -> None:
    assert (bool(merge()), bool(Change(resolved=(("s", "k"),)))) == (False, True)
