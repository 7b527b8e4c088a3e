"""What is over the limit is counted, and told neither too often nor too late."""

import math

import pytest

from opsbot.core.flood import BURST, CALM_S, SAY_EVERY_S, Flood


def passed(flood: Flood, *instants_s: float) -> int:
    return sum(flood.lets_through(at_s) for at_s in instants_s)


def test_a_burst_is_let_through_whole() -> None:
    flood = Flood()

    assert passed(flood, *[0.0] * BURST) == BURST
    assert (flood.kept_back, flood.due_at_s) == (0, math.inf)


def test_what_is_over_the_burst_is_kept_back_and_counted() -> None:
    flood = Flood()

    assert passed(flood, *[0.0] * (BURST + 7)) == BURST
    assert (flood.kept_back, flood.untold) == (7, 7)


@pytest.mark.parametrize(("burst", "per_minute"), [(1000, 1200), (3, 60), (1, 0.1)])
def test_in_the_long_run_so_many_a_minute_are_let_through(burst: float, per_minute: float) -> None:
    flood = Flood(burst=burst, per_minute=per_minute)

    minutes = 100
    steps = 20_000
    assert passed(flood, *(step * minutes * 60 / steps for step in range(steps))) == pytest.approx(
        min(steps, burst + per_minute * minutes), abs=1.5
    )


def test_a_quiet_time_fills_the_bucket_no_higher_than_the_burst() -> None:
    flood = Flood(burst=2, per_minute=60)
    passed(flood, 0.0, 0.0)

    assert passed(flood, *[3600.0] * 5) == 2


def test_a_clock_that_stands_still_lets_nothing_more_through() -> None:
    flood = Flood(burst=1, per_minute=60)

    assert passed(flood, 5.0, 5.0, 4.0) == 1


def test_the_number_is_told_when_the_flood_is_over() -> None:
    flood = Flood(burst=1)
    passed(flood, 0.0, 0.0, 0.0, 0.001)

    assert flood.due_at_s == pytest.approx(0.001 + CALM_S)


def test_the_number_is_told_every_minute_while_the_flood_lasts() -> None:
    flood = Flood(burst=1, per_minute=1)
    passed(flood, *(float(second) for second in range(200)))

    assert flood.due_at_s == 1.0 + SAY_EVERY_S


def test_short_floods_one_after_the_other_are_told_once_a_minute() -> None:
    flood = Flood(burst=1, per_minute=1)
    passed(flood, 0.0, 0.0)
    flood.tell(1, 0, 5.0)
    passed(flood, 10.0)

    assert flood.due_at_s == 5.0 + SAY_EVERY_S


def test_what_came_while_the_number_was_told_is_told_the_next_time() -> None:
    flood = Flood(burst=1)
    passed(flood, *[0.0] * 4)
    counted = flood.untold
    passed(flood, 0.0)
    flood.tell(counted, 0, 5.0)

    assert (counted, flood.untold, flood.kept_back) == (3, 1, 4)


def test_a_flood_is_over_when_it_is_told_and_the_bucket_is_full_again() -> None:
    flood = Flood(burst=2, per_minute=60)
    passed(flood, 0.0, 0.0, 0.0)

    before_it_is_told = flood.is_over(100.0)
    flood.tell(1, 0, 100.0)
    assert (before_it_is_told, flood.is_over(1.0), flood.is_over(100.0)) == (False, False, True)
