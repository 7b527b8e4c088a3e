"""The daemon's life: one instance per state directory, signals, reload."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from enum import Enum
from typing import NoReturn

import structlog

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.sources.file.descriptor import raise_limit
from opsbot.adapters.stores.lock import StateLock
from opsbot.app.house import House, open_house
from opsbot.app.outage import Outage, outage_of
from opsbot.config.model import Configuration
from opsbot.core.errors import OpsbotError, StateError
from opsbot.pipeline.supervise import first_of

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

    A new configuration that cannot be started (a port is taken) is given up for the old one. While the state cannot be written
    any more (the disk is full) everything stands still, and starts over from what was written once that works again. `ready` is
    called once everything is up.

    Raises:
        ConfigError: the operations do not fit the configuration.
        StateError: the state directory cannot be used from the start.
    """
    raise_limit()
    signals = Signals(load_again)
    with ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, StateLock(configuration.state_dir))
        signals.listen()
        await Lives(configuration, signals, ready).run()


class Lives:
    """One house after the other, until the daemon is to stop."""

    def __init__(self, configuration: Configuration, signals: Signals, ready: Callable[[House], None]) -> None:
        """Begin with a configuration that has not come up yet."""
        self._configuration = configuration
        self._proven: Configuration | None = None
        self._signals = signals
        self._ready = ready
        self._clock = SystemClock()
        self._outage: Outage | None = None

    async def run(self) -> None:
        """Live until a stop is asked for; see `run`."""
        outcome = Outcome.RELOAD
        while outcome is not Outcome.STOP:
            try:
                outcome = await _serve(self._configuration, self._signals, self._up, self._outage)
            except OpsbotError as exc:
                outcome = await self._overcome(exc)
            if self._signals.reloaded is not None:
                self._configuration, self._signals.reloaded = self._signals.reloaded, None

    def _up(self, house: House) -> None:
        self._proven = self._configuration
        if self._outage is not None:
            log.info("state back", since=self._outage.since_at.isoformat())
            self._outage.back_at = self._clock.now()
        self._ready(house)

    async def _overcome(self, exc: OpsbotError) -> Outcome:
        """Find a way to go on; where there is none, raise it."""
        if self._proven is None:
            raise exc
        if self._proven is not self._configuration:
            log.error("configuration not reloaded", problems=str(exc))
            self._configuration = self._proven
            return Outcome.RELOAD
        if not isinstance(exc, StateError):
            raise exc
        before = self._outage
        self._outage = outage_of(exc, before, self._clock.now())
        if before is None or before.reason != self._outage.reason or before.back_at is not None:
            log.error("state lost", reason=self._outage.reason)
        try:
            async with asyncio.timeout(self._outage.delay_s):
                return await self._signals.outcome()
        except TimeoutError:
            return Outcome.RELOAD


async def _serve(
    configuration: Configuration, signals: Signals, ready: Callable[[House], None], outage: Outage | None
) -> Outcome:
    """Run one house from start to end."""
    given_up: list[asyncio.TimerHandle] = []
    outcomes: list[Outcome] = []
    try:
        async with open_house(configuration, outage) as house:
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
        raise first_of(group) from None
    finally:
        for timer in given_up:
            timer.cancel()
    return outcomes[0]


class _StoppedError(Exception):
    """Ends the daemon's task group; never seen outside."""


def _end() -> NoReturn:
    raise _StoppedError


def _give_up() -> None:
    log.error("stop took too long", seconds=STOP_WITHIN_S)
    os._exit(1)
