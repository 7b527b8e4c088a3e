"""The reader's thread: waits for something to happen and lets the reader work."""

import math
import threading
from collections.abc import Callable
from dataclasses import replace

import structlog

from opsbot.adapters.sources.file.bell import Bell
from opsbot.adapters.sources.file.handover import Handover, StoppedError
from opsbot.adapters.sources.file.lookout import Lookout, watch_for
from opsbot.adapters.sources.file.reader import Reader
from opsbot.adapters.sources.file.standing import Standing
from opsbot.adapters.sources.file.task import Task
from opsbot.adapters.sources.file.watch import News, Watch

_log = structlog.get_logger(__name__)

_POLLING_RATIO = 50
"""A sweep over very many files takes its time: at most a fiftieth of all time is spent so …"""
_WATCHING_RATIO = 120
"""… and where events tell what happens, much less: it only finds what they do not."""


class ReaderThread:
    """Runs one reader until it is stopped.

    `bell` wakes it: rung when the consumer has room again. `on_ready` is called from the thread when all files are open and
    watched, and `on_end` when it has ended.
    """

    def __init__(
        self,
        task: Task,
        handover: Handover,
        bell: Bell,
        on_ready: Callable[[], object],
        on_end: Callable[[], object],
        make_watch: Callable[[Callable[[], None]], Watch] = watch_for,
    ) -> None:
        """Prepare; nothing runs yet."""
        self.standing = Standing(task.clock)
        self._task = replace(task, goes_on=lambda: not self._is_stopping)
        self._handover = handover
        self._bell = bell
        self._on_ready = on_ready
        self._on_end = on_end
        self._watch = make_watch(bell.ring)
        self._lookout = Lookout(task, self._watch, self.standing)
        self._is_stopping = False
        self._is_asked = True
        self._reconcile_at_s = 0.0
        self._rested_at_s = 0.0
        # A daemon: a rule that never comes to an end in a C library must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name=f"read:{task.source}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; does not wait."""
        self.finish()

    def finish(self) -> None:
        """Ask it to end once all that it has read is handed over; does not wait."""
        self._is_stopping = True
        self._bell.ring()

    def _run(self) -> None:
        reason: BaseException | None = None
        try:
            self._read()
        except StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001 a bug, which is raised again where the stream is consumed
            reason = error
        finally:
            self._watch.disarm()
            try:
                self._handover.end(reason)
                self._on_end()
            except (StoppedError, RuntimeError):  # the loop was closed without leaving the source
                _log.debug("loop_gone", source=self._task.source)

    def _read(self) -> None:
        with Reader(self._task, self._handover.put, standing=self.standing, may_read=self._may_read) as reader:
            self._begin(reader)
            # Before the first batch: whoever enters the source takes batches only once he is in.
            self._on_ready()
            # Where it begins must be known before anything is found: what is written from now on is not missed by a restart.
            reader.flush()
            self._read_all(reader)
            if self._task.until == "end" and not self._is_stopping:
                reader.conclude()
            while self._goes_on(reader):
                self._look_up(reader, self._patience_s(reader))
                self._read_all(reader)
            reader.flush()

    def _begin(self, reader: Reader) -> None:
        if self._task.until == "stopped":
            self._reconcile(reader)
        else:
            self._reconcile_at_s = math.inf
            reader.reconcile()

    def _read_all(self, reader: Reader) -> None:
        while not self._is_stopping and (self._work(reader) or self._opens_more(reader)):
            pass

    def _opens_more(self, reader: Reader) -> bool:
        """Look for files that could not be opened before others were read and closed; who goes on does so anyway."""
        before = self.standing.files
        if reader.lacks_descriptors and self._task.until != "stopped":
            reader.reconcile()
        return self.standing.files > before

    def _goes_on(self, reader: Reader) -> bool:
        """Say whether there is still something to wait for: always, or until records of several lines are over."""
        if self._is_stopping or self._task.until == "stopped":
            return not self._is_stopping
        reader.flush()
        return reader.due_in_s() is not None

    def _work(self, reader: Reader) -> bool:
        """Let the reader have a turn, or wait until there is room for what it finds; False when nothing is left to be read."""
        if self._handover.is_full:
            # Who has no room for more still sees names change: what is rotated away now must be open before it is deleted.
            self._look_up(reader, self._until_look_s())
            return True
        has_more = reader.turn()
        if has_more:
            self._look_up(reader, 0.0)
        return has_more

    def _look_up(self, reader: Reader, patience_s: float) -> None:
        """Wait for news, and take note of them."""
        self._bell.wait(patience_s, self._watch.fd)
        if self._needs_reconciling(reader, self._watch.take()):
            self._reconcile(reader)

    def _may_read(self) -> bool:
        return not (self._handover.is_full or self._is_stopping)

    def _until_look_s(self) -> float:
        return self._reconcile_at_s - self._task.clock.monotonic_s()

    def _patience_s(self, reader: Reader) -> float:
        """Say how long nothing is to be done, as far as that is known."""
        due_in_s = reader.due_in_s()
        return self._until_look_s() if due_in_s is None else min(self._until_look_s(), due_in_s)

    def _needs_reconciling(self, reader: Reader, news: News) -> bool:
        """Tell the reader what happened; True when it must compare names now."""
        if news:
            self._lookout.announced(news.written)
            self._lookout.announced(path for path, _ in news.named)
            is_needed = reader.touch(news.written) or news.is_incomplete
            if is_needed or any(reader.is_relevant(path, is_directory=is_directory) for path, is_directory in news.named):
                self._reconcile_at_s = min(self._reconcile_at_s, self._rested_at_s)
                self._is_asked = True
        return self._task.clock.monotonic_s() >= self._reconcile_at_s

    def _reconcile(self, reader: Reader) -> None:
        """Compare names; what a sweep finds, which no event asked for, must be announced by one shortly."""
        found = reader.reconcile()
        if not self._is_asked:
            self._lookout.found(found)
        # What happened between looking and watching is seen by looking once more.
        while self._lookout.arm(reader.directories):
            reader.reconcile()
        self._is_asked = False
        now_s = self._task.clock.monotonic_s()
        # Ten thousand files take a while to compare: a storm of names must not leave time for nothing else.
        self._rested_at_s = now_s + reader.look_s
        interval_s = self._lookout.interval_s()
        ratio = _POLLING_RATIO if self.standing.watch == "polling" else _WATCHING_RATIO
        delay_s = max(interval_s, ratio * reader.look_s)
        if reader.lacks_descriptors:  # what is open has to be read and closed before the rest can be
            delay_s = max(self._task.tuning.poll_s, reader.look_s)
        self._reconcile_at_s = now_s + delay_s
