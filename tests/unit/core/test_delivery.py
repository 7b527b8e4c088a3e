"""Retries, fallbacks, groups."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.core.chat import Chat
from opsbot.core.delivery import Delivery, DeliveryState, fallback_to_start, grouped_text, retry_after
from opsbot.testing import NOON

SENT, PENDING, FAILED, WAITING, DROPPED = (
    DeliveryState.SENT,
    DeliveryState.PENDING,
    DeliveryState.FAILED,
    DeliveryState.WAITING,
    DeliveryState.DROPPED,
)


def a_delivery(rank: int, state: DeliveryState, age_s: float = 0) -> Delivery:
    at = NOON - timedelta(seconds=age_s)
    return Delivery(chat=Chat("c", ""), output="x", notice_id="n", created_at=at, not_before=at, rank=rank, state=state)


@pytest.mark.parametrize(
    ("deliveries", "rank"),
    [
        ([(0, PENDING), (1, WAITING)], None),
        ([(0, PENDING, 59), (1, WAITING, 59)], None),
        ([(0, PENDING, 60), (1, WAITING, 60)], 1),
        ([(0, FAILED), (1, WAITING)], 1),
        ([(0, FAILED), (0, PENDING), (1, WAITING)], None),
        ([(0, FAILED), (0, PENDING, 60), (1, WAITING)], 1),
        ([(0, SENT, 500), (0, FAILED), (1, WAITING)], None),
        ([(0, FAILED), (1, PENDING, 59), (2, WAITING, 500)], None),
        ([(0, FAILED), (1, PENDING, 60), (2, WAITING)], 2),
        ([(0, FAILED), (1, FAILED), (2, WAITING), (3, WAITING)], 2),
        ([(0, FAILED), (1, SENT, 500), (2, WAITING)], None),
        ([(0, FAILED)], None),
        ([(0, FAILED), (1, FAILED)], None),
        ([(0, DROPPED, 60), (1, WAITING)], 1),
        ([(1, WAITING)], 1),
        ([], None),
    ],
)
def test_fallback_starts_when_nobody_before_it_was_reached(deliveries: list[tuple[Any, ...]], rank: int | None) -> None:
    assert fallback_to_start([a_delivery(*one) for one in deliveries], NOON, 60) == rank


@pytest.mark.parametrize(
    ("attempts", "jitter", "asked_s", "wait_s"),
    [
        (1, 0, None, 0.5),
        (2, 0, None, 1),
        (3, 0, None, 2),
        (7, 0, None, 30),
        (1000, 0, None, 30),
        (0, 0, None, 0.5),
        (1, 1, None, 0.375),
        (1, 0, 90, 90),
        (7, 0, 1, 30),
    ],
)
def test_pauses_double_up_to_their_cap(attempts: int, jitter: float, asked_s: float | None, wait_s: float) -> None:
    assert retry_after(attempts, jitter, asked_s) == timedelta(seconds=wait_s)


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_pause_is_never_nothing_and_never_endless(attempts: int, jitter: float) -> None:
    assert timedelta(seconds=0.375) <= retry_after(attempts, jitter) <= timedelta(seconds=30)


@pytest.mark.parametrize(
    ("texts", "grouped"),
    [
        (["a"], "a"),
        (["a", "b"], "a\nb"),
        (list("abcde"), "a\nb\nc\nd\ne"),
        (list("abcdef"), "a\nb\nc\nd\ne\n1 more"),
        (["x"] * 100, "x\nx\nx\nx\nx\n95 more"),
    ],
)
def test_group_shows_the_first_and_counts_the_rest(texts: list[str], grouped: str) -> None:
    assert grouped_text(texts, "{n} more") == grouped
