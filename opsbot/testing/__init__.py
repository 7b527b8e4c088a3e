"""What authors of operations test with: a pytest plug-in with the fixture `harness`, and the fakes of every port.

    async def test_restart_asks_pm2_for_exactly_the_configured_process(harness: Harness) -> None:
        bot = harness(RestartPm2(process="bob"))
        bot.runs("pm2", "restart", "--", "bob").prints("[PM2] done")

        assert await bot.says("restart") == ["[PM2] done"]

The messages go through the real pipeline: gate, identification, parsing, authorisation, job, outbox.
"""

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsbot.loader import Loader
from opsbot.testing.bot import Bot
from opsbot.testing.channel import CAPABILITIES, FakeChannel
from opsbot.testing.clock import NOON, FakeClock
from opsbot.testing.example import a_message, a_notification, a_person
from opsbot.testing.harness import Harness, Options
from opsbot.testing.journal import Told
from opsbot.testing.quiet import count_threads, settled
from opsbot.testing.runner import FakeProcess, FakeRunner, Run, Script, UnexpectedRunError
from opsbot.testing.source import FakeLog, FakeSource
from opsbot.testing.stage import FakeQr
from opsbot.testing.store import FakeStore

__all__ = [
    "CAPABILITIES",
    "NOON",
    "Bot",
    "FakeChannel",
    "FakeClock",
    "FakeLog",
    "FakeProcess",
    "FakeQr",
    "FakeRunner",
    "FakeSource",
    "FakeStore",
    "Harness",
    "Options",
    "Run",
    "Script",
    "Told",
    "UnexpectedRunError",
    "a_message",
    "a_notification",
    "a_person",
    "count_threads",
    "harness",
    "load_operation",
    "settled",
]


@pytest.fixture
def harness() -> Iterator[Harness]:
    """Make bots that have the operation under test; they end with the test, and fail it if they ran what it did not foresee."""
    made = Harness()
    yield made
    for bot in made.bots:
        bot.close()
    for bot in made.bots:
        bot.check()


def load_operation(path: Path) -> Any:  # noqa: ANN401 - a class that only its own file knows
    """Load the class of an operation from its file, with all checks that the daemon makes.

    Raises:
        OperationLoadError: the file cannot be used; the text says why.
    """
    return Loader([path.parent]).load(path.stem).operation


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests that use `harness`, unless a plug-in for asyncio does it already."""
    test = pyfuncitem.obj
    is_taken = any(pyfuncitem.get_closest_marker(name) for name in ("asyncio", "anyio"))
    if is_taken or "harness" not in pyfuncitem.fixturenames or not inspect.iscoroutinefunction(test):
        return None
    asyncio.run(test(**{name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters}))
    return True
