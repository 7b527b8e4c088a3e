"""Wake-ups through watchdog, on systems without inotify."""

import errno
import os
from collections import deque
from collections.abc import Callable
from typing import Any

from watchdog import events
from watchdog.observers import Observer

from opsbot.adapters.sources.file.watch import News, identity_of

_NOT_NOW = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP}
"""This directory cannot be watched just now; others can."""
_KINDS = ("FileModified", "FileCreated", "FileMoved", "FileDeleted", "DirCreated", "DirMoved", "DirDeleted", "FileAttrib")
_STOP_S = 2.0


class ObserverWatch:
    """Watches through watchdog's threads. See `opsbot.adapters.sources.file.watch.Watch`."""

    kind = "watchdog"
    fd = -1

    def __init__(self, ring: Callable[[], None]) -> None:
        """Watch nothing yet; `ring` is called from watchdog's threads when there are news."""
        self._ring = ring
        self._observer: Any = None  # watchdog's Observer, whose class depends on the platform
        self._watched: dict[str, tuple[tuple[int, int], Any]] = {}
        self._heard: deque[events.FileSystemEvent] = deque()
        self._gone: set[str] = set()

    def arm(self, directories: set[str]) -> bool:
        """Watch these directories; one that was deleted and made again is watched anew."""
        identities = {path: identity for path in directories if (identity := identity_of(path)) is not None}
        for path, (identity, watch) in list(self._watched.items()):
            # The identity alone does not tell: a directory that is made again often has the number of the old one.
            if path in self._gone or identities.get(path) != identity:
                del self._watched[path]
                self._observer.unschedule(watch)
        self._gone.clear()
        try:
            added = [self._add(path, identity) for path, identity in identities.items() if path not in self._watched]
        except OSError:
            self.disarm()
            raise
        return any(added)

    def _add(self, path: str, identity: tuple[int, int]) -> bool:
        if self._observer is None:
            observer = Observer()
            observer.start()
            self._observer = observer
        wanted = [kind for name in _KINDS if (kind := getattr(events, f"{name}Event", None)) is not None]
        try:
            self._watched[path] = (identity, self._observer.schedule(self, path, event_filter=wanted))
        except OSError as error:
            if error.errno in _NOT_NOW:
                return False
            raise
        return True

    def disarm(self) -> None:
        """Stop watchdog's threads."""
        self._watched.clear()
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join(_STOP_S)

    def dispatch(self, event: events.FileSystemEvent) -> None:
        """Take an event; by this method it is a handler of watchdog's, called from its threads."""
        self._heard.append(event)
        self._ring()

    def take(self) -> News:
        """Give what was heard."""
        news = News()
        for _ in range(len(self._heard)):
            event = self._heard.popleft()
            source, target = os.fsdecode(event.src_path), os.fsdecode(event.dest_path)
            if event.event_type == "modified":
                news.written.add(source)
                continue
            if event.is_directory and event.event_type == "deleted":
                self._gone.add(source)
            news.named.update({(path, event.is_directory): None for path in (source, target) if path})
        return news
