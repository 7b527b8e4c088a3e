"""Wake-ups by the operating system (inotify on Linux), through watchdog."""

import errno
import importlib.util
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

_GROUPERS = (
    ("watchdog.observers.inotify_move_event_grouper", "InotifyMoveEventGrouper"),  # watchdog 7
    ("watchdog.observers.inotify_buffer", "InotifyBuffer"),  # watchdog 6
)
_NOT_NOW = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP}
"""This directory cannot be watched just now; others can."""


class Hint(NamedTuple):
    """Something happened at a path: to the content of a file, to a name, or (`is_directory`) to a directory."""

    path: str
    is_name: bool = False
    is_directory: bool = False


class Watch(Protocol):
    """What wakes a reader. Called from the reader's thread only."""

    def arm(self, directories: set[str]) -> bool:
        """Watch these directories and no others; True when one is watched that was not before.

        Raises:
            OSError: the system refuses; nothing is watched then.
        """
        ...

    def close(self) -> None:
        """Watch nothing."""
        ...


class DirectoryWatch:
    """Watches directories, not files: ten thousand logs in one directory cost one watch.

    `hint` is called from watchdog's threads. The library is loaded when the first directory is armed.
    """

    def __init__(self, hint: Callable[[Hint], None]) -> None:
        """Watch nothing yet."""
        self._hint = hint
        self._observer: Any = None  # watchdog's Observer, whose class depends on the platform
        self._watched: dict[str, tuple[tuple[int, int], Any]] = {}
        self._gone: set[str] = set()

    def arm(self, directories: set[str]) -> bool:
        """Watch these directories; one that was deleted and made again is watched anew."""
        identities = {path: identity for path in directories if (identity := _identity(path)) is not None}
        gone = set(self._gone)
        for path, (identity, watch) in list(self._watched.items()):
            # The identity alone does not tell: a directory that is made again often has the number of the old one.
            if path in gone or identities.get(path) != identity:
                del self._watched[path]
                self._observer.unschedule(watch)
        self._gone.difference_update(gone)
        missing = [path for path in identities if path not in self._watched]
        try:
            added = [path for path in missing if self._watch(path, identities[path])]
        except OSError:
            self.close()
            raise
        return bool(added)

    def close(self) -> None:
        """Stop watchdog's threads."""
        self._watched.clear()
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join(2.0)

    def _watch(self, path: str, identity: tuple[int, int]) -> bool:
        try:
            self._watched[path] = (identity, self._schedule(path))
        except OSError as error:
            if error.errno in _NOT_NOW:
                return False
            raise
        return True

    def _schedule(self, path: str) -> object:
        from watchdog import events  # noqa: PLC0415 only a source that was entered needs it
        from watchdog.observers import Observer  # noqa: PLC0415

        if self._observer is None:
            _do_not_wait_for_pairs()
            observer = Observer()
            observer.start()
            self._observer = observer
        kinds = ["FileModified", "FileCreated", "FileMoved", "FileDeleted", "DirCreated", "DirMoved", "DirDeleted", "FileAttrib"]
        wanted = [kind for name in kinds if (kind := getattr(events, f"{name}Event", None)) is not None]
        return self._observer.schedule(_Handler(self._hint, self._gone), path, event_filter=wanted)


class _Handler:
    """What watchdog calls; by its shape a FileSystemEventHandler."""

    def __init__(self, hint: Callable[[Hint], None], gone: set[str]) -> None:
        self._hint = hint
        self._gone = gone

    def dispatch(self, event: "FileSystemEvent") -> None:
        if event.is_directory and event.event_type == "deleted":
            self._gone.add(os.fsdecode(event.src_path))
        is_name = event.event_type != "modified"
        self._hint(Hint(os.fsdecode(event.src_path), is_name, event.is_directory))
        if event.dest_path:
            self._hint(Hint(os.fsdecode(event.dest_path), is_name, event.is_directory))


def _do_not_wait_for_pairs() -> None:
    """Let watchdog hand over the first half of a renaming at once.

    To join it with the second half it sleeps for up to half a second, and holds back all other events of the directory
    meanwhile; for a wake-up the halves are as good. There is no argument for it.
    """
    for module, name in _GROUPERS:
        if importlib.util.find_spec(module) is not None:
            getattr(importlib.import_module(module), name).delay = 0.0


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 a string all along
    except OSError:
        return None
    return status.st_dev, status.st_ino
