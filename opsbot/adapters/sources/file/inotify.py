"""Wake-ups by Linux itself, read in the thread that wants them; see docs/decisions/0007."""

import ctypes
import errno
import os
import struct
from contextlib import suppress

from opsbot.adapters.sources.file.watch import News, identity_of

# linux/inotify.h, read 2026-11
_MODIFY, _ATTRIB, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x4, 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _UNMOUNT, _Q_OVERFLOW, _IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
_ONLYDIR, _ISDIR = 0x0100_0000, 0x4000_0000
_WANTED = _MODIFY | _ATTRIB | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF | _ONLYDIR
_SELF = _DELETE_SELF | _MOVE_SELF | _UNMOUNT | _IGNORED
_HEAD = struct.Struct("iIII")
_READ_BYTES = 64 * 1024
_READS_AT_ONCE = 64
"""A queue of the usual length (16 384 events) is emptied by so many; whoever writes faster must not keep the reader here."""
_PATHS_KEPT = 50_000
_NOT_NOW = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP}
"""This directory cannot be watched just now; others can."""
_MENDS = {
    errno.ENOSPC: "no inotify watches are left: raise fs.inotify.max_user_watches",
    errno.EMFILE: "no inotify instances or file descriptors are left: raise fs.inotify.max_user_instances or LimitNOFILE",
}

_libc = ctypes.CDLL(None, use_errno=True)


class InotifyWatch:
    """One descriptor for all directories. See `opsbot.adapters.sources.file.watch.Watch`."""

    kind = "inotify"

    def __init__(self) -> None:
        """Watch nothing yet."""
        self.fd = -1
        self._watched: dict[str, tuple[tuple[int, int], int]] = {}
        self._directories: dict[int, str] = {}
        self._paths: dict[bytes, str] = {}

    def arm(self, directories: set[str]) -> bool:
        """Watch these directories; one that was deleted and made again is watched anew."""
        identities = {path: identity for path in directories if (identity := identity_of(path)) is not None}
        for path, (identity, watch) in list(self._watched.items()):
            if identities.get(path) != identity:
                self._forget(watch)
                with suppress(OSError):  # it is gone already
                    _call("inotify_rm_watch", self.fd, watch)
        try:
            added = [self._add(path, identity) for path, identity in identities.items() if path not in self._watched]
        except OSError as error:
            self.disarm()
            raise OSError(error.errno, _MENDS.get(error.errno or 0, error.strerror)) from error
        return any(added)

    def _add(self, path: str, identity: tuple[int, int]) -> bool:
        if self.fd < 0:
            self.fd = _call("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            watch = _call("inotify_add_watch", self.fd, os.fsencode(path), _WANTED)
        except OSError as error:
            if error.errno in _NOT_NOW:
                return False
            raise
        self._watched[path] = (identity, watch)
        self._directories[watch] = path
        return True

    def _forget(self, watch: int) -> None:
        path = self._directories.pop(watch, None)
        if path is not None:
            self._watched.pop(path, None)

    def disarm(self) -> None:
        """Close the descriptor; the system forgets all watches with it."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1
        self._watched.clear()
        self._directories.clear()
        self._paths.clear()

    def take(self) -> News:
        """Read all events there are."""
        news = News()
        # Thousands of writes a second are the same few events again and again: as bytes they are compared at no cost.
        written: set[bytes] = set()
        for _ in range(_READS_AT_ONCE if self.fd >= 0 else 0):
            try:
                events = os.read(self.fd, _READ_BYTES)
            except BlockingIOError:
                break
            self._sort(events, written, news)
            if len(events) < _READ_BYTES // 2:
                break
        if len(self._paths) > _PATHS_KEPT:
            self._paths.clear()
        news.written = {path for event in written if (path := self._paths.get(event) or self._path(event))}
        return news

    def _sort(self, events: bytes, written: set[bytes], news: News) -> None:
        at, size, head, unpack = 0, len(events), _HEAD.size, _HEAD.unpack_from
        while at < size:
            watch, mask, _, length = unpack(events, at)
            begin, at = at, at + head + length
            if mask == _MODIFY:
                written.add(events[begin:at])
            else:
                self._note(watch, mask, events[begin:at], news)
                if mask == _ATTRIB:
                    written.add(events[begin:at])

    def _note(self, watch: int, mask: int, event: bytes, news: News) -> None:
        """Deal with what is no mere change of a file."""
        if mask & _Q_OVERFLOW:
            news.is_incomplete = True
        elif mask & _SELF:
            directory = self._directories.get(watch)
            if directory is None:
                return
            news.named[directory, True] = None
            # A directory that was moved is still watched, under a name that it has no more.
            if mask & _MOVE_SELF:
                with suppress(OSError):
                    _call("inotify_rm_watch", self.fd, watch)
            self._forget(watch)
        elif mask != _ATTRIB and (path := self._path(event)):
            news.named[path, bool(mask & _ISDIR)] = None

    def _path(self, event: bytes) -> str:
        watch = _HEAD.unpack_from(event)[0]
        directory = self._directories.get(watch)
        if directory is None:
            return ""
        name = os.fsdecode(event[_HEAD.size :].rstrip(b"\0"))
        path = self._paths[event] = f"{directory.rstrip('/')}/{name}" if name else directory
        return path


def _call(function: str, *arguments: int | bytes) -> int:
    result: int = getattr(_libc, function)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
