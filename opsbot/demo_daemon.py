"""One real daemon process of the demo: started, watched, started again, ended."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from opsbot.core.errors import StateError
from opsbot.core.ports import Clock

END_WITHIN_S = 3.5
READY_WITHIN_S = 20.0
PROBE_EVERY_S = 0.05
PROBE_TIMEOUT_S = 2.0
BACKOFF_FIRST_S = 0.5
BACKOFF_CAP_S = 10.0
HOPELESS_STARTS = 3
LAST_WORDS_BYTES = 4096


class DaemonState(StrEnum):
    """How a daemon process stands."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonCommand:
    """What is run and where it is heard: `log_file` takes all its output, `port` answers `/healthz` on loopback.

    A process that has not ended `end_within_s` after SIGTERM is killed.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log_file: Path
    port: int
    end_within_s: float = END_WITHIN_S


class Daemon:
    """Keeps one daemon process running; `changed` is called whenever its state or pid is another."""

    def __init__(self, command: DaemonCommand, clock: Clock, changed: Callable[["Daemon"], None]) -> None:
        self.command = command
        self.state = DaemonState.ENDED
        self.pid = 0
        self._clock = clock
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._news = asyncio.Event()
        self._restart = asyncio.Lock()
        self._is_restarting = False

    @property
    def name(self) -> str:
        """Whose daemon this is."""
        return self.command.name

    async def keep_running(self) -> None:
        """Run the daemon until cancelled, again whenever it ends by itself; which ends the process.

        Raises:
            StateError: it ended HOPELESS_STARTS times without ever having been ready.
        """
        bad_starts = 0
        was_ever_ready = False
        while True:
            was_ready = await self._run_once()
            was_ever_ready = was_ever_ready or was_ready
            bad_starts = 0 if was_ready or self._is_restarting else bad_starts + 1
            if bad_starts >= HOPELESS_STARTS and not was_ever_ready:
                last_words = await asyncio.to_thread(_last_line, self.command.log_file)
                raise StateError(f"{self.name} does not start: {last_words} (more in {self.command.log_file})")
            if not self._is_restarting:
                await self._clock.sleep(min(BACKOFF_CAP_S, BACKOFF_FIRST_S * 2.0**bad_starts))

    async def wait_until(self, *states: DaemonState, within_s: float = READY_WITHIN_S) -> bool:
        """Wait until the daemon is in one of these states; False if it took longer."""
        try:
            async with asyncio.timeout(within_s):
                while self.state not in states:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def restart(self) -> AsyncIterator[str]:
        """End the process and start it again; says what happens. One restart at a time."""
        async with self._restart:
            self._is_restarting = True
            try:
                async for line in self._restart_lines():
                    yield line
            finally:
                self._is_restarting = False

    async def _restart_lines(self) -> AsyncIterator[str]:
        began_s = self._clock.monotonic_s()
        if (process := self._process) is not None:
            yield f"stopping {self.name} (pid {process.pid})"
            status = await self._end(process)
            yield f"{self.name} ended with exit status {status}"
            await self.wait_until(DaemonState.ENDED)
        if not await self.wait_until(DaemonState.STARTING, DaemonState.READY):
            yield f"{self.name} has not started again"
            return
        yield f"{self.name} started (pid {self.pid})"
        is_ready = await self.wait_until(DaemonState.READY)
        took_s = self._clock.monotonic_s() - began_s
        yield f"{self.name} is ready after {took_s:.1f} s" if is_ready else f"{self.name} is not ready after {took_s:.0f} s"

    async def _run_once(self) -> bool:
        """Run the process to its end and tell whether it was ever ready."""
        with await asyncio.to_thread(self.command.log_file.open, "ab", 0) as output:
            # A session of its own: a Ctrl-C in the terminal is for the demo, which then ends its daemons in order.
            process = await asyncio.create_subprocess_exec(
                *self.command.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(self.command.env),
                start_new_session=True,
            )
        self._process = process
        self._become(DaemonState.STARTING, process.pid)
        try:
            async with asyncio.TaskGroup() as tasks:
                probe = tasks.create_task(self._probe_until_ready(), name=f"probe:{self.name}")
                await process.wait()
                probe.cancel()
        finally:
            await self._end(process)
            was_ready = self.state is not DaemonState.STARTING
            self._process = None
            self._become(DaemonState.ENDED, 0)
        return was_ready

    async def _end(self, process: asyncio.subprocess.Process) -> int:
        if process.returncode is None:
            if self.state is DaemonState.READY:
                self._become(DaemonState.STOPPING, process.pid)
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(self.command.end_within_s):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        return await process.wait()

    async def _probe_until_ready(self) -> None:
        while not await is_healthy(self.command.port):
            await self._clock.sleep(PROBE_EVERY_S)
        if self.state is DaemonState.STARTING:
            self._become(DaemonState.READY, self.pid)

    def _become(self, state: DaemonState, pid: int) -> None:
        self.state = state
        self.pid = pid
        self._news.set()
        self._changed(self)


async def is_healthy(port: int) -> bool:
    """Ask `/healthz` on a loopback port once."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                status_line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in status_line


def _last_line(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LAST_WORDS_BYTES))
        lines = file.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
