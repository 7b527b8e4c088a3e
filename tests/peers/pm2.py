"""A real pm2 for tests, with a daemon of its own that dies with the test."""

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.peers.install import MODULES, environment, node

PM2: Final = MODULES / "pm2" / "bin" / "pm2"
LOGROTATE: Final = MODULES / "pm2-logrotate"
ANSWER_WITHIN_S: Final = 60.0
DAEMON_GONE_WITHIN_S: Final = 10.0


class Pm2FailedError(RuntimeError):
    """A pm2 command ended with an error; its output is in the text."""


@dataclass(frozen=True, slots=True)
class Pm2Process:
    """What pm2 says of one of its processes."""

    id: int
    name: str
    pid: int
    status: str
    restarts: int
    out_log: Path
    err_log: Path
    is_module: bool


class Pm2:
    """A private PM2_HOME; the daemon starts with the first command and is killed at exit, with everything it runs."""

    def __init__(self, home: Path) -> None:
        # A unix socket lies in it, and its path may have 107 bytes.
        self.home = home

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.home.mkdir, parents=True, exist_ok=True)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        await self.kill()

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which a pm2 command, opsbot's too, reaches this daemon."""
        return {
            **environment(),
            "PATH": f"{MODULES / '.bin'}{os.pathsep}{environment()['PATH']}",
            "PM2_HOME": str(self.home),
            "PM2_DISABLE_VERSION_CHECK": "true",
        }

    async def run(self, *args: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run one pm2 command and return its stdout.

        Raises:
            Pm2FailedError: It ended with an error.
            TimeoutError: It did not end.
        """
        program = await asyncio.to_thread(node)
        process = await asyncio.create_subprocess_exec(
            str(program),
            str(PM2),
            *args,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=cwd or self.home,
            env={**self.environment, **(env or {})},
        )
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                stdout, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = stdout.decode(errors="replace")
        if process.returncode != 0:
            raise Pm2FailedError(f"pm2 {' '.join(args)}: {process.returncode}\n{text}")
        return text

    async def start(
        self,
        script: Path,
        name: str,
        *args: str,
        time: bool = False,
        log_date_format: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        options: tuple[str, ...] = (),
    ) -> Pm2Process:
        """Start a script under a name. time: pm2 stamps every log line, as with `pm2 start --time`."""
        stamps = [*(["--time"] if time else []), *(["--log-date-format", log_date_format] if log_date_format else [])]
        rest = ["--", *args] if args else []
        await self.run("start", str(script), "--name", name, *stamps, *options, *rest, cwd=cwd, env=env)
        return await self.process(name)

    async def restart(self, name: str) -> None:
        await self.run("restart", name)

    async def stop(self, name: str) -> None:
        await self.run("stop", name)

    async def delete(self, name: str) -> None:
        await self.run("delete", name)

    async def jlist(self) -> list[Pm2Process]:
        """List its processes, modules too."""
        text = await self.run("--silent", "jlist")
        listed: list[dict[str, Any]] = json.loads(text.strip().rpartition("\n")[2])  # the first command also tells of the daemon
        return [
            Pm2Process(
                id=each["pm_id"],
                name=each["name"],
                pid=each["pid"],
                status=each["pm2_env"]["status"],
                restarts=each["pm2_env"]["restart_time"],
                out_log=Path(each["pm2_env"]["pm_out_log_path"]),
                err_log=Path(each["pm2_env"]["pm_err_log_path"]),
                is_module=bool(each["pm2_env"].get("pmx_module")),
            )
            for each in listed
        ]

    async def process(self, name: str) -> Pm2Process:
        """Return the process of that name.

        Raises:
            LookupError: There is none.
        """
        for each in await self.jlist():
            if each.name == name:
                return each
        raise LookupError(name)

    async def install_logrotate(
        self, *, max_size: str = "1K", worker_interval_s: int = 1, retain: int = 30, compress: bool = False
    ) -> None:
        """Install pm2-logrotate as the module it is, from the local folder. It rotates by copy and truncate,
        and looks once per worker interval, a second at least.
        """
        settings = {
            "max_size": max_size,
            "workerInterval": worker_interval_s,
            "retain": retain,
            "compress": str(compress).lower(),
        }
        for key, value in settings.items():
            await self.run("set", f"pm2-logrotate:{key}", str(value))
        await self.run("install", ".", cwd=LOGROTATE)

    async def kill(self) -> None:
        """Kill the daemon and everything it runs. Does nothing when there is none."""
        pid = await asyncio.to_thread(self._daemon_pid)
        if pid is None:
            return
        try:
            await self.run("kill")
        except (Pm2FailedError, TimeoutError):
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        await self._gone(pid)

    def _daemon_pid(self) -> int | None:
        try:
            pid = int((self.home / "pm2.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if self._lives(pid) else None

    @staticmethod
    def _lives(pid: int) -> bool:
        """Whether the process runs. One that nobody reaped, as happens in containers, does not."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] != "Z"

    async def _gone(self, pid: int) -> None:
        async with asyncio.timeout(DAEMON_GONE_WITHIN_S):
            while await asyncio.to_thread(self._lives, pid):  # noqa: ASYNC110 - no event tells that a stranger ended
                await asyncio.sleep(0.02)
