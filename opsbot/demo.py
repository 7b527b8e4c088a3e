"""`opsbot demo`: two real daemons on a simulated platform, and a page that shows both."""

import asyncio
import fcntl
import json
import os
import secrets
import signal
import socket
import sys
import webbrowser
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from opsbot.adapters.channels.local.tokens import read_tokens
from opsbot.adapters.channels.simulated.account import Owner
from opsbot.adapters.channels.simulated.hub import LOOPBACK, Hub
from opsbot.adapters.channels.simulated.restart import restart_daemon
from opsbot.adapters.clock import SystemClock
from opsbot.core.change import Json
from opsbot.core.errors import ChannelUnavailableError, StateError
from opsbot.demo_daemon import Daemon, DaemonCommand, DaemonState

__all__ = ["read_hub", "restart_daemon", "run_demo"]

PARTNERS = {"alice": "bob", "bob": "alice"}
OWNERS = (Owner("alice", "Alice"), Owner("bob", "Bob"), Owner("archy", "Archy", has_gateway=False))
HUB_FILE = "hub.json"
PAIR_KEY_FILE = "pair-key"

GREETING = """\
alice and bob are up. Open the page; Ctrl-C ends the demo.

    {url}

Their configurations and logs are in {directory}
"""

CONFIG = """\
# {name}: one half of the demo. Everything but the account is what you would write for a real pair of bots.
name: {name}
state_dir: {name}
language: {language}
pair_key_file: pair-key

log:
  file: {name}.log                # what happens to {name}'s account; {partner} reads it

channels:
  sim:
    kind: simulated               # for a real account: kind: wechaty
    hub: {hub}
    account: {name}
  page:
    kind: local
    listen: {listen}

people:
  archy:
    roles: [owner]
    ids: {{sim: archy, page: archy}}
  {partner}:
    roles: [bot]
    ids: {{sim: {partner}}}

sources:
  {partner}:
    path: {partner}.log

operations:
  rescue_{partner}:
    use: qr_rescue
    source: {partner}
    partner: {partner}@sim
    tell: [archy@page, {partner}@sim]
    login_test: "#ping"
  {partner}:
    use: shell_exec
    commands:
      restart: {restart}
"""


async def run_demo(
    port: int | None,
    state_dir: Path,
    open_browser: bool,  # noqa: FBT001 - the command line's flag
    *,
    code_life_s: float = 30.0,
) -> None:
    """Run the demo until SIGINT, SIGTERM or SIGHUP, and print the address of its page; `port` None takes a free one.

    A login code that nobody scans is replaced after `code_life_s`.

    Raises:
        StateError: another demo runs in `state_dir`, it cannot be written, a port is taken, or a daemon does not start.
    """
    is_over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, is_over.set)
    async with AsyncExitStack() as stack:
        directory = await asyncio.to_thread(stack.enter_context, _sole_use_of(state_dir))
        try:
            async with _platform(port or 0, directory, code_life_s) as url:
                _say(GREETING.format(url=url, directory=directory))
                if open_browser:
                    await asyncio.to_thread(webbrowser.open, url)
                await is_over.wait()
        except* StateError as group:
            raise StateError("; ".join(str(error) for error in group.exceptions)) from group


def read_hub(state_dir: Path) -> tuple[str, str]:
    """Give the address and the token of the demo that runs in a directory. Blocking.

    Raises:
        StateError: none runs there.
    """
    try:
        hub = json.loads((state_dir / HUB_FILE).read_text(encoding="utf-8"))
        return str(hub["url"]), str(hub["token"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"no demo runs in {state_dir}; start one with `opsbot demo`") from error


@asynccontextmanager
async def _platform(port: int, directory: Path, code_life_s: float) -> AsyncIterator[str]:
    """Run the hub and both daemons; gives the page's address once both are ready."""
    clock = SystemClock()
    daemons: dict[str, Daemon] = {}
    ports = {name: _free_port() for name in PARTNERS}
    origins = [f"http://{LOOPBACK}:{one}" for one in ports.values()]
    hub = Hub(
        OWNERS,
        clock,
        port=port,
        refresh_s=code_life_s,
        restart=lambda name: daemons[name].restart(),
        frame_origins=origins,
    )
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(hub)
        except ChannelUnavailableError as error:
            raise StateError(f"{error}; choose another port") from error
        await asyncio.to_thread(_write_files, directory, hub, ports)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        shown = _Shown(hub, {})
        for name in PARTNERS:
            daemons[name] = daemon = Daemon(_command(name, directory, hub, ports[name]), clock, shown.take)
            stack.callback(tasks.create_task(daemon.keep_running(), name=f"keep:{name}").cancel)
        for daemon in daemons.values():
            if not await daemon.wait_until(DaemonState.READY):
                raise StateError(f"{daemon.name} does not get ready; its own words are in {daemon.command.log_file}")
            token = (await asyncio.to_thread(read_tokens, directory / daemon.name))["archy"]
            shown.urls[daemon.name] = f"http://{LOOPBACK}:{daemon.command.port}/#token={token}"
            shown.take(daemon)
        yield hub.url


@dataclass(slots=True)
class _Shown:
    """What the page is told about the daemons."""

    hub: Hub
    urls: dict[str, str]
    daemons: dict[str, Json] = field(
        default_factory=lambda: {name: {"state": DaemonState.STARTING.value, "pid": 0, "url": ""} for name in PARTNERS}
    )

    def take(self, daemon: Daemon) -> None:
        shown: dict[str, Json] = {"state": daemon.state.value, "pid": daemon.pid, "url": self.urls.get(daemon.name, "")}
        self.daemons = {**self.daemons, daemon.name: shown}
        self.hub.publish("daemons", self.daemons)


def _command(name: str, directory: Path, hub: Hub, port: int) -> DaemonCommand:
    return DaemonCommand(
        name=name,
        argv=[sys.executable, "-m", "opsbot", "run", "-c", str(directory / f"{name}.yaml")],
        env={**os.environ, "OPSBOT_HUB_TOKEN": hub.token, "OPSBOT_FRAME_ANCESTORS": hub.origin},
        log_file=directory / f"{name}.daemon.log",
        port=port,
    )


def _write_files(directory: Path, hub: Hub, ports: Mapping[str, int]) -> None:
    try:
        if not (directory / PAIR_KEY_FILE).exists():
            _write(directory / PAIR_KEY_FILE, secrets.token_urlsafe(32) + "\n")
        _write(directory / HUB_FILE, json.dumps({"url": hub.origin, "token": hub.token}))
        for name, partner in PARTNERS.items():
            _write(directory / f"{name}.daemon.log", "")
            _write(directory / f"{name}.yaml", config_text(name, partner, hub.origin, ports[name], directory))
    except OSError as error:
        raise StateError(f"{error.filename} cannot be written: {error.strerror}") from error


def config_text(name: str, partner: str, hub_origin: str, port: int, directory: Path) -> str:
    """Write the configuration of one of the two daemons."""
    restart = [sys.executable, "-m", "opsbot", "demo-restart", partner, "--state-dir", str(directory)]
    return CONFIG.format(
        name=name,
        partner=partner,
        language="zh" if _locale().startswith("zh") else "en",
        hub=hub_origin.removeprefix("http://"),
        listen=f"{LOOPBACK}:{port}",
        # JSON is YAML; a dollar would begin a variable.
        restart=json.dumps(restart, ensure_ascii=False).replace("$", "$$"),
    )


def _locale() -> str:
    return next((os.environ[key] for key in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(key)), "")


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


@contextmanager
def _sole_use_of(state_dir: Path) -> Iterator[Path]:
    """Make the directory and keep other demos out of it."""
    try:
        directory = state_dir.resolve()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / "demo.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(f"{error.filename} cannot be written: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateError(f"another demo runs in {directory}; end it, or use another directory") from error
        try:
            yield directory
        finally:
            (directory / HUB_FILE).unlink(missing_ok=True)
    finally:
        os.close(lock)


def _free_port() -> int:
    """Find a port that is free now: the daemon must come back at the same one, so it cannot choose."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
