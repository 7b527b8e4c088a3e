"""Nasty cases that have their place nowhere else; the table of all of them is in docs/tailing.md."""

import asyncio
import gzip
import os
import shutil
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.sources.file.archive import Archive
from opsbot.adapters.sources.file.ledger import Ledger
from opsbot.adapters.sources.file.place import Entry
from opsbot.adapters.sources.file.source import FileSource
from opsbot.adapters.stores.sqlite.store import SqliteStore
from opsbot.config.load import load
from opsbot.config.model import Configuration
from opsbot.core.change import Change
from opsbot.core.log import Rule
from tests.integration.followed_log import FollowedLog, StoppedClock, append
from tests.integration.test_daemon_life import living

PATIENCE_S = 30.0
LONG_WAIT_S = 31.0
LINES = [f"2026-11-20 10:00:{number:02} line {number}" for number in range(60)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.touch()
    return path


# Moved over the border of a file system: another inode, the same content


@pytest.mark.parametrize(("repeated", "told_again"), [(3, 0), (1, 1)])
def test_log_that_was_moved_to_another_file_system_and_back_is_known_again_from_4_kib_on(
    log: Path, repeated: int, told_again: int
) -> None:
    elsewhere = log.with_name("elsewhere")
    with FollowedLog(log) as followed:
        append(log, *LINES * repeated)
        followed.read()
        shutil.copyfile(log, elsewhere)
        log.unlink()
        followed.read_after(1)
        shutil.copyfile(elsewhere, log)
        append(log, "added since")

        assert followed.read() == [*LINES * told_again, "added since"]


# Rewritten in place


def test_log_of_which_only_the_first_lines_are_kept_tells_them_again_and_loses_nothing(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES[:10])
        followed.read()
        os.truncate(log, len("".join(f"{line}\n" for line in LINES[:4])))
        append(log, "new")

        assert (followed.read(), followed.gaps) == ([*LINES[:4], "new"], [])


def test_log_of_which_only_the_last_lines_are_kept_tells_them_again_and_loses_nothing(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES[:50])
        followed.read()
        log.write_text("".join(f"{line}\n" for line in [*LINES[40:50], "new"]))

        assert (followed.read(), followed.gaps) == ([*LINES[40:50], "new"], [])


def test_ring_of_constant_size_is_read_once_per_rewriting_and_not_while_it_rests(log: Path) -> None:
    def fill(turn: int) -> list[str]:
        lines = [f"{turn} {line}" for line in LINES[:20]]
        with log.open("r+b") as ring:
            ring.write("".join(f"{line}\n" for line in lines).encode())
        return lines

    with FollowedLog(log) as followed:
        first = fill(1)
        told = [followed.read(), followed.read_after(5), followed.read_after(LONG_WAIT_S)]
        second = fill(2)
        told += [followed.read(), followed.read_after(5)]

        assert told == [first, [], [], second, []]


# Many, and gone


class RunningClock(StoppedClock):
    """How long a look takes decides how often there is one."""

    def monotonic_s(self) -> float:
        return time.monotonic()


def test_ten_thousand_files_that_appear_at_once_are_all_read(tmp_path: Path) -> None:
    with FollowedLog(tmp_path / "*.log", clock=RunningClock()) as followed:
        for number in range(10_000):
            append(tmp_path / f"{number:05}.log", f"{number}")

        assert sorted(map(int, followed.read())) == list(range(10_000))


@pytest.mark.parametrize("is_rotated", [False, True])
def test_files_that_appear_at_once_get_their_names_in_one_batch_before_they_are_read(tmp_path: Path, *, is_rotated: bool) -> None:
    logs = [tmp_path / f"{number}.log" for number in range(100)]
    with FollowedLog(tmp_path / "*.log") as followed:
        if is_rotated:
            for log in logs:
                append(log, "old")
            followed.read()
            for log in logs:
                log.rename(f"{log}.1")
        for log in logs:
            append(log, "new")
        before = len(followed.batches)
        followed.read()
        names, records = followed.batches[before:]

        assert (len(names.records), len(records.records)) == (0, 100)
        assert {each.checkpoint.generation for each in records.records} <= {each.generation for each in names.checkpoints}


def test_hundreds_of_logs_that_are_copied_and_truncated_at_once_are_looked_for_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = [tmp_path / f"{number:03}.log" for number in range(300)]
    for log in logs:
        append(log, f"{log.name} consumed")
    with FollowedLog(tmp_path / "*.log", read_from="beginning", clock=RunningClock()) as followed:
        followed.read()
        for log in logs:
            append(log, f"{log.name} late")
            shutil.copy2(log, f"{log}.1")
            os.truncate(log, 0)
            append(log, f"{log.name} new")
        looks: list[Ledger] = []
        look = Ledger.reconcile

        def counted(ledger: Ledger) -> None:
            looks.append(ledger)
            look(ledger)

        monkeypatch.setattr(Ledger, "reconcile", counted)
        lines = followed.read()

    assert sorted(lines) == sorted(f"{log.name} {what}" for log in logs for what in ("late", "new"))
    assert len(looks) < 30


def test_compressed_rotation_that_is_deleted_while_it_is_read_can_still_be_named(tmp_path: Path) -> None:
    path = tmp_path / "app.log.1.gz"
    path.write_bytes(gzip.compress(b"one\n"))
    status = path.stat()
    entry = Entry(path=str(path), family=str(tmp_path / "app.log"), is_matched=False, real=str(path))
    entry.identity = (status.st_dev, status.st_ino)
    archive = Archive(entry, 1000, "utf-8")
    archive.unpacks()
    path.unlink()
    try:
        assert archive.origin()
    finally:
        archive.close()


# Two rule sets, and rules that change


async def test_two_sources_on_one_file_have_rules_and_checkpoints_of_their_own(log: Path, tmp_path: Path) -> None:
    async def run(store: SqliteStore, name: str, rule: str, wanted: int) -> list[str]:
        checkpoints = await store.checkpoints(name)
        source = FileSource(name, str(log), RegexMatcher([Rule(rule)]), checkpoints, clock=SystemClock(), read_from="beginning")
        texts: list[str] = []
        async with source, asyncio.timeout(PATIENCE_S):
            async for batch in source.batches():
                await store.commit(Change(checkpoints=batch.checkpoints))
                texts += [record.text for record in batch.records]
                if len(texts) >= wanted:
                    break
        return texts

    async with SqliteStore(tmp_path / "opsbot.db") as store:
        append(log, "ERROR one", "login one")
        errors = await run(store, "errors", "ERROR", 1)
        append(log, "ERROR two", "login two")
        errors += await run(store, "errors", "ERROR", 1)
        logins = await run(store, "logins", "login", 2)

    assert (errors, logins) == (["ERROR one", "ERROR two"], ["login one", "login two"])


CONFIG = """
name: solo
channels:
  page: {{kind: local, listen: "127.0.0.1:0"}}
people:
  archy: {{roles: [owner], ids: {{page: archy}}}}
sources:
  app: {{path: app.log, read_from: beginning}}
operations:
  errors: {{use: log_alert, source: app, patterns: {patterns}, tell: [archy@page]}}
"""
WRITTEN = [f"ERROR {number}" for number in range(600)]


async def test_rules_that_are_reloaded_in_the_middle_of_a_burst_lose_nothing_and_double_nothing(log: Path) -> None:
    loaded: list[int] = []

    def configuration() -> Configuration:
        loaded.append(1)
        file = log.with_name("config.yaml")
        file.write_text(CONFIG.format(patterns=["ERROR", *(f"never {number}" for number in range(len(loaded)))]))
        return load(file, {})

    first = await asyncio.to_thread(configuration)
    async with living(first, configuration) as life:
        for part in range(4):
            append(log, *WRITTEN[part * 150 : part * 150 + 75])
            if part < 3:
                os.kill(os.getpid(), signal.SIGHUP)
            for line in WRITTEN[part * 150 + 75 : part * 150 + 150]:
                append(log, line)
                await asyncio.sleep(0)
            await life.is_ready(min(part + 2, 4))
        async with asyncio.timeout(PATIENCE_S):
            while sum((await asyncio.to_thread(told, first)).values()) < len(WRITTEN):  # noqa: ASYNC110 a database wakes nobody
                await asyncio.sleep(0.02)

    assert told(first) == Counter(WRITTEN)


def told(configuration: Configuration) -> Counter[str]:
    """Read what was ever to be told, whether it has left or not."""
    with closing(sqlite3.connect(configuration.state_dir / "opsbot.db")) as db:
        rows = db.execute("SELECT json_extract(fields, '$.text') FROM output WHERE kind = 'text'").fetchall()
    return Counter(text.removeprefix("[app] ") for (text,) in rows)
