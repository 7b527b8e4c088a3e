"""The check-up behind `opsbot doctor`: each check looks at one thing on this machine and says the mend."""

import asyncio
import json
import os
import shutil
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from opsbot.adapters.process.runner import ProcessRunner
from opsbot.app.channels import channels_with_accounts
from opsbot.app.scenes import Cast
from opsbot.app.source_check import source_findings
from opsbot.config.channel import AppriseSettings
from opsbot.config.model import Configuration
from opsbot.core.errors import ChannelUnavailableError, CommandError
from opsbot.core.finding import Finding, Level
from opsbot.core.ports import Channel

CONNECT_WITHIN_S = 20.0
KICKED_WITHIN_S = 3.0
FEW_INOTIFY_WATCHES = 8192
FEW_INOTIFY_INSTANCES = 16
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
BUSY = "another client holds the event stream"


async def check_up(configuration: Configuration, cast: Cast) -> AsyncIterator[Finding]:
    """Look at everything, the quick things first; a daemon may run meanwhile, and is not disturbed."""
    for problem in cast.load_failures:
        yield Finding("operations.load", Level.FAIL, str(problem), "mend the file; the other operations run without it")
    for finding in await asyncio.to_thread(_local_findings, configuration, cast):
        yield finding
    async for finding in _process_managers(configuration):
        yield finding
    for name, channel in channels_with_accounts(configuration):
        yield await _gateway(name, channel)


def _local_findings(configuration: Configuration, cast: Cast) -> list[Finding]:
    findings = [
        _clock(),
        _inotify("max_user_watches", FEW_INOTIFY_WATCHES),
        _inotify("max_user_instances", FEW_INOTIFY_INSTANCES),
    ]
    findings += [_state_dir(configuration.state_dir)]
    findings += source_findings(configuration, cast)
    findings += [_log_file(configuration.log.file)] if configuration.log.file else []
    findings += [_apprise(name) for name, one in configuration.channels.items() if isinstance(one, AppriseSettings)]
    return findings


def _clock() -> Finding:
    now = datetime.now(UTC)
    if now < EARLIEST:
        return Finding("clock", Level.FAIL, f"the clock says {now:%Y-%m-%d %H:%M}Z", "set it; messages are refused as too old")
    return Finding("clock", Level.OK, f"{now:%Y-%m-%d %H:%M:%S}Z; compare it: a minute off, and commands are refused")


def _inotify(limit: str, few: int) -> Finding:
    try:
        value = int(Path(f"/proc/sys/fs/inotify/{limit}").read_text())
    except (OSError, ValueError):
        return Finding(f"inotify.{limit}", Level.WARN, "cannot be read", "without inotify logs are polled, which is slower")
    mend = f"sysctl fs.inotify.{limit}={few * 8}, else logs are polled" if value < few else ""
    return Finding(f"inotify.{limit}", Level.WARN if mend else Level.OK, str(value), mend)


def _state_dir(path: Path) -> Finding:
    if not path.exists():
        return Finding("state.dir", Level.OK, f"{path} will be made at the first start")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding("state.dir", Level.FAIL, f"{path} has mode {mode:04o}: others can look into it", f"chmod 700 {path}")
    if not os.access(path, os.W_OK):
        return Finding("state.dir", Level.FAIL, f"{path} cannot be written", f"chown it to the user opsbot runs as: {path}")
    return Finding("state.dir", Level.OK, f"{path}, {shutil.disk_usage(path).free // 2**20} MiB free")


def _log_file(path: Path) -> Finding:
    folder = path.parent
    if folder.exists() and not os.access(folder, os.W_OK):
        return Finding(
            "log.file", Level.FAIL, f"{folder} cannot be written", "the partner could not see that we are out; chown it"
        )
    return Finding("log.file", Level.OK, str(path))


def _apprise(name: str) -> Finding:
    check = f"channel.{name}"
    try:
        import apprise  # noqa: F401, PLC0415 - only whether it is there
    except ImportError:
        return Finding(check, Level.FAIL, "apprise is not installed", "pip install 'opsbot[apprise]'")
    return Finding(check, Level.OK, "apprise is there; send yourself something to test the URL: apprise -b test URL")


async def _process_managers(configuration: Configuration) -> AsyncIterator[Finding]:
    for program in ("node", "pm2"):
        found = shutil.which(program)
        wanted = any(scene.use == "pm2_restart" for scene in configuration.operations.values())
        level = Level.OK if found else Level.FAIL if wanted else Level.OK
        yield Finding(f"program.{program}", level, found or "not installed", "put it on the PATH" if level is Level.FAIL else "")
    if shutil.which("pm2"):
        for home, run_as in sorted(_pm2_homes(configuration)):
            yield await _pm2(home, run_as)


def _pm2_homes(configuration: Configuration) -> set[tuple[str, str]]:
    """Collect whose pm2 the scenes are about: its daemon belongs to a user and a home."""
    scenes = [scene.settings for scene in configuration.operations.values() if scene.use == "pm2_restart"]
    return {(str(settings.get("pm2_home") or ""), str(settings.get("run_as") or "")) for settings in scenes}


async def _pm2(home: str, run_as: str) -> Finding:
    check = "pm2.processes"
    env = {"PM2_HOME": home} if home else {}
    try:
        async with ProcessRunner(os.environ).run(("pm2", "jlist", "-s"), env=env, run_as=run_as, timeout_s=20) as process:
            text = "".join([line async for line in process])
        names = sorted(str(one["name"]) for one in json.loads(text[text.index("[") :]))
    except (CommandError, ValueError, KeyError, TypeError) as exc:
        return Finding(check, Level.FAIL, f"pm2 does not answer: {exc}", "run pm2 list as that user")
    where = home or "the default PM2_HOME"
    if not names:
        return Finding(
            check, Level.WARN, f"{where}: pm2 sees no processes", "PM2's daemon belongs to a user: set pm2_home and run_as"
        )
    return Finding(check, Level.OK, f"{where}: {', '.join(names)}")


async def _gateway(name: str, channel: Channel) -> Finding:
    check = f"gateway.{name}"
    try:
        async with asyncio.timeout(CONNECT_WITHIN_S), channel:
            return await _held(check, channel)
    except ChannelUnavailableError as exc:
        if BUSY in str(exc):
            return Finding(check, Level.WARN, str(exc), "if that is your running daemon, all is well; else stop the other client")
        return Finding(check, Level.FAIL, str(exc), "start the gateway, or correct endpoint, token and tls")
    except TimeoutError:
        return Finding(check, Level.FAIL, "no answer in time", "is something else listening on that port?")


async def _held(check: str, channel: Channel) -> Finding:
    """Hold the connection for a moment: whoever else wants it would take it away now."""
    try:
        async with asyncio.timeout(KICKED_WITHIN_S):
            async for _ in channel.messages():
                continue
    except TimeoutError:
        return Finding(check, Level.OK, "reachable, and nobody else takes it away")
    except ChannelUnavailableError as exc:
        return Finding(check, Level.FAIL, f"connected, then lost: {exc}", "one client per gateway: stop the other one")
    return Finding(check, Level.WARN, "the connection ended by itself", "look at the gateway's log")
