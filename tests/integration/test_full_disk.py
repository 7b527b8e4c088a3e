"""The disk is full while logs are read: nothing is lost, the owner hears of it, and all goes on by itself."""

import asyncio
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path

import pytest

from opsbot.adapters.channels.local.client import LocalClient
from opsbot.adapters.stores.sqlite import SqliteStore
from opsbot.app import daemon, house
from opsbot.app.house import House
from opsbot.app.outage import Outage
from opsbot.config.load import load
from opsbot.config.model import Configuration
from opsbot.core.context import PartState
from opsbot.core.errors import ChannelUnavailableError

WITHIN_S = 30.0
PAGES = 80
LINES = [f"ERROR {number} {'x' * 900}" for number in range(600)]
CONFIG = """
name: alice
state_dir: state
channels:
  page: {kind: local, listen: "127.0.0.1:0"}
people:
  archy: {roles: [owner], ids: {page: archy}}
sources:
  app: {path: app.log}
operations:
  errors: {use: log_alert, source: app, patterns: [ERROR], tell: [archy@page]}
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    (tmp_path / "app.log").touch()
    (tmp_path / "config.yaml").write_text(CONFIG)
    return load(tmp_path / "config.yaml", {})


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Let there be no more room than for a few pages, or room again: for connections that are made from then on."""

    def set_full(is_full: bool) -> None:  # noqa: FBT001 - the two states of a disk
        monkeypatch.setattr(house, "SqliteStore", partial(SqliteStore, max_pages=PAGES) if is_full else SqliteStore)

    return set_full


class Houses:
    """The houses of a daemon, one after the other."""

    def __init__(self) -> None:
        self.up: list[House] = []


@asynccontextmanager
async def living(configuration: Configuration) -> AsyncIterator[Houses]:
    houses = Houses()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(daemon.run(configuration, lambda: None, houses.up.append))
        try:
            await until(lambda: bool(houses.up))
            yield houses
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(WITHIN_S):
            await asyncio.wait({running})


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.02)


def told(configuration: Configuration) -> Counter[str]:
    """Read what was ever to be told, whether it has left or not."""
    with closing(sqlite3.connect(configuration.state_dir / "opsbot.db")) as db:
        rows = db.execute("SELECT json_extract(fields, '$.text') FROM output WHERE kind = 'text'").fetchall()
    return Counter(text.removeprefix("[app] ") for (text,) in rows)


async def heard(houses: Houses) -> list[str]:
    """Read what stands in the owner's chat, nothing while it is away."""
    url, _, token = houses.up[-1].personal_links("page")[0][1].partition("#")
    with suppress(ChannelUnavailableError):
        async with LocalClient(url, token.removeprefix("token=")) as client:
            (chat,) = (await client.me()).chats
            return [said.text for said in await client.after(chat, 0)]
    return []


def is_followed(configuration: Configuration) -> bool:
    with closing(sqlite3.connect(configuration.state_dir / "opsbot.db")) as db:
        return bool(db.execute("SELECT count(*) FROM checkpoint").fetchone()[0])


async def overflow(configuration: Configuration, houses: Houses) -> None:
    """Write more than there is room for, and wait until the daemon has started over at least once."""
    await until(lambda: asyncio.to_thread(is_followed, configuration))
    log = configuration.sources["app"].path
    assert log is not None
    await asyncio.to_thread(log.write_text, "".join(f"{line}\n" for line in LINES))
    await until(lambda: len(houses.up) >= 2)


async def test_everything_arrives_exactly_once_when_there_is_room_again(
    configuration: Configuration, full: Callable[[bool], None]
) -> None:
    full(True)
    async with living(configuration) as houses:
        await overflow(configuration, houses)
        full(False)

        async def is_all_told() -> bool:
            return set(LINES) <= set(await asyncio.to_thread(told, configuration))

        await until(is_all_told)
        arrived = await asyncio.to_thread(told, configuration)

    assert {line: arrived[line] for line in LINES} == dict.fromkeys(LINES, 1)


async def test_owner_hears_that_the_daemon_stands_still_and_that_it_goes_on(
    configuration: Configuration, full: Callable[[bool], None]
) -> None:
    full(True)
    async with living(configuration) as houses:
        await overflow(configuration, houses)
        full(False)

        async def is_told() -> bool:
            return any("I could not write my state since" in text for text in await heard(houses))

        await until(is_told)
        stood_still = [text for text in await heard(houses) if "alice cannot write its state" in text]

    assert len(stood_still) == 1
    assert "the disk is full" in stood_still[0]


async def test_stop_is_obeyed_while_the_daemon_stands_still(
    configuration: Configuration, full: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outage, "delay_s", 3600.0)
    full(True)
    async with living(configuration) as houses:
        log = configuration.sources["app"].path
        assert log is not None
        await until(lambda: asyncio.to_thread(is_followed, configuration))
        await asyncio.to_thread(log.write_text, "".join(f"{line}\n" for line in LINES))
        await until(lambda: any(part.state == PartState.FATAL for part in houses.up[0].parts.all()))

    assert len(houses.up) == 1  # it has ended, in time
