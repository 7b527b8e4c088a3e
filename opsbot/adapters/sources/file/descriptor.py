"""Opening a file by its path: without disturbing anybody, and only when it is one."""

import errno
import os
import stat

from opsbot.adapters.sources.file.place import Identity, status_of

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_QUIETLY = getattr(os, "O_NOATIME", 0)
"""Without it each read after a write makes the file system note when: half of what a read costs. Only for one's own files."""


class NotAFileError(OSError):
    """What stands at the path is a directory, a pipe, a socket or a device."""


def open_file(path: str) -> int:
    """Open what stands at a path.

    Raises:
        OSError: it is missing, forbidden, or no regular file (NotAFileError).
    """
    # Looked at before it is opened as well: opening a pipe would wake the program at its other end.
    if not stat.S_ISREG(status_of(path).st_mode):
        raise NotAFileError(f"{path} is no regular file")
    try:
        fd = os.open(path, _FLAGS | _QUIETLY)
    except PermissionError:
        fd = os.open(path, _FLAGS)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise NotAFileError(f"{path} is no regular file")
    return fd


def open_same(path: str, identity: Identity) -> int | None:
    """Open what stands at a path, None when it is another file by now.

    Raises:
        OSError: as `open_file`.
    """
    fd = open_file(path)
    status = os.fstat(fd)
    if (status.st_dev, status.st_ino) == identity:
        return fd
    os.close(fd)
    return None


def next_data(fd: int, offset: int) -> int:
    """Give the place from `offset` on that is in no hole of the file, as far as the file system tells."""
    end = os.lseek(fd, 0, os.SEEK_END)
    try:
        return os.lseek(fd, offset, os.SEEK_DATA)
    except OSError as error:  # ENXIO: nothing but a hole up to the end; anything else: a file system without holes
        return end if error.errno == errno.ENXIO else offset
