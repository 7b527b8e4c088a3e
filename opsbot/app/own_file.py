"""What the daemon writes itself, and must never read as a log: it would feed itself with its own words."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from opsbot.config.model import Configuration

STDOUT, STDERR = 1, 2
Identity = tuple[int, int]


def own_files(configuration: Configuration) -> frozenset[Identity]:
    """Identify (device, inode) the state, the account log, and where standard output and error go. Blocking."""
    return frozenset((status.st_dev, status.st_ino) for status in _own(configuration) if stat.S_ISREG(status.st_mode))


def _own(configuration: Configuration) -> Iterator[os.stat_result]:
    paths = [*configuration.state_dir.rglob("*"), *([configuration.log.file] if configuration.log.file else [])]
    for path in paths:
        with suppress(OSError):  # gone meanwhile, as SQLite's -wal may be
            yield path.stat()
    # Whoever redirects our log into a file (`opsbot run 2>> all.log`) may have a glob that covers it. A pipe, as under pm2 or
    # systemd, does not tell where it ends.
    for descriptor in (STDOUT, STDERR):
        with suppress(OSError):
            yield os.fstat(descriptor)
