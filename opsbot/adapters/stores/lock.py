"""One daemon per state directory."""

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from opsbot.core.errors import StateError

OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class StateLock:
    """Holds the state directory for this process while it is entered; the kernel frees it when the process dies.

    The directory is made, for its owner only, where there is none. Entering does a little blocking I/O.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._fd = -1

    def __enter__(self) -> Self:
        """Take the lock, without waiting for it.

        Raises:
            StateError: another process holds it, or the directory cannot be used or trusted.
        """
        try:
            self._state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._refuse_a_shared_directory()
            # The file stays when we leave: unlinking it could take away the lock of a process that just opened it.
            fd = os.open(self._state_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise StateError(
                f"{self._state_dir}: {exc.strerror}: make it a directory that belongs to the user opsbot runs as"
            ) from exc
        try:
            self._hold(fd)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        """Free the directory."""
        if self._fd < 0:
            return
        with suppress(OSError):
            os.ftruncate(self._fd, 0)
        os.close(self._fd)
        self._fd = -1

    def _refuse_a_shared_directory(self) -> None:
        facts = self._state_dir.stat()
        if facts.st_uid not in (os.geteuid(), 0):
            raise StateError(
                f"{self._state_dir}: belongs to another user (uid {facts.st_uid}): "
                f"run opsbot as that user, or `chown -R {os.geteuid()} {self._state_dir}`"
            )
        if facts.st_mode & OTHERS_MAY_WRITE:
            raise StateError(
                f"{self._state_dir}: others may write there (mode {stat.S_IMODE(facts.st_mode):04o}): "
                f"`chmod 700 {self._state_dir}`, or set another state directory"
            )

    def _hold(self, fd: int) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise StateError(
                f"{self._state_dir}: another opsbot (pid {holder}) uses it: stop that one, or set another state directory"
            ) from exc
        except OSError as exc:
            raise StateError(f"{self._state_dir}: cannot be locked ({exc.strerror}): keep it on a local disk") from exc
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode("ascii"), 0)
