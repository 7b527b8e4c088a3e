"""What `opsbot doctor` says of sources and rules, beside a daemon at work or without one, and that it changes nothing."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from opsbot.adapters.stores.sqlite import SqliteStore
from opsbot.adapters.stores.sqlite.glance import checkpoints_in
from opsbot.app import source_check
from opsbot.app.preparation import prepare
from opsbot.app.source_check import source_findings
from opsbot.config.load import load
from opsbot.core.change import Change
from opsbot.core.errors import StateError
from opsbot.core.finding import Level
from opsbot.core.log import UNNAMED, Checkpoint, Rule, RuleFigures

CONFIG = """
name: alice
state_dir: state
channels:
  page: {kind: local, listen: "127.0.0.1:0"}
people:
  archy: {roles: [owner], ids: {page: archy}}
sources:
  app: {path: logs/*.log}
operations:
  errors: {use: log_alert, source: app, patterns: [ERROR, WARN], tell: [archy@page]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "logs").mkdir()
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "logs" / "a.log").write_bytes(b"x" * 1000)
    (tmp_path / "logs" / "b.log").write_bytes(b"x" * 200)
    return tmp_path


def found(folder: Path) -> dict[str, tuple[Level, str]]:
    configuration = load(folder / "config.yaml", {})
    return {one.check_id: (one.level, str(one)) for one in source_findings(configuration, prepare(configuration))}


def a_checkpoint(file: Path, offset: int) -> Checkpoint:
    status = file.stat()
    return Checkpoint(source="app", path=str(file), device=status.st_dev, inode=status.st_ino, offset=offset)


async def have_read(folder: Path, store: SqliteStore, **offsets: int) -> None:
    files = {name: folder / "logs" / f"{name}.log" for name in offsets}
    checkpoints = [await asyncio.to_thread(a_checkpoint, files[name], offset) for name, offset in offsets.items()]
    await store.commit(Change(checkpoints=tuple(checkpoints)))


def everything_in(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Give all files with what they hold and when they were changed."""
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.rglob("*")) if path.is_file()}


# --- how far it was read


def test_source_that_no_daemon_has_read_says_so(folder: Path) -> None:
    assert found(folder)["source.app"] == (Level.OK, "ok   source.app: 2 file(s), 1.2 KB; never read yet; woken by inotify")


async def test_lag_is_what_is_there_less_what_was_committed_while_the_daemon_runs(folder: Path) -> None:
    async with SqliteStore(folder / "state" / "opsbot.db") as store:
        await have_read(folder, store, a=400, b=200)

        assert "; 600 bytes behind;" in (await asyncio.to_thread(found, folder))["source.app"][1]


async def test_lag_is_known_after_the_daemon_has_ended(folder: Path) -> None:
    async with SqliteStore(folder / "state" / "opsbot.db") as store:
        await have_read(folder, store, a=1000, b=200)

    assert "; read to the end;" in (await asyncio.to_thread(found, folder))["source.app"][1]


async def test_file_without_a_checkpoint_has_not_been_begun(folder: Path) -> None:
    async with SqliteStore(folder / "state" / "opsbot.db") as store:
        await have_read(folder, store, a=400)

    assert "; 600 bytes behind, 1 file(s) not begun;" in (await asyncio.to_thread(found, folder))["source.app"][1]


# --- it changes nothing


LOOK = """
import sys
from pathlib import Path
from opsbot.adapters.stores.sqlite.glance import checkpoints_in
print([each.offset for each in checkpoints_in(Path(sys.argv[1]))["app"]])
"""


def look_from_outside(folder: Path) -> str:
    """Look from another process: connections of one process share what they know of the -shm."""
    argv = [sys.executable, "-c", LOOK, str(folder / "state" / "opsbot.db")]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout  # noqa: S603 - argv


async def test_doctor_beside_a_daemon_changes_nothing(folder: Path) -> None:
    async with SqliteStore(folder / "state" / "opsbot.db") as store:
        await have_read(folder, store, a=400)
        before = await asyncio.to_thread(everything_in, folder)

        assert await asyncio.to_thread(look_from_outside, folder) == "[400]\n"
        assert await asyncio.to_thread(everything_in, folder) == before


async def test_doctor_without_a_daemon_leaves_no_file_behind(folder: Path) -> None:
    async with SqliteStore(folder / "state" / "opsbot.db") as store:
        await have_read(folder, store, a=400)
    before = await asyncio.to_thread(everything_in, folder)
    await asyncio.to_thread(found, folder)

    assert await asyncio.to_thread(everything_in, folder) == before


KILLED = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("UPDATE checkpoint SET position = 900")
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_doctor_after_a_kill_reads_the_last_commit_and_changes_nothing(folder: Path) -> None:
    database = folder / "state" / "opsbot.db"
    async with SqliteStore(database) as store:
        await have_read(folder, store, a=400)
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", KILLED, str(database)], check=False)
    before = await asyncio.to_thread(everything_in, folder)

    assert "; 100 bytes behind, 1 file(s) not begun;" in (await asyncio.to_thread(found, folder))["source.app"][1]
    assert await asyncio.to_thread(everything_in, folder) == before


async def test_doctor_does_not_wait_for_a_transaction(folder: Path) -> None:
    async with SqliteStore(folder / "state" / "opsbot.db") as store:
        await have_read(folder, store, a=400)
        with closing(sqlite3.connect(folder / "state" / "opsbot.db", isolation_level=None, check_same_thread=False)) as db:
            db.execute("BEGIN IMMEDIATE")

            assert "; 600 bytes behind" in (await asyncio.to_thread(found, folder))["source.app"][1]


def test_database_of_the_first_version_can_be_looked_at(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "opsbot.db")) as db:
        db.execute("CREATE TABLE checkpoint (source, device, inode, path, position, marker)")
        db.execute("INSERT INTO checkpoint VALUES ('app', 1, 2, '/a.log', 3, '')")
        db.commit()

    expected = Checkpoint(source="app", path="/a.log", device=1, inode=2, offset=3, generation=UNNAMED)
    assert checkpoints_in(tmp_path / "opsbot.db") == {"app": [expected]}


def test_damaged_database_is_a_failure_with_the_mend(folder: Path) -> None:
    (folder / "state" / "opsbot.db").write_bytes(b"not a database " * 100)
    findings = found(folder)

    assert findings["state.database"][0] is Level.FAIL
    assert "move it away" in findings["state.database"][1]
    assert "source.app" in findings


def test_something_that_is_no_state_is_a_state_error(tmp_path: Path) -> None:
    (tmp_path / "opsbot.db").write_bytes(b"x" * 5000)

    with pytest.raises(StateError):
        checkpoints_in(tmp_path / "opsbot.db")


# --- what else matters of a source


@contextmanager
def a_daemon(folder: Path, stderr: Path) -> Iterator[None]:
    """Let a process hold the state directory that writes its errors into a file."""
    with (
        stderr.open("ab") as errors,
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stderr=errors) as process,
    ):
        (folder / "state" / "lock").write_text(f"{process.pid}\n")
        try:
            yield
        finally:
            os.kill(process.pid, signal.SIGKILL)


def test_file_that_the_daemon_writes_its_errors_to_is_left_out(folder: Path) -> None:
    with a_daemon(folder, folder / "logs" / "b.log"):
        said = found(folder)["source.app"][1]

    assert "1 file(s), 1.0 KB;" in said
    assert f"left out, as opsbot writes it itself: {folder}/logs/b.log" in said


def test_source_that_is_nothing_but_the_daemons_own_words_is_warned_about(folder: Path) -> None:
    (folder / "logs" / "a.log").unlink()
    with a_daemon(folder, folder / "logs" / "b.log"):
        level, said = found(folder)["source.app"]

    assert (level, "written by opsbot itself and never read" in said) == (Level.WARN, True)


def test_file_system_without_events_is_polled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_check, "silent", lambda directories: f"{next(iter(directories))} is on nfs4")

    assert f"polled: {folder}/logs is on nfs4" in found(folder)["source.app"][1]


def test_log_that_is_not_there_yet_is_a_warning(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / "logs" / f"{name}.log").unlink()

    assert found(folder)["source.app"][0] is Level.WARN


def test_path_that_is_a_directory_is_a_failure_with_the_mend(folder: Path) -> None:
    (folder / "config.yaml").write_text(CONFIG.replace("logs/*.log", "logs"))

    assert found(folder)["source.app"] == (Level.FAIL, f"fail source.app: {folder}/logs is a directory; path: {folder}/logs/*")


# --- commands


def with_command(folder: Path, command: str) -> str:
    """Give what is said of the source when it is a command."""
    (folder / "config.yaml").write_text(CONFIG.replace("path: logs/*.log", f"command: {command}"))
    return found(folder)["source.app"][1]


HINT = "run the command by hand: it must print, and ask for nothing"
PROTOCOL = "opsbot's tail --json: goes on where it was, nothing is lost while it is away"


def test_command_that_prints_lines_loses_what_nobody_hears(folder: Path) -> None:
    plain = "plain lines: what is printed while it is not running, or nobody listens, is lost"

    assert with_command(folder, "[sh, -c, x]") == f"ok   source.app: {shutil.which('sh')}; {plain}; {HINT}"


def test_command_that_is_opsbots_tail_goes_on(folder: Path) -> None:
    said = with_command(folder, "[sh, -c, opsbot tail --json /a.log]")

    assert said == f"ok   source.app: {shutil.which('sh')}; {PROTOCOL}; never read yet; {HINT}"


def test_command_that_keeps_its_own_state_says_what_may_be_lost(folder: Path) -> None:
    said = with_command(folder, "[sh, -c, opsbot tail --json --state x /a.log]")

    assert "with --state: it remembers by itself; what is on its way when the connection breaks is lost;" in said


async def test_last_positions_of_a_command_are_shown_without_starting_it(folder: Path) -> None:
    ends = Checkpoint(source="app", path="/b.log.1.gz", device=7, inode=9, offset=12345, generation="consumed")
    async with SqliteStore(folder / "state" / "opsbot.db") as store:
        paths = [Checkpoint(source="app", path=f"/{name}.log", device=7, inode=ord(name), offset=ord(name)) for name in "gfedcba"]
        await store.commit(Change(checkpoints=(*paths, ends)))
    said = await asyncio.to_thread(with_command, folder, f"[sh, -c, 'touch {folder}/started; opsbot tail --json']")

    shown = ", ".join(f"/{name}.log to byte {ord(name)}" for name in "abcde")
    assert f"{PROTOCOL}; read {shown} and 2 more; {HINT}" in said
    assert not await asyncio.to_thread((folder / "started").exists)


def test_program_that_may_not_be_run_is_a_failure_with_the_mend(folder: Path) -> None:
    program = folder / "program"
    program.write_text("x")

    assert with_command(folder, f"[{program}]") == f"fail source.app: {program} may not be run by this user; chmod +x {program}"


# --- rules


class Searched:
    """A matcher of which only the figures matter."""

    def __init__(self, *engines: tuple[str, str]) -> None:
        self._engines = engines

    def __call__(self, rules: Sequence[Rule], **_: object) -> "Searched":
        self._rules = rules
        return self

    def figures(self) -> Sequence[RuleFigures]:
        return [RuleFigures(name=r.name, engine=e, reason=why) for r, (e, why) in zip(self._rules, self._engines, strict=True)]


def machine(monkeypatch: pytest.MonkeyPatch, *engines: tuple[str, str], has_hyperscan: bool = True) -> None:
    monkeypatch.setattr(source_check, "matcher_for", Searched(*engines))
    monkeypatch.setattr(source_check, "lacks", lambda: "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if has_hyperscan and name == "hyperscan" else None)


def test_rules_are_counted_by_engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, ("hyperscan", ""), ("re2", ""))
    findings = found(folder)

    assert findings["rules.app"] == (Level.OK, "ok   rules.app: 2 rule(s): hyperscan 1, re2 1")
    assert "rules.app.slow" not in findings


def test_rule_on_the_slow_path_is_named_with_the_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, ("hyperscan", ""), ("re", "it looks behind"))

    assert found(folder)["rules.app.slow"] == (
        Level.WARN,
        "warn rules.app.slow: on the slow path (it looks behind): errors: WARN; write them without that",
    )


def test_machine_without_the_fast_engine_is_told_once_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, ("re", "no hyperscan"), ("re", "no hyperscan"), has_hyperscan=False)
    findings = found(folder)

    assert findings["matching.engine"][0] is Level.WARN
    assert findings["matching.engine"][1].endswith("; pip install 'opsbot[fast]'")
    assert "rules.app.slow" not in findings


def test_processor_that_the_fast_engine_cannot_use_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, ("re2", "this processor has no avx2"), ("re", "this processor has no avx2"))
    monkeypatch.setattr(source_check, "lacks", lambda: "avx2")
    findings = found(folder)

    assert "this processor has no avx2" in findings["matching.engine"][1]
    assert "rules.app.slow" not in findings


def test_every_real_rule_has_an_engine(folder: Path) -> None:
    assert found(folder)["rules.app"][1].startswith("ok   rules.app: 2 rule(s): ")
