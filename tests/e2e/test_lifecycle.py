"""How a daemon ends, reloads, and keeps to itself: signals, a second instance, files, and what must never be read anywhere."""

import asyncio
import signal
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.e2e.pair import ARCHY, PAIR_KEY, PAYLOADS, TOKEN, Pair, Side, is_picture_of, paired

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

BOB = "wxid_bob"
STATE = r"as far as its log says\.$"
STOPS_WITHIN_S = 6.0
REFUSES_WITHIN_S = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with paired(tmp_path_factory.mktemp("pair")) as pair:
        yield pair


@pytest_asyncio.fixture(loop_scope="module")
async def pair(both: Pair) -> Pair:
    await both.tidy()
    return both


@pytest_asyncio.fixture(loop_scope="module")
async def alice(pair: Pair) -> Side:
    return pair.alice


async def take_seconds_to_stop(side: Side) -> tuple[int, float]:
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    return await side.daemon.stop(), loop.time() - begun_s


async def test_sigterm_stops_it_with_status_0_in_time(alice: Side) -> None:
    status, took_s = await take_seconds_to_stop(alice)

    assert (status, took_s < STOPS_WITHIN_S) == (0, True)


async def test_sigterm_stops_it_in_time_while_a_command_runs_and_the_gateway_does_not_answer(alice: Side) -> None:
    await alice.gateway.message(ARCHY, "ponder")
    await alice.tells("^pondering$")
    alice.gateway.freeze()
    try:
        status, took_s = await take_seconds_to_stop(alice)
    finally:
        alice.gateway.thaw()

    assert (status, took_s < STOPS_WITHIN_S) == (0, True)


async def run_again(side: Side) -> tuple[int, str]:
    """Start a second daemon on the same configuration; gives its exit status and what it wrote to stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "opsbot", "run", "-c", str(side.daemon.config)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=side.daemon.environment,
    )
    try:
        async with asyncio.timeout(REFUSES_WITHIN_S):
            _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, errors.decode()


async def test_second_instance_on_the_same_state_refuses_with_one_clear_line(alice: Side) -> None:
    status, errors = await run_again(alice)

    assert status != 0
    assert len(errors.strip().splitlines()) == 1
    assert all(word in errors for word in (str(alice.database.parent), str(alice.daemon.pid)))


async def test_first_instance_is_not_disturbed_by_a_second_one(alice: Side) -> None:
    log = len(alice.daemon.log)
    await run_again(alice)
    await alice.answers(STATE, "rescue_bob status")

    assert not [line for line in alice.daemon.log[log:] if line.get("level") in ("warning", "error")]


async def rewrite(side: Side, old: str, new: str) -> str:
    """Change the configuration file; gives what it was."""
    text = await asyncio.to_thread(side.daemon.config.read_text)
    assert old in text
    await asyncio.to_thread(side.daemon.config.write_text, text.replace(old, new))
    return text


@pytest.mark.parametrize(
    ("new", "says"),
    [
        ("use: qr_rescu", "qr_rescu"),
        ("nonsense: true\n    use: qr_rescue", "nonsense"),
        ("use: qr_rescue\n    push_minutes: never", "push_minutes"),
        ("use: [qr_rescue", "alice.yaml:"),
    ],
)
async def test_bad_configuration_is_not_taken_over_at_sighup_and_it_says_why(alice: Side, new: str, says: str) -> None:
    log = len(alice.daemon.log)
    before = await rewrite(alice, "use: qr_rescue", new)
    try:
        alice.daemon.send_signal(signal.SIGHUP)
        line = await alice.daemon.wait_logged(lambda line: line.get("event") == "configuration not reloaded", after=log)
    finally:
        await asyncio.to_thread(alice.daemon.config.write_text, before)

    assert says in line["problems"]
    await alice.answers(STATE, "rescue_bob status")


async def test_good_configuration_takes_effect_at_sighup_in_the_same_process(alice: Side) -> None:
    pid = alice.daemon.pid
    before = await rewrite(alice, "\nlog: {file", "\nlanguage: zh\nlog: {file")
    try:
        await reload(alice)
        await alice.answers("据日志，bob@wechat 已登录", "rescue_bob status")
    finally:
        await asyncio.to_thread(alice.daemon.config.write_text, before)
        await reload(alice)

    assert alice.daemon.pid == pid


async def reload(side: Side) -> None:
    log = len(side.daemon.log)
    side.daemon.send_signal(signal.SIGHUP)
    await side.settle(log)


async def test_nothing_is_written_to_stdout(pair: Pair) -> None:
    await rescue(pair)

    for side in pair.sides:
        assert await asyncio.to_thread(side.daemon.stdout_file.read_bytes) == b""


async def rescue(pair: Pair) -> str:
    """Let bob fall out and come back, so that all that is ever written was written; gives the code."""
    payload = next(PAYLOADS)
    await pair.bob.falls_out()
    await pair.bob.scans(payload)
    await pair.alice.gateway.wait_sent(is_picture_of(payload, ARCHY))
    await pair.alice.answers("Scan with", "qr", ARCHY)
    await pair.bob.gateway.login(BOB)
    await pair.alice.tells("is back")
    return payload


def files_in(directory: Path) -> set[str]:
    """List the files of a deployment: what the gateways and pm2 keep beside it is theirs."""
    found = {path.relative_to(directory) for path in directory.rglob("*") if not path.is_dir()}
    return {str(path) for path in found if not path.parts[0].startswith(("gateway-", "pm2"))}


async def test_nothing_is_written_but_state_and_the_account_log(pair: Pair) -> None:
    await rescue(pair)
    found = await asyncio.to_thread(files_in, pair.directory)
    ours = {f"{name}{suffix}" for name in ("alice", "bob") for suffix in (".yaml", ".stdout")}
    theirs = {name for name in found if not name.startswith(("state/alice/", "state/bob/"))}

    assert theirs - ours == {"logs/alice.log", "logs/bob.log"}


def modes_of(paths: Iterable[Path]) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths}


async def test_state_is_for_its_owner_alone_and_the_account_log_for_its_group_too(pair: Pair) -> None:
    await rescue(pair)
    state = pair.alice.database.parent
    modes = await asyncio.to_thread(lambda: modes_of([state, *state.iterdir()]))

    assert (modes.pop("alice"), modes.pop("rules")) == (0o700, 0o700)
    assert set(modes.values()) == {0o600}
    assert await asyncio.to_thread(modes_of, [pair.bob.log_file]) == {"bob.log": 0o640}


def rows_with(database: Path, needles: Iterable[str]) -> set[str]:
    """Give in which tables of a database something can be read."""
    found = set()
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608 - a name from the schema
                cells = " ".join(cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell) for cell in row)
                found |= {table} if any(needle in cells for needle in needles) else set()
    return found


async def test_login_code_stands_in_no_log_of_a_daemon(pair: Pair) -> None:
    payload = await rescue(pair)
    wanted = {payload, quote(payload, safe=""), payload.rpartition("/")[2]}

    for side in pair.sides:
        assert [line for line in side.daemon.log if any(needle in str(line) for needle in wanted)] == []


async def test_login_code_stands_in_the_database_as_the_picture_and_the_place_in_the_log_and_nowhere_else(pair: Pair) -> None:
    payload = await rescue(pair)
    await pair.alice.answers(STATE, "rescue_bob status")
    tail = payload.rpartition("/")[2]

    assert await asyncio.to_thread(rows_with, pair.alice.database, [tail]) <= {"output", "checkpoint"}
    assert await asyncio.to_thread(rows_with, pair.bob.database, [tail]) == set()


async def test_token_and_pair_key_stand_in_no_log_and_no_database(pair: Pair) -> None:
    await rescue(pair)
    secrets = (TOKEN, PAIR_KEY)

    for side in pair.sides:
        assert [line for line in side.daemon.log if any(secret in str(line) for secret in secrets)] == []
        assert await asyncio.to_thread(rows_with, side.database, secrets) == set()
