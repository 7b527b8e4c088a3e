"""Time limits by the injected clock."""

import asyncio

import pytest

from opsbot.pipeline.limit import Limit, TimeLimitError, within
from opsbot.testing import FakeClock, settled


async def sleeps(clock: FakeClock, delay_s: float, *, fails: Exception | None = None) -> str:
    await clock.sleep(delay_s)
    if fails is not None:
        raise fails
    return "done"


async def outcome(clock: FakeClock, limit_s: float, delay_s: float, *, fails: Exception | None = None) -> str:
    said: list[str] = []

    async def run() -> None:
        try:
            said.append(await within(clock, limit_s, sleeps(clock, delay_s, fails=fails)))
        except Exception as exc:  # noqa: BLE001 - the outcome is the point
            said.append(repr(exc))

    async with asyncio.TaskGroup() as group:
        group.create_task(run())
        await clock.advance(100)
    return said[0]


async def test_what_is_in_time_gives_its_result() -> None:
    assert await outcome(FakeClock(), 10, 5) == "done"


async def test_what_is_not_in_time_is_cut_off() -> None:
    assert await outcome(FakeClock(), 5, 10) == "TimeLimitError()"


@pytest.mark.parametrize("error", [KeyError("mine"), TimeoutError("mine")])
async def test_error_of_what_is_awaited_comes_out_as_it_is(error: Exception) -> None:
    assert await outcome(FakeClock(), 10, 5, fails=error) == repr(error)


async def test_nobody_sleeps_on_after_the_end() -> None:
    clock = FakeClock()
    await within(clock, 10, asyncio.sleep(0, "done"))

    assert await clock.jump() is False


async def test_cancellation_from_outside_is_no_time_limit() -> None:
    clock = FakeClock()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(within(clock, 10, asyncio.Event().wait()))
        await settled()
        task.cancel()

    assert task.cancelled()


async def test_limit_spans_several_steps() -> None:
    clock = FakeClock()
    limit = Limit(clock, 10)
    steps: list[str] = []

    async def run() -> None:
        steps.append(await limit.step(sleeps(clock, 6)))
        with pytest.raises(TimeLimitError):
            await limit.step(sleeps(clock, 6))
        with pytest.raises(TimeLimitError):
            await limit.step(sleeps(clock, 1))

    async with asyncio.TaskGroup() as group:
        group.create_task(limit.watch())
        group.create_task(run())
        await clock.advance(30)

    assert steps == ["done"]
