"""Parts that are lost come back, after pauses that grow; a bug ends them."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from opsbot.core.context import PartState
from opsbot.core.errors import ChannelUnavailableError, SourceUnavailableError
from opsbot.pipeline.parts import Parts
from opsbot.pipeline.supervise import Attempt, supervise
from opsbot.testing import FakeClock, settled

AWAY = ChannelUnavailableError("away")


class Served:
    """A part that is lost each time it is served; notes when."""

    def __init__(self, clock: FakeClock, serve: Callable[[int, Attempt], Awaitable[None]]) -> None:
        self.clock = clock
        self.parts = Parts(clock)
        self.at_s: list[float] = []
        self._serve = serve

    async def serve(self, attempt: Attempt) -> None:
        self.at_s.append(self.clock.monotonic_s())
        await self._serve(len(self.at_s), attempt)

    async def run(self, seconds: float) -> None:
        supervised = supervise("channel", "chat", self.serve, clock=self.clock, parts=self.parts, jitter=lambda: 0.0)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(supervised)
            await settled()
            await self.clock.advance(seconds)
            task.cancel()

    @property
    def pauses(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.at_s)]


async def is_away(_number: int, _attempt: Attempt) -> None:
    raise AWAY


async def test_pauses_grow_to_half_a_minute() -> None:
    served = Served(FakeClock(), is_away)
    await served.run(120)

    assert served.pauses == [0.5, 1, 2, 4, 8, 16, 30, 30]


async def test_sign_of_life_resets_the_pauses() -> None:
    async def lives_the_fifth_time(number: int, attempt: Attempt) -> None:
        if number == 5:
            attempt.lives()
        raise AWAY

    served = Served(FakeClock(), lives_the_fifth_time)
    await served.run(12)

    assert served.pauses == [0.5, 1, 2, 4, 0.5, 1, 2]


async def test_part_that_ends_without_an_error_is_served_again() -> None:
    async def ends(_number: int, _attempt: Attempt) -> None:
        await asyncio.sleep(0)

    served = Served(FakeClock(), ends)
    await served.run(2)

    assert served.pauses == [0.5, 1]


async def test_platform_that_says_when_is_asked_no_earlier() -> None:
    async def says_when(_number: int, _attempt: Attempt) -> None:
        raise ChannelUnavailableError("busy", retry_after_s=20)

    served = Served(FakeClock(), says_when)
    await served.run(45)

    assert served.pauses == [20, 20]


@pytest.mark.parametrize("error", [AWAY, SourceUnavailableError("gone"), ExceptionGroup("tasks", [AWAY])])
async def test_part_that_is_lost_is_shown_with_the_reason(error: Exception) -> None:
    async def is_lost(_number: int, _attempt: Attempt) -> None:
        raise error

    clock = FakeClock()
    served = Served(clock, is_lost)
    seen: list[tuple[str, str]] = []
    served.parts.listen(lambda part: seen.append((part.state, part.detail)))
    await served.run(0.4)

    assert seen[:2] == [(PartState.STARTING, ""), (PartState.BACKOFF, str(getattr(error, "exceptions", [error])[0]))]


async def test_bug_is_fatal_and_comes_out() -> None:
    async def has_a_bug(_number: int, _attempt: Attempt) -> None:
        raise KeyError("bug")

    served = Served(FakeClock(), has_a_bug)
    with pytest.RaisesGroup(KeyError):
        await served.run(1)

    assert [part.state for part in served.parts.all()] == [PartState.FATAL]


async def test_bug_beside_an_expected_failure_comes_out() -> None:
    async def has_both(_number: int, _attempt: Attempt) -> None:
        raise ExceptionGroup("tasks", [AWAY, KeyError("bug")])

    served = Served(FakeClock(), has_both)
    with pytest.RaisesGroup(KeyError, flatten_subgroups=True):
        await served.run(1)


async def test_part_that_is_cancelled_is_stopped() -> None:
    async def serves(_number: int, _attempt: Attempt) -> None:
        await asyncio.Event().wait()

    served = Served(FakeClock(), serves)
    await served.run(1)

    assert [part.state for part in served.parts.all()] == [PartState.STOPPED]
