"""Runs programs: argv only, each in a session of its own."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from opsbot.adapters.process.identity import Identity, environment, identity
from opsbot.adapters.process.pipe import RunningPipe, close_all, open_pipe
from opsbot.adapters.process.refusal import refusal, start_refusal
from opsbot.adapters.process.running import RunningProcess
from opsbot.adapters.process.stream import LineStream
from opsbot.core.catalogue import Language

JOB_NAME = "OPSBOT_JOB"
RUN_NAME = "OPSBOT_RUN"
"""The tag by which what leaves the process group is found; one per run, for a job may have several at once."""


class ProcessRunner:
    """Runs programs of this machine.

    Args:
        environ: the daemon's environment; programs get the allow-listed part of it (see `identity.ALLOWED`).
        language: of the refusals.
    """

    def __init__(self, environ: Mapping[str, str], *, language: Language = "en") -> None:
        self._environ = environ
        self._language: Language = language

    @asynccontextmanager
    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        run_as: str = "",
        timeout_s: float,
        job_id: str = "",
    ) -> AsyncIterator[RunningProcess[str]]:
        """See `Runner.run`."""
        other = await self._identity(argv[0], run_as) if run_as else None
        tags = {RUN_NAME: secrets.token_hex(8)} | ({JOB_NAME: job_id} if job_id else {})
        variables = environment(self._environ, env or {}, tags, other)
        read_fd, write_fd = os.pipe()
        os.set_blocking(read_fd, False)
        process = RunningProcess(read_fd, timeout_s, f"{RUN_NAME}={tags[RUN_NAME]}", LineStream())
        try:
            try:
                await self._start(process, argv, cwd, variables, other, (asyncio.subprocess.DEVNULL, write_fd, write_fd))
            finally:
                os.close(write_fd)
            yield process
        finally:
            await process.aclose()

    @asynccontextmanager
    async def pipe(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, said: bytes = b""
    ) -> AsyncIterator[RunningPipe]:
        """See `Runner.pipe`."""
        tags = {RUN_NAME: secrets.token_hex(8)}
        variables = environment(self._environ, env or {}, tags, None)
        try:
            pipe, fds = open_pipe(f"{RUN_NAME}={tags[RUN_NAME]}", said)
        except OSError as exc:
            raise start_refusal(exc, argv[0], None, self._language) from exc
        try:
            try:
                await self._start(pipe.process, argv, None, variables, None, fds)
            finally:
                close_all(fds)
            yield pipe
        finally:
            await pipe.aclose()

    async def _start(
        self,
        process: asyncio.SubprocessProtocol,
        argv: Sequence[str],
        cwd: str | None,
        variables: Mapping[str, str],
        other: Identity | None,
        fds: tuple[int, int, int],
    ) -> None:
        if other is not None:
            with suppress(OSError):  # lets a script write to /dev/stderr, which opens the pipe anew
                os.fchown(fds[2], other.uid, other.gid)
        try:
            await asyncio.get_running_loop().subprocess_exec(
                lambda: process,
                *argv,
                stdin=fds[0],
                stdout=fds[1],
                stderr=fds[2],
                cwd=cwd if other is None else cwd or other.cwd,
                env=variables,
                start_new_session=True,
                user=other.uid if other else None,
                group=other.gid if other else None,
                extra_groups=other.groups if other else None,
            )
        except (OSError, ValueError) as exc:
            raise start_refusal(exc, argv[0], cwd or (other.cwd if other else None), self._language) from exc

    async def _identity(self, program: str, user: str) -> Identity | None:
        try:
            other = await asyncio.to_thread(identity, user)
        except KeyError as exc:
            raise refusal("no_user", self._language, program=program, user=user) from exc
        if other is not None and os.geteuid() != 0:
            raise refusal("not_root", self._language, program=program, user=user)
        return other
