"""Whether wake-ups can be relied on, and how often to look without them."""

import sys
from collections.abc import Callable, Iterable

import structlog

from opsbot.adapters.sources.file import mount
from opsbot.adapters.sources.file.standing import Standing
from opsbot.adapters.sources.file.task import Task
from opsbot.adapters.sources.file.watch import Watch

_log = structlog.get_logger(__name__)

_EVENT_S = 2.0
"""So late no event comes any more."""


def watch_for(ring: Callable[[], None]) -> Watch:
    """Choose the best way that this system has; `ring` is for those that have no descriptor."""
    # Loaded when a source is entered: ctypes and watchdog take their time and their memory.
    if sys.platform == "linux":
        from opsbot.adapters.sources.file.inotify import InotifyWatch  # noqa: PLC0415 see above

        return InotifyWatch()
    from opsbot.adapters.sources.file.observer import ObserverWatch  # noqa: PLC0415 see above

    return ObserverWatch(ring)


class Lookout:
    """Keeps the directories watched, and notices when that is not enough: then the reader has to poll."""

    def __init__(self, task: Task, watch: Watch, standing: Standing) -> None:
        """Watch nothing yet."""
        self._task = task
        self._watch = watch
        self._standing = standing
        self._refusal = ""
        self._silent = ""
        self._missing = ""
        self._rearm_at_s = 0.0
        self._blind_until_s = 0.0
        self._directories: set[str] = set()
        self._unannounced: dict[str, float] = {}

    def arm(self, directories: set[str]) -> bool:
        """Watch these directories; True when one is watched that was not before."""
        now_s = self._task.clock.monotonic_s()
        if self._refusal and now_s < self._rearm_at_s:
            return False
        try:
            is_new = self._watch.arm(directories)
        except OSError as error:
            self._refuse(str(error.strerror), now_s)
            return False
        if self._refusal:
            _log.info("watching_again", source=self._task.source)
            self._refusal = ""
        if is_new or directories != self._directories:
            self._directories = set(directories)
            self._believe(mount.silent(directories))
        if is_new:
            self._unannounced.clear()
        return is_new

    def _refuse(self, reason: str, now_s: float) -> None:
        if not self._refusal:
            _log.warning("watching_failed", source=self._task.source, reason=reason, poll_s=self._task.tuning.poll_s)
        self._refusal = reason
        self._rearm_at_s = now_s + self._task.tuning.rearm_s

    def _believe(self, silent: str) -> None:
        if silent and silent != self._silent:
            _log.info("watching_in_vain", source=self._task.source, reason=silent, poll_s=self._task.tuning.poll_s)
        self._silent = silent

    def announced(self, paths: Iterable[str]) -> None:
        """Note that events came for these."""
        if self._unannounced:
            for path in paths:
                self._unannounced.pop(path, None)

    def found(self, paths: Iterable[str]) -> None:
        """Note what was found that no event had asked for: one must come shortly."""
        now_s = self._task.clock.monotonic_s()
        for path in paths:
            self._unannounced.setdefault(path, now_s)

    def interval_s(self) -> float:
        """Say how long to trust in wake-ups before everything is looked at; updates the figures."""
        now_s, tuning = self._task.clock.monotonic_s(), self._task.tuning
        self._notice_missing(now_s)
        missing = f"no event came for {self._missing}" if now_s < self._blind_until_s else ""
        reason = self._refusal or self._silent or missing
        self._standing.watch, self._standing.watch_reason = "polling" if reason else self._watch.kind, reason
        return tuning.poll_s if reason else tuning.reconcile_s

    def _notice_missing(self, now_s: float) -> None:
        """See whether something happened and no event came: another machine wrote it, or a program through memory."""
        if self._refusal or self._silent:
            self._unannounced.clear()
        late = [path for path, at_s in self._unannounced.items() if now_s - at_s > _EVENT_S]
        if not late:
            return
        if now_s >= self._blind_until_s:
            _log.warning("events_missing", source=self._task.source, path=late[0])
        self._missing = late[0]
        self._blind_until_s = now_s + self._task.tuning.rearm_s
        self._unannounced.clear()
