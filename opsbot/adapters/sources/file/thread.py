"""The reader's thread: waits for something to happen and lets the reader work."""

import math
import queue
import threading
from collections.abc import Callable

import structlog

from opsbot.adapters.sources.file.handover import Handover, StoppedError
from opsbot.adapters.sources.file.reader import Reader
from opsbot.adapters.sources.file.task import Task
from opsbot.adapters.sources.file.watch import DirectoryWatch, Hint, Watch

_log = structlog.get_logger(__name__)

_STOP = Hint("")
_HINTS_AT_ONCE = 10_000
_IDLE_RATIO = 50
"""A sweep over very many files takes its time: at most a fiftieth of all time is spent so."""
_EVENT_S = 2.0
"""So late no event comes any more."""


class ReaderThread:
    """Runs one reader until it is stopped.

    `on_ready` is called from the thread when all files are open and watched, and `on_end` when it has ended.
    """

    def __init__(
        self,
        task: Task,
        handover: Handover,
        on_ready: Callable[[], object],
        on_end: Callable[[], object],
        make_watch: Callable[[Callable[[Hint], None]], Watch] = DirectoryWatch,
    ) -> None:
        """Prepare; nothing runs yet."""
        self._task = task
        self._handover = handover
        self._on_ready = on_ready
        self._on_end = on_end
        self._hints: queue.SimpleQueue[Hint] = queue.SimpleQueue()
        self._watch = make_watch(self._hints.put)
        self._is_stopping = False
        self._is_watching = False
        self._is_asked = True
        self._reconcile_at_s = 0.0
        self._rested_at_s = 0.0
        self._unannounced: dict[str, float] = {}
        self._blind_until_s = 0.0
        self._rearm_at_s = 0.0
        # A daemon: a rule that never comes to an end in a C library must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name=f"read:{task.source}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; does not wait."""
        self.finish()
        self._handover.stop()

    def finish(self) -> None:
        """Ask it to end once all that it has read is handed over; does not wait."""
        self._is_stopping = True
        self._hints.put(_STOP)

    def _run(self) -> None:
        reason: BaseException | None = None
        try:
            self._read()
        except StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001 a bug, which is raised again where the stream is consumed
            reason = error
        finally:
            self._watch.close()
            try:
                self._handover.end(reason)
                self._on_end()
            except (StoppedError, RuntimeError):  # the loop was closed without leaving the source
                _log.debug("loop_gone", source=self._task.source)

    def _read(self) -> None:
        with Reader(self._task, self._handover.put) as reader:
            self._begin(reader)
            # Before the first batch: whoever enters the source takes batches only once he is in.
            self._on_ready()
            # Where it begins must be known before anything is found: what is written from now on is not missed by a restart.
            reader.flush()
            self._read_all(reader)
            self._go_on(reader)
            reader.finish(self._handover.put_last)

    def _begin(self, reader: Reader) -> None:
        if self._task.until == "stopped":
            self._reconcile(reader)
        else:
            self._reconcile_at_s = math.inf
            reader.reconcile()

    def _go_on(self, reader: Reader) -> None:
        if self._task.until == "end" and not self._is_stopping:
            reader.conclude()
        while not self._is_stopping and (self._task.until == "stopped" or self._waits_for_records(reader)):
            hints = self._wait(reader)
            if self._needs_reconciling(reader, hints):
                self._reconcile(reader)
            self._read_all(reader)

    def _waits_for_records(self, reader: Reader) -> bool:
        """Say whether only time will tell that a record of several lines is over."""
        reader.flush()
        return reader.due_in_s() is not None

    def _read_all(self, reader: Reader) -> None:
        while not self._is_stopping and reader.turn():
            if not self._hints.empty() and self._needs_reconciling(reader, self._drain()):
                self._reconcile(reader)

    def _wait(self, reader: Reader) -> list[Hint]:
        now_s = self._task.clock.monotonic_s()
        delays = [self._reconcile_at_s - now_s, reader.due_in_s()]
        try:
            first = self._hints.get(timeout=max(0.0, min(delay for delay in delays if delay is not None)))
        except queue.Empty:
            return []
        return [first, *self._drain()]

    def _drain(self) -> list[Hint]:
        hints: list[Hint] = []
        while len(hints) < _HINTS_AT_ONCE:
            try:
                hints.append(self._hints.get_nowait())
            except queue.Empty:
                break
        return hints

    def _needs_reconciling(self, reader: Reader, hints: list[Hint]) -> bool:
        """Tell the reader what happened; True when it must compare names now."""
        for hint in hints:
            self._unannounced.pop(hint.path, None)
        is_needed = reader.touch({hint.path for hint in hints if not hint.is_name})
        if is_needed or any(_is_about_names(reader, hint) for hint in hints):
            self._reconcile_at_s = min(self._reconcile_at_s, self._rested_at_s)
            self._is_asked = True
        return self._task.clock.monotonic_s() >= self._reconcile_at_s

    def _reconcile(self, reader: Reader) -> None:
        """Compare names; what a sweep finds, which no event asked for, must be announced by one shortly."""
        clock, tuning = self._task.clock, self._task.tuning
        began_at_s = clock.monotonic_s()
        news = reader.reconcile()
        if not self._is_asked:
            self._unannounced.update(dict.fromkeys(news - self._unannounced.keys(), began_at_s))
        # What happened between looking and watching is seen by looking once more.
        while self._arm(reader.directories):
            self._unannounced.clear()
            reader.reconcile()
        now_s = clock.monotonic_s()
        # Ten thousand files take a while to compare: a storm of names must not leave time for nothing else.
        self._rested_at_s = now_s + reader.look_s
        delay_s = tuning.poll_s if self._is_blind(now_s) else tuning.reconcile_s
        self._is_asked = False
        self._reconcile_at_s = now_s + max(delay_s, _IDLE_RATIO * reader.look_s)

    def _is_blind(self, now_s: float) -> bool:
        """Say whether wake-ups cannot be relied on: not watching, or something happened and no event came (overflow, NFS)."""
        if not self._is_watching:
            self._unannounced.clear()
        if any(now_s - at_s > _EVENT_S for at_s in self._unannounced.values()):
            if now_s >= self._blind_until_s:
                _log.warning("events_missing", source=self._task.source, path=next(iter(self._unannounced)))
            self._blind_until_s = now_s + self._task.tuning.rearm_s
            self._unannounced.clear()
        return not self._is_watching or now_s < self._blind_until_s

    def _arm(self, directories: set[str]) -> bool:
        now_s = self._task.clock.monotonic_s()
        if not self._is_watching and now_s < self._rearm_at_s:
            return False
        try:
            is_new = self._watch.arm(directories)
        except OSError as error:
            if self._is_watching or not self._rearm_at_s:
                _log.warning("watching_failed", source=self._task.source, reason=error.strerror, poll_s=self._task.tuning.poll_s)
            self._is_watching = False
            self._rearm_at_s = now_s + self._task.tuning.rearm_s
            return False
        if not self._is_watching and self._rearm_at_s:
            _log.info("watching_again", source=self._task.source)
        self._is_watching = True
        return is_new


def _is_about_names(reader: Reader, hint: Hint) -> bool:
    return hint.is_name and reader.is_relevant(hint.path, is_directory=hint.is_directory)
