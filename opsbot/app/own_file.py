"""What the daemon writes itself, and must never read as a log: it would feed itself with its own words."""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self

from opsbot.adapters.sources.file.generation import handle_of
from opsbot.adapters.sources.file.place import COMPRESSED, original_names

STDOUT, STDERR = 1, 2
Identity = tuple[int, int]


class OwnFiles:
    """Knows the state, the account log, and where standard output and error go: by name, and what it once was by identity.

    Whoever redirects our log into a file (`opsbot run 2>> all.log`) may have a glob that covers it. A pipe, as under pm2 or
    systemd, does not tell where it ends. A log that is rotated goes by another name: one that a rotation gives is known by that,
    in any run; any other is known as long as this run has written to the file.
    """

    def __init__(self, state_dir: Path | None = None, account_log: Path | None = None) -> None:
        """Touch nothing."""
        self._state_dir = state_dir
        self._account_log = account_log
        self._trees: set[Path] = set()
        self._logs: set[Path] = set()
        self._handles: dict[Identity, str] = {}

    def look(self, streams: Iterable[int | str] | None = None) -> Self:
        """Look where they are. Blocking.

        `streams` are the descriptors (or what stands for them in /proc) of the daemon in question, by default of this process.
        """
        streams = (STDOUT, STDERR) if streams is None else streams
        own: list[Path | int | str] = [*streams]
        if self._state_dir is not None:
            self._trees.add(self._state_dir.resolve())
            own += self._state_dir.rglob("*")
        if self._account_log is not None:
            self._logs.add(self._account_log.resolve())
            own.append(self._account_log)
        for file in own:
            self.note(file)
        return self

    def note(self, file: Path | int | str) -> None:
        """Take note of a file, or of a descriptor that is being written to. Blocking; called from any thread."""
        with suppress(OSError):  # gone meanwhile, as SQLite's -wal may be; closed; of another user
            status = os.stat(file)  # noqa: PTH116 a descriptor is no path
            if stat.S_ISREG(status.st_mode):
                self._handles[status.st_dev, status.st_ino] = handle_of(file)

    def has(self, path: str, identity: Identity) -> bool:
        """Say whether what stands at a path, behind all links, is our own. Blocking; called from any thread."""
        file = Path(path)
        name = file.stem if file.suffix in COMPRESSED else file.name
        # Joined, not replaced: of names that anybody may give to a file, some are no names when a rotation's end is cut off.
        names = {file, *(file.parent / each for each in (name, *original_names(name)))}
        if self._logs & names or self._trees.intersection(file.parents):
            return True
        handle = self._handles.get(identity)
        # Others get the inode of what we have deleted; where the file system has no handles, none of them is read.
        return handle is not None and handle == handle_of(path)
