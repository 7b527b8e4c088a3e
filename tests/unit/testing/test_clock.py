"""The clock that stands still, and waiting until nothing goes on."""

import asyncio
from datetime import timedelta

import pytest

from opsbot.testing import NOON, FakeClock, count_threads, settled
from opsbot.testing import quiet as quiet_module


async def test_time_stands_still_until_it_is_moved() -> None:
    clock = FakeClock()
    await settled()

    assert (clock.now(), clock.monotonic_s()) == (NOON, 0)


async def test_sleepers_wake_in_the_order_of_their_times_and_see_them() -> None:
    clock = FakeClock()
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, *delays_s: float) -> None:
        for delay_s in delays_s:
            await clock.sleep(delay_s)
            woken.append((name, clock.monotonic_s()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleep("a", 3, 3))
        group.create_task(sleep("b", 1, 1, 2))
        await clock.advance(10)

    assert woken == [("b", 1), ("b", 2), ("a", 3), ("b", 4), ("a", 6)]
    assert clock.now() == NOON + timedelta(seconds=10)


async def test_nobody_wakes_too_early_for_a_rounding_error() -> None:
    clock = FakeClock()
    until = clock.now() + timedelta(microseconds=1)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(clock.sleep((until - clock.now()).total_seconds() / 3 * 3))
        await clock.jump()

    assert (task.done(), clock.now() >= until) == (True, True)


@pytest.mark.parametrize("delay_s", [0, -1])
async def test_sleep_of_nothing_lets_others_run(delay_s: float) -> None:
    clock = FakeClock()
    ran: list[str] = []

    async def other() -> None:
        await asyncio.sleep(0)
        ran.append("other")

    async with asyncio.TaskGroup() as group:
        group.create_task(other())
        await clock.sleep(delay_s)
        await clock.sleep(delay_s)

    assert ran == ["other"]


async def test_jump_goes_to_the_next_sleeper_and_no_further() -> None:
    clock = FakeClock()
    async with asyncio.TaskGroup() as group:
        group.create_task(clock.sleep(7))
        group.create_task(clock.sleep(9))
        jumped = [await clock.jump()]
        at_s = clock.monotonic_s()
        jumped += [await clock.jump(), await clock.jump()]

    assert (jumped, at_s) == ([True, True, False], 7)


async def test_cancelled_sleeper_is_forgotten() -> None:
    clock = FakeClock()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(clock.sleep(7))
        await settled()
        task.cancel()

    assert await clock.jump() is False


async def test_wall_clock_can_be_set_back_without_the_other() -> None:
    clock = FakeClock()
    await clock.advance(minutes=1)
    clock.set_back(3600)

    assert (clock.now(), clock.monotonic_s()) == (NOON - timedelta(minutes=59), 60)


async def test_settled_waits_for_chains_of_tasks() -> None:
    steps: list[int] = []

    async def chain(number: int) -> None:
        await asyncio.sleep(0)
        steps.append(number)
        if number < 20:
            async with asyncio.TaskGroup() as group:
                group.create_task(chain(number + 1))

    async with asyncio.TaskGroup() as group:
        group.create_task(chain(0))
        await settled()
        done = len(steps)

    assert done == 21


async def test_settled_waits_for_work_in_a_thread() -> None:
    count_threads()
    done: list[str] = []

    async def work() -> None:
        done.append(await asyncio.to_thread(lambda: "drawn"))

    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        await settled()
        seen = list(done)

    assert seen == ["drawn"]


async def test_what_never_comes_to_rest_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet_module, "RESTLESS_ROUNDS", 100)

    async def spin() -> None:
        while True:  # noqa: ASYNC110 - never to rest is the point
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(spin(), name="spin:for-ever")
        with pytest.raises(AssertionError, match="spin:for-ever"):
            await settled()
        task.cancel()
