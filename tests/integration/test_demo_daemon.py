"""The demo's processes, with a small stand-in for the daemon."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from opsbot.adapters.channels.simulated.account import Owner
from opsbot.adapters.channels.simulated.hub import Hub
from opsbot.adapters.channels.simulated.restart import restart_daemon
from opsbot.adapters.clock import SystemClock
from opsbot.config.load import load
from opsbot.core.errors import ChannelUnavailableError, CommandError, StateError
from opsbot.demo import _free_port, _sole_use_of, config_text, read_hub
from opsbot.demo_daemon import Daemon, DaemonCommand, DaemonState

PATIENCE_S = 20.0
STAND_IN = """
import http.server, signal, sys
signal.signal(signal.SIGTERM, {on_term})
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({status})
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
"""
GOES = "lambda *_: sys.exit(0)"


class HastyClock(SystemClock):
    """Does not wait long for a back-off."""

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(min(delay_s, 0.02))


def a_command(directory: Path, *, on_term: str = GOES, status: int = 200, program: str = STAND_IN) -> DaemonCommand:
    port = _free_port()
    script = program.replace("{on_term}", on_term).replace("{status}", str(status)).replace("{port}", str(port))
    return DaemonCommand(
        name="bob",
        argv=[sys.executable, "-c", script],
        env=dict(os.environ),
        log_file=directory / "bob.daemon.log",
        port=port,
        end_within_s=0.3,
    )


@asynccontextmanager
async def running(command: DaemonCommand) -> AsyncIterator[Daemon]:
    daemon = Daemon(command, HastyClock(), lambda _: None)
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(daemon.keep_running())
        yield daemon
        keeper.cancel()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_daemon_is_ready_when_its_health_check_says_so(tmp_path: Path) -> None:
    async with running(a_command(tmp_path)) as daemon:
        assert await daemon.wait_until(DaemonState.READY)


async def test_a_daemon_that_is_not_healthy_is_not_ready(tmp_path: Path) -> None:
    async with running(a_command(tmp_path, status=503)) as daemon:
        await daemon.wait_until(DaemonState.STARTING)

        assert not await daemon.wait_until(DaemonState.READY, within_s=0.5)


async def test_a_restart_replaces_the_process_and_says_how_it_goes(tmp_path: Path) -> None:
    async with running(a_command(tmp_path)) as daemon:
        await daemon.wait_until(DaemonState.READY)
        before = daemon.pid
        lines = [line async for line in daemon.restart()]
        after = daemon.pid

    assert lines[:3] == [f"stopping bob (pid {before})", "bob ended with exit status 0", f"bob started (pid {after})"]
    assert lines[3].startswith("bob is ready after ")
    assert before != after


async def test_a_daemon_that_is_killed_comes_back(tmp_path: Path) -> None:
    async with running(a_command(tmp_path)) as daemon:
        await daemon.wait_until(DaemonState.READY)
        before = daemon.pid
        os.kill(before, signal.SIGKILL)
        await daemon.wait_until(DaemonState.ENDED)

        assert await daemon.wait_until(DaemonState.READY)
        assert daemon.pid != before


async def test_a_daemon_that_never_starts_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    daemon = Daemon(a_command(tmp_path, program="raise SystemExit('no way')"), HastyClock(), lambda _: None)

    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(StateError, match=r"no way .*bob\.daemon\.log"):
            await daemon.keep_running()


async def test_a_daemon_that_will_not_end_is_killed(tmp_path: Path) -> None:
    async with running(a_command(tmp_path, on_term="signal.SIG_IGN")) as daemon:
        await daemon.wait_until(DaemonState.READY)
        pid = daemon.pid

    assert not is_alive(pid)


async def test_a_restart_is_asked_for_through_the_hub() -> None:
    async def restart() -> AsyncIterator[str]:
        yield "stopping bob (pid 1)"
        yield "鲍勃"

    async with a_hub_with(restart) as hub:
        lines = [line async for line in restart_daemon(hub.origin, hub.token, "bob")]

    assert lines == ["stopping bob (pid 1)", "鲍勃"]


async def test_nobody_restarts_a_daemon_that_is_not_there() -> None:
    async with a_hub_with(None) as hub:
        with pytest.raises(CommandError, match="carol"):
            _ = [line async for line in restart_daemon(hub.origin, hub.token, "carol")]


async def test_nobody_restarts_a_daemon_without_the_token() -> None:
    async with a_hub_with(None) as hub:
        with pytest.raises(CommandError, match="token"):
            _ = [line async for line in restart_daemon(hub.origin, "wrong", "bob")]


async def test_a_demo_that_is_gone_is_said_to_be_unavailable() -> None:
    with pytest.raises(ChannelUnavailableError):
        _ = [line async for line in restart_daemon(f"http://127.0.0.1:{_free_port()}", "token", "bob")]


@asynccontextmanager
async def a_hub_with(restart: object) -> AsyncIterator[Hub]:
    daemons = {"bob": restart}

    def of(name: str) -> AsyncIterator[str]:
        lines: AsyncIterator[str] = daemons[name]()  # type: ignore[operator]
        return lines

    async with asyncio.timeout(PATIENCE_S), Hub([Owner("bob", "bob")], SystemClock(), restart=of) as hub:
        yield hub


@pytest.mark.parametrize(("name", "partner"), [("alice", "bob"), ("bob", "alice")])
def test_the_demos_configurations_are_good_ones(tmp_path: Path, name: str, partner: str) -> None:
    (tmp_path / "pair-key").write_text("0123456789abcdef0123456789abcdef\n")
    (tmp_path / "pair-key").chmod(0o600)
    file = tmp_path / f"{name}.yaml"
    file.write_text(config_text(name, partner, "http://127.0.0.1:9001", 9002, tmp_path / "a $dir: #x"))

    configuration = load(file, {})

    assert set(configuration.operations) == {f"rescue_{partner}", partner}


def test_two_demos_do_not_share_a_directory(tmp_path: Path) -> None:
    with _sole_use_of(tmp_path), pytest.raises(StateError, match="another demo"), _sole_use_of(tmp_path):
        pass


def test_without_a_demo_there_is_nobody_to_ask_for_a_restart(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no demo runs"):
        read_hub(tmp_path)
