"""Whether a message may be read as a command at all."""

from datetime import timedelta
from typing import Any

import pytest

from opsbot.core.chat import Chat
from opsbot.core.gate import Login, Rate, Refusal, age_of, reason_to_refuse
from opsbot.testing import NOON, a_message

ROOM = Chat("chat", "ops", is_room=True)
OPEN = Login()
SETTLED = Login(is_needed=True, since_at=NOON - timedelta(seconds=1))


def ago(seconds: float) -> Any:
    return NOON - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("changes", "login", "refusal"),
    [
        ({}, OPEN, None),
        ({}, SETTLED, None),
        ({"is_own": True}, OPEN, Refusal.OWN_ECHO),
        ({"chat": ROOM}, OPEN, Refusal.NOT_MENTIONED),
        ({"chat": ROOM, "mentions_bot": True}, OPEN, None),
        ({}, Login(is_needed=True), Refusal.NOT_SETTLED),
        ({}, Login(is_needed=True, since_at=ago(0.9)), Refusal.NOT_SETTLED),
        ({}, Login(is_needed=True, since_at=ago(-10)), Refusal.NOT_SETTLED),
        ({"sent_at": ago(60)}, OPEN, None),
        ({"sent_at": ago(60.1)}, OPEN, Refusal.TOO_OLD),
        ({"sent_at": ago(-60)}, OPEN, None),
        ({"sent_at": ago(-60.1)}, OPEN, Refusal.TOO_OLD),
        ({"sent_at": ago(3600)}, Login(is_needed=True), Refusal.NOT_SETTLED),
        ({"sent_at": ago(3600), "is_own": True}, OPEN, Refusal.OWN_ECHO),
        ({"sent_at": ago(3600), "chat": ROOM}, OPEN, Refusal.NOT_MENTIONED),
    ],
)
def test_message_is_refused_for_the_first_reason_that_speaks_against_it(
    changes: dict[str, Any], login: Login, refusal: Refusal | None
) -> None:
    assert reason_to_refuse(a_message(**changes), login) is refusal


def test_age_is_how_far_the_clocks_are_apart() -> None:
    assert age_of(a_message(sent_at=ago(90))) == 90


def test_burst_is_admitted_and_then_one_at_a_time() -> None:
    rate = Rate(burst=3, every_s=10)

    admitted = [rate.admits("bob", at_s) for at_s in (0, 0, 0, 0, 9, 10, 10, 31, 31, 31)]

    assert admitted == [True, True, True, False, False, True, False, True, True, False]


def test_senders_do_not_use_up_each_others_rate() -> None:
    rate = Rate(burst=1, every_s=10)

    assert [rate.admits(sender, 0) for sender in ("a", "b", "a")] == [True, True, False]


def test_refused_message_does_not_prolong_the_wait() -> None:
    rate = Rate(burst=1, every_s=10)

    assert [rate.admits("a", at_s) for at_s in (0, 5, 9, 10)] == [True, False, False, True]


def test_flood_of_senders_does_not_grow_without_bound() -> None:
    rate = Rate(burst=1, every_s=1e9)
    rate.admits("first", 0)

    for number in range(1000):
        rate.admits(str(number), 0)

    assert rate.admits("first", 0)
