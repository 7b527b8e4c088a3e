"""The daemon's life: one instance per state directory, signals, reload."""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import NoReturn

import structlog

from opsbot.adapters.stores.lock import StateLock
from opsbot.app.house import House, open_house
from opsbot.config.model import Configuration

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 20.0
"""After so long an orderly stop is given up: whoever supervises us must not wait for ever."""


class Outcome(Enum):
    """Why the daemon came to its end."""

    STOP = "stop"
    RELOAD = "reload"


@dataclass(slots=True)
class Signals:
    """What the process was told from outside; `reloaded` is the configuration that is to run next."""

    reload: Callable[[], Configuration | None]
    outcome: "asyncio.Future[Outcome]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    reloaded: Configuration | None = None

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as stop (the second one kills), SIGHUP as reload."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload)

    def _stop(self, number: signal.Signals) -> None:
        if self.outcome.done():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        else:
            self.outcome.set_result(Outcome.STOP)

    def _reload(self) -> None:
        configuration = self.reload()
        if configuration is not None and not self.outcome.done():
            self.reloaded = configuration
            self.outcome.set_result(Outcome.RELOAD)


async def run(configuration: Configuration, reload: Callable[[], Configuration | None], ready: Callable[[House], None]) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP starts over with what `reload` gives, from the durable state.

    `ready` is called once everything is up; `reload` gives None (and has said why) when the old configuration is to go on.

    Raises:
        ConfigError: the operations do not fit the configuration.
        StateError: the state directory cannot be used.
    """
    with StateLock(configuration.state_dir):
        while True:
            signals = Signals(reload)
            signals.listen()
            await _serve(configuration, signals, ready)
            if signals.reloaded is None:
                return
            configuration = signals.reloaded


async def _serve(configuration: Configuration, signals: Signals, ready: Callable[[House], None]) -> None:
    try:
        async with open_house(configuration) as house:
            await house.start()
            ready(house)
            outcome = await signals.outcome
            log.info("stopping", reason=outcome.value)
            asyncio.get_running_loop().call_later(STOP_WITHIN_S, _give_up)
            await house.close()
            _end()
    except* _StoppedError:
        log.info("stopped")


class _StoppedError(Exception):
    """Ends the daemon's task group; never seen outside."""


def _end() -> NoReturn:
    raise _StoppedError


def _give_up() -> None:
    log.error("stop took too long", seconds=STOP_WITHIN_S)
    os._exit(1)
