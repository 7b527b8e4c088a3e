"""The daemon's life in one process: start, reload, stop."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from opsbot.app import daemon, house
from opsbot.app.house import House
from opsbot.config.load import load
from opsbot.config.model import Configuration
from opsbot.core.context import PartState
from opsbot.core.errors import StateError

WITHIN_S = 20.0


def configuration(folder: Path, *, name: str = "solo", listen: str = "127.0.0.1:0") -> Configuration:
    file = folder / "config.yaml"
    file.write_text(
        f"name: {name}\nchannels:\n  page: {{kind: local, listen: '{listen}'}}\n"
        "people:\n  archy: {roles: [owner], ids: {page: archy}}\nsources:\n  app: {path: app.log}\n"
    )
    return load(file, {})


@pytest.fixture
def solo(tmp_path: Path) -> Configuration:
    return configuration(tmp_path)


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[Configuration]:
    """Ask for a port that another program has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield configuration(tmp_path, name="broken", listen=f"127.0.0.1:{server.getsockname()[1]}")


@pytest.fixture
def chinese(tmp_path: Path) -> Configuration:
    """Follow a log in UTF-16 whose records have several lines, and want one that only the whole record matches."""
    (tmp_path / "app.log").touch()
    configuration(tmp_path)
    file = tmp_path / "config.yaml"
    text = file.read_text().replace("{path: app.log}", "{path: app.log, encoding: utf-16, multiline: {start: ^1}}")
    watched = "{use: log_alert, source: app, patterns: ['(?s)^1.*登录.*失败$'], tell: [archy@page]}"
    file.write_text(f"{text}operations:\n  errors: {watched}\n", "utf-8")
    return load(file, {})


class Life:
    """A daemon that runs in this process; `ready` holds the name of each configuration that came up."""

    def __init__(self, again: Callable[[], Configuration | None]) -> None:
        self.ready: list[str] = []
        self.houses: list[House] = []
        self._grew = asyncio.Event()
        self.again = again
        self.asked = threading.Event()

    def load_again(self) -> Configuration | None:
        try:
            return self.again()
        finally:
            self.asked.set()

    def note_ready(self, house: House) -> None:
        self.ready.append(house.configuration.name)
        self.houses.append(house)
        self._grew.set()

    async def is_ready(self, times: int) -> None:
        async with asyncio.timeout(WITHIN_S):
            while len(self.ready) < times:
                self._grew.clear()
                await self._grew.wait()


@asynccontextmanager
async def living(first: Configuration, again: Callable[[], Configuration | None]) -> AsyncIterator[Life]:
    life = Life(again)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(daemon.run(first, life.load_again, life.note_ready))
        try:
            await life.is_ready(1)
            yield life
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(WITHIN_S):
            await asyncio.wait({running})


async def test_reload_starts_over_with_the_new_configuration(solo: Configuration, tmp_path: Path) -> None:
    async with living(solo, lambda: configuration(tmp_path, name="renamed")) as life:
        os.kill(os.getpid(), signal.SIGHUP)
        await life.is_ready(2)

        assert life.ready == ["solo", "renamed"]


async def test_reload_that_is_refused_changes_nothing(solo: Configuration) -> None:
    async with living(solo, lambda: None) as life:
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(WITHIN_S):
            await asyncio.to_thread(life.asked.wait)

        assert life.ready == ["solo"]


async def test_daemon_that_was_reloaded_lives_on_after_the_time_in_which_it_had_to_stop(
    solo: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up: list[bool] = []
    monkeypatch.setattr(daemon, "STOP_WITHIN_S", 2.0)
    monkeypatch.setattr(daemon, "_give_up", lambda: given_up.append(True))

    async with living(solo, lambda: configuration(tmp_path, name="renamed")) as life:
        os.kill(os.getpid(), signal.SIGHUP)
        await life.is_ready(2)
        await asyncio.sleep(2.1)  # the loop's own clock decides this one

        assert given_up == []


async def test_new_configuration_that_cannot_start_is_given_up_for_the_old_one(solo: Configuration, taken: Configuration) -> None:
    async with living(solo, lambda: taken) as life:
        os.kill(os.getpid(), signal.SIGHUP)
        await life.is_ready(2)

        assert life.ready == ["solo", "solo"]


async def test_log_is_read_in_the_encoding_and_the_records_that_are_configured(chinese: Configuration) -> None:
    log = Path(str(chinese.sources["app"].path))
    async with living(chinese, lambda: None) as life, asyncio.timeout(WITHIN_S):
        watch = life.houses[0].insight.watches["app"]
        await asyncio.to_thread(log.write_bytes, b"\xfe\xff" + "1 登录\n失败\n1 next\n".encode("utf-16-be"))
        while not watch.standing().records:  # noqa: ASYNC110 a counter wakes nobody
            await asyncio.sleep(0.01)

        assert watch.standing().records == 1


async def test_log_is_open_when_the_daemon_is_ready(solo: Configuration) -> None:
    async with living(solo, lambda: None) as life:
        assert ("source", PartState.RUNNING) in [(part.kind, part.state) for part in life.houses[0].parts.all()]


async def test_log_that_hangs_does_not_hold_up_the_daemon(solo: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(house, "make_source", hangs)
    monkeypatch.setattr(house, "LOGS_OPEN_WITHIN_S", 0.1)
    async with living(solo, lambda: None) as life:
        assert ("source", PartState.STARTING) in [(part.kind, part.state) for part in life.houses[0].parts.all()]


async def test_port_that_is_taken_is_one_clear_error(taken: Configuration) -> None:
    with pytest.raises(StateError, match=r"127\.0\.0\.1"):
        await daemon.run(taken, lambda: None, lambda _house: None)


async def test_second_daemon_on_one_state_directory_is_refused(solo: Configuration) -> None:
    async with living(solo, lambda: None):
        with pytest.raises(StateError, match=str(os.getpid())):
            await daemon.run(solo, lambda: None, lambda _house: None)
