"""What leaves together."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.core.bundle import Bundle, bundles, may_leave_at
from opsbot.core.chat import Chat
from opsbot.core.delivery import Delivery
from opsbot.core.notification import Severity
from opsbot.core.output import File, Image, Markdown, QrCode
from opsbot.testing import NOON

A, B = Chat("chat", "a"), Chat("chat", "b")


def a_delivery(number: int, **changes: Any) -> Delivery:
    values: dict[str, Any] = {"chat": A, "output": f"text {number}", "scene": "errors"}
    return Delivery(notice_id=f"n{number}", created_at=NOON, not_before=NOON, delivery_id=number, **(values | changes))


def ids(*deliveries: Delivery) -> list[tuple[int, ...]]:
    return [bundle.ids for bundle in bundles(deliveries)]


def test_texts_of_one_scene_and_chat_travel_together() -> None:
    assert ids(a_delivery(1), a_delivery(2), a_delivery(3)) == [(1, 2, 3)]


@pytest.mark.parametrize(
    "changes",
    [
        {"scene": "other"},
        {"chat": B},
        {"is_reply": True},
        {"severity": Severity.URGENT},
        {"edits": 7},
        {"maybe_sent": True},
        {"output": QrCode("x")},
        {"output": Image(b"")},
        {"output": File("f", b"")},
        {"output": Markdown("*x*")},
    ],
    ids=str,
)
def test_what_is_of_another_kind_travels_alone(changes: dict[str, Any]) -> None:
    assert ids(a_delivery(1), a_delivery(2, **changes)) == [(1,), (2,)]
    assert ids(a_delivery(1, **changes), a_delivery(2)) == [(1,), (2,)]


def test_what_stands_between_keeps_its_place_in_the_chat() -> None:
    assert ids(a_delivery(1), a_delivery(2, output=QrCode("x")), a_delivery(3)) == [(1,), (2,), (3,)]


def test_other_chat_between_does_not_part_a_group() -> None:
    assert ids(a_delivery(1), a_delivery(2, chat=B), a_delivery(3)) == [(1, 3), (2,)]


KINDS = st.sampled_from([{}, {"chat": B}, {"scene": "x"}, {"is_reply": True}, {"output": QrCode("x")}, {"maybe_sent": True}])


@given(st.lists(KINDS))
def test_nothing_is_lost_or_doubled_and_each_chat_keeps_its_order(kinds: list[dict[str, Any]]) -> None:
    due = [a_delivery(number, **changes) for number, changes in enumerate(kinds, start=1)]

    sent = [one for bundle in bundles(due) for one in bundle.deliveries]

    assert sorted(one.delivery_id for one in sent) == [one.delivery_id for one in due]
    for chat in (A, B):
        assert [one.delivery_id for one in sent if one.chat == chat] == [one.delivery_id for one in due if one.chat == chat]


def test_bundle_is_named_by_its_oldest() -> None:
    assert Bundle((a_delivery(4), a_delivery(5))).first.delivery_id == 4


@pytest.mark.parametrize(
    ("sent_s_ago", "wait_s"),
    [((), 0), ((10,), 0), ((50, 10), 10), ((60, 50), 0), ((59, 58, 30, 1), 30), ((61, 60), 0)],
)
def test_chat_gets_so_many_messages_a_minute(sent_s_ago: tuple[int, ...], wait_s: int) -> None:
    sent_at = [NOON - timedelta(seconds=seconds) for seconds in sent_s_ago]

    assert may_leave_at(sent_at, NOON, 2) == NOON + timedelta(seconds=wait_s)
