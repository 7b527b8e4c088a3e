"""opsbot as a user runs it: `opsbot run` in a process of its own, for the e2e tests."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

READY_WITHIN_S = 30.0
STOP_WITHIN_S = 25.0


class OpsbotDaemon:
    """One daemon. Its log is kept as parsed lines; `kill` and `start` may alternate."""

    def __init__(self, config: Path, env: Mapping[str, str] | None = None, *, log_level: str = "debug") -> None:
        self.config = config
        self.stdout_file = config.with_suffix(".stdout")
        self.log: list[dict[str, Any]] = []
        self.ready_after_s = 0.0
        self._log_level = log_level
        self._env = dict(env or {})
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._grew = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self._env}

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        after = len(self.log)
        started_s = asyncio.get_running_loop().time()
        stdout = await asyncio.to_thread(self.stdout_file.open, "ab")
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "opsbot", "run", "-c", str(self.config), "--log-level", self._log_level),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=asyncio.subprocess.PIPE,
                env=self.environment,
                cwd=self.config.parent,
            )
        finally:
            await asyncio.to_thread(stdout.close)
        self._reader = asyncio.get_running_loop().create_task(self._read())
        await self.wait_logged(lambda line: line.get("event") == "ready", READY_WITHIN_S, after=after)
        self.ready_after_s = asyncio.get_running_loop().time() - started_s

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        async for raw in self._process.stderr:
            text = raw.decode(errors="replace").rstrip()
            try:
                line = json.loads(text)
            except ValueError:
                line = {"event": text}
            self.log.append(line if isinstance(line, dict) else {"event": text})
            self._grew.set()
        self._grew.set()

    async def wait_logged(
        self, wanted: Callable[[dict[str, Any]], bool], timeout_s: float = 15.0, *, after: int = 0
    ) -> dict[str, Any]:
        """Wait for a line of its log.

        Raises:
            TimeoutError: none came in time, or the daemon ended; the end of its log is in the text.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    self._grew.clear()
                    for line in self.log[after:]:
                        if wanted(line):
                            return line
                    if self._reader is not None and self._reader.done():
                        break
                    await self._grew.wait()
        except TimeoutError:
            pass
        raise TimeoutError("\n".join(str(line) for line in self.log[-30:]))

    async def kill(self) -> None:
        """Kill it with -9."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Stop it as a service manager does; gives its exit status."""
        return await self._end(signal.SIGTERM)

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    async def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                status = await process.wait()
        except TimeoutError:
            process.kill()
            status = await process.wait()
        if self._reader is not None:
            await self._reader
        return status
