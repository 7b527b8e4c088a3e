"""Opening a file by its path: without disturbing anybody, and only when it is one."""

import errno
import os
import resource
import stat
from contextlib import suppress

from opsbot.adapters.sources.file.place import Identity, status_of

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_MOST = 65_536
"""More logs than anybody follows; some systems allow a thousand million, and the kernel's tables grow with it."""

_QUIETLY = getattr(os, "O_NOATIME", 0)
"""Without it each read after a write makes the file system note when: half of what a read costs. Only for one's own files."""

_KINDS = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}


class NotAFileError(OSError):
    """What stands at the path is a directory, a pipe, a socket or a device."""


def raise_limit() -> None:
    """Let this process, and what it starts, open as many files as the system allows.

    The usual 1024 spares programs that use select(2), which cannot count further. A log that is open is still there when it is
    deleted before it was read to its end; one that was closed to make room is not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if resource.RLIM_INFINITY != soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def open_file(path: str) -> int:
    """Open what stands at a path.

    Raises:
        OSError: it is missing, forbidden, or no regular file (NotAFileError).
    """
    # Looked at before it is opened as well: opening a pipe would wake the program at its other end.
    _refuse_others(path, status_of(path).st_mode)
    try:
        fd = os.open(path, _FLAGS | _QUIETLY)
    except PermissionError:
        fd = os.open(path, _FLAGS)
    try:
        _refuse_others(path, os.fstat(fd).st_mode)
    except NotAFileError:
        os.close(fd)
        raise
    return fd


def _refuse_others(path: str, mode: int) -> None:
    """Refuse what is no regular file."""
    if stat.S_ISDIR(mode):
        raise NotAFileError(f"a directory; {path}/* names the files in it")
    if not stat.S_ISREG(mode):
        raise NotAFileError(f"a {_KINDS.get(stat.S_IFMT(mode), 'device')}, and no file")


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


def size_of(fd: int, known: int) -> int:
    """Give the length of a file; what is `known`, when a network file system does not know it any more."""
    try:
        return os.fstat(fd).st_size
    except OSError:
        return known


def has_name(fd: int) -> bool:
    """Say whether a file still has a name somewhere; one that a network file system does not know any more has none."""
    try:
        return os.fstat(fd).st_nlink > 0
    except OSError:
        return False


def next_data(fd: int, offset: int) -> int:
    """Give the place from `offset` on that is in no hole of the file, as far as the file system tells."""
    end = os.lseek(fd, 0, os.SEEK_END)
    try:
        return os.lseek(fd, offset, os.SEEK_DATA)
    except OSError as error:  # ENXIO: nothing but a hole up to the end; anything else: a file system without holes
        return end if error.errno == errno.ENXIO else offset
