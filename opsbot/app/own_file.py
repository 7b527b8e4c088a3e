"""What the daemon writes itself, and must never read as a log: it would feed itself with its own words."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from opsbot.config.model import Configuration

STDOUT, STDERR = 1, 2
Identity = tuple[int, int]


def own_files(configuration: Configuration, streams: Iterable[int | str] | None = None) -> frozenset[Identity]:
    """Identify (device, inode) the state, the account log, and where standard output and error go. Blocking.

    `streams` are the descriptors (or what stands for them in /proc) of the daemon in question, by default of this process.
    Whoever redirects our log into a file (`opsbot run 2>> all.log`) may have a glob that covers it. A pipe, as under pm2 or
    systemd, does not tell where it ends.
    """
    paths = [*configuration.state_dir.rglob("*"), *([configuration.log.file] if configuration.log.file else [])]
    own = [*paths, *((STDOUT, STDERR) if streams is None else streams)]
    return frozenset((status.st_dev, status.st_ino) for status in _stat(own) if stat.S_ISREG(status.st_mode))


def _stat(files: Iterable[Path | int | str]) -> Iterator[os.stat_result]:
    for file in files:
        with suppress(OSError):  # gone meanwhile, as SQLite's -wal may be; closed; of another user
            yield os.stat(file)  # noqa: PTH116 - a descriptor is no path
