"""The daemon's life: one instance per state directory, signals, reload."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from enum import Enum
from typing import NoReturn

import structlog

from opsbot.adapters.stores.lock import StateLock
from opsbot.app.house import House, open_house
from opsbot.config.model import Configuration
from opsbot.core.errors import OpsbotError

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 20.0
"""After so long an orderly stop is given up: whoever supervises us must not wait for ever."""


class Outcome(Enum):
    """Why the daemon came to its end."""

    STOP = "stop"
    RELOAD = "reload"


class Signals:
    """What the process is told from outside, over all reloads: the first SIGTERM stops, the second one kills."""

    def __init__(self, load_again: Callable[[], Configuration | None]) -> None:
        """`load_again` gives the new configuration, or None (and has said why) when the old one is to go on."""
        self._load_again = load_again
        self._stop_asked = False
        self._outcome: asyncio.Future[Outcome] | None = None
        self._loading: asyncio.Future[Configuration | None] | None = None
        self.reloaded: Configuration | None = None

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as stop, SIGHUP as reload."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload)

    async def outcome(self) -> Outcome:
        """Wait for the next thing that ends this run; a stop that was asked for meanwhile counts at once."""
        self._outcome = asyncio.get_running_loop().create_future()
        self._settle(Outcome.STOP if self._stop_asked else Outcome.RELOAD if self.reloaded else None)
        return await self._outcome

    def _stop(self, number: signal.Signals) -> None:
        if self._stop_asked:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._stop_asked = True
        self._settle(Outcome.STOP)

    def _reload(self) -> None:
        """Load in a thread: reading files and importing operations would hold up everything else."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().run_in_executor(None, self._load_again)
            self._loading.add_done_callback(self._take)

    def _take(self, loading: "asyncio.Future[Configuration | None]") -> None:
        self._loading = None
        configuration = loading.result()
        if configuration is not None:
            self.reloaded = configuration
            self._settle(Outcome.RELOAD)

    def _settle(self, outcome: Outcome | None) -> None:
        if outcome is not None and self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(outcome)


async def run(
    configuration: Configuration, load_again: Callable[[], Configuration | None], ready: Callable[[House], None]
) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP starts over with what `load_again` gives, from the durable state.

    A new configuration that cannot be started (a port is taken) is given up for the old one. `ready` is called once
    everything is up.

    Raises:
        ConfigError: the operations do not fit the configuration.
        StateError: the state directory cannot be used.
    """
    signals = Signals(load_again)
    proven: Configuration | None = None
    with ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, StateLock(configuration.state_dir))
        signals.listen()
        while True:
            try:
                outcome = await _serve(configuration, signals, ready)
            except OpsbotError as exc:
                if proven is None or proven is configuration:
                    raise
                log.error("configuration not reloaded", problems=str(exc))  # noqa: TRY400 - the operator's problem
                configuration = proven
                continue
            if outcome is Outcome.STOP or signals.reloaded is None:
                return
            proven, configuration, signals.reloaded = configuration, signals.reloaded, None


async def _serve(configuration: Configuration, signals: Signals, ready: Callable[[House], None]) -> Outcome:
    """Run one house from start to end."""
    given_up: list[asyncio.TimerHandle] = []
    outcomes: list[Outcome] = []
    try:
        async with open_house(configuration) as house:
            await house.start()
            ready(house)
            outcomes.append(await signals.outcome())
            log.info("stopping", reason=outcomes[0].value)
            given_up.append(asyncio.get_running_loop().call_later(STOP_WITHIN_S, _give_up))
            await house.close()
            _end()
    except* _StoppedError:
        log.info("stopped")
    except* OpsbotError as group:
        raise _first(group) from None
    finally:
        for timer in given_up:
            timer.cancel()
    return outcomes[0]


def _first(group: BaseExceptionGroup[OpsbotError]) -> OpsbotError:
    """Give one of the expected errors that ended the house: the operator mends one thing at a time."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, OpsbotError) else OpsbotError(str(found))


class _StoppedError(Exception):
    """Ends the daemon's task group; never seen outside."""


def _end() -> NoReturn:
    raise _StoppedError


def _give_up() -> None:
    log.error("stop took too long", seconds=STOP_WITHIN_S)
    os._exit(1)
