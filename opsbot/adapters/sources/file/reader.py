"""Reads all files of one place, turn by turn; needs no thread, and runs in one."""

from collections.abc import Callable, Collection, Iterable
from typing import Self

from opsbot.adapters.sources.file import lineage, naming, rescue, retirement, short_way
from opsbot.adapters.sources.file.block import Block, Buffer
from opsbot.adapters.sources.file.complaint import Complaints
from opsbot.adapters.sources.file.ending import Ending
from opsbot.adapters.sources.file.generation import is_complete
from opsbot.adapters.sources.file.intake import Intake
from opsbot.adapters.sources.file.ledger import Ledger
from opsbot.adapters.sources.file.open_record import OpenRecords
from opsbot.adapters.sources.file.parcel import Parcel
from opsbot.adapters.sources.file.place import name_of
from opsbot.adapters.sources.file.places import place_of
from opsbot.adapters.sources.file.standing import Standing
from opsbot.adapters.sources.file.task import Task
from opsbot.adapters.sources.file.tracked import RewrittenError, Tracked
from opsbot.core.log import Batch

_CHUNK_TAKEN_APART = 256 * 1024
_CHEAP_LOOK_S = 0.005
_LOOK_RATIO = 4
_PASS_BYTES = 8 * 1024 * 1024
"""After so many bytes a pass over the files is interrupted, so that wake-ups and the wish to stop are seen."""


class Reader:
    """Follows the files and emits batches; exceptions of `emit` end the turn.

    As soon as `may_read` says no, nothing more is read in this turn. `standing` is kept up to date.
    `between` is called with the path after a file was read to its end and before anything else looks at it: a test can let the
    world change there.
    """

    def __init__(
        self,
        task: Task,
        emit: Callable[[Batch], None],
        between: Callable[[str], None] = lambda _: None,
        *,
        standing: Standing | None = None,
        may_read: Callable[[], bool] = lambda: True,
    ) -> None:
        """Touch nothing; `reconcile` opens the files."""
        self._task = task
        self._tuning = task.tuning
        self._chunk_bytes = _chunk_bytes(task)
        self._between = between
        self.standing = standing or Standing(task.clock)
        self._may_read_on = may_read
        self._place = place_of(task.pattern)
        self._parcel = Parcel(task.source, task.tuning, task.clock)
        self._open = OpenRecords(task.multiline, task.clock)
        self._intake = Intake(task, self._parcel, self._open, self.standing, emit)
        self._complaints = Complaints(task.source)
        self._ledger = Ledger(task, self._place, self._parcel, self._complaints)
        self._buffer = Buffer()
        self._ending = Ending(self._ledger, self._intake, self._buffer)
        self._rested_at_s = 0.0
        self._has_more = False
        self._rewritten: dict[Tracked, None] = {}

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close all files."""
        self._ledger.close()

    @property
    def directories(self) -> set[str]:
        """The directories in which something may happen that matters, as of the last `reconcile`."""
        return self._ledger.watched

    @property
    def look_s(self) -> float:
        """How long the last look at the file system took."""
        return self._ledger.look_s

    @property
    def lacks_descriptors(self) -> bool:
        """Whether there are files that can be opened only when others are closed."""
        return self._ledger.lacks_descriptors

    def reconcile(self) -> set[str]:
        """Compare everything with the file system; the next turns read what is new.

        Gives the paths, as `touch` would know them, where something new was found that had not been announced.
        """
        news: set[str] = set()
        is_getting_on = True
        while is_getting_on:
            self._ledger.reconcile()
            news |= self._ledger.news
            for tracked in retirement.retiring(self._ledger, self._task.clock.monotonic_s()):
                self._ending.retire(tracked)
            is_getting_on = retirement.shed(self._ledger) and self.lacks_descriptors
        self._complaints.absent(self._ledger.absent, self._task.clock.monotonic_s())
        self.standing.count(self._ledger.files.values())
        self.standing.measure(self._ledger.dirty)
        return news

    def touch(self, paths: Iterable[str]) -> bool:
        """Take note that something was written to these files; True when `reconcile` is needed to know them."""
        is_unknown = False
        for path in paths:
            tracked = self._ledger.by_real_path.get(path)
            if tracked is not None:
                self._ledger.mark(tracked)
            elif self._place.family_name(name_of(path)) is not None:
                is_unknown = True
        return is_unknown

    def is_relevant(self, path: str, *, is_directory: bool) -> bool:
        """Say whether it can matter that this name appears or vanishes."""
        if is_directory:
            return self._place.concerns_directory(path)
        return path in self._ledger.by_real_path or self._place.family_name(name_of(path)) is not None

    def turn(self) -> bool:
        """Let every file that may have something new have its share; True when there is more to read at once."""
        for tracked in self._open.due():
            self._ledger.mark(tracked)
        if naming.name_all(self._ledger):
            self.flush()
        is_moving = False
        read_bytes = 0
        is_behind = True
        before = self._waiting()
        for tracked in list(self._ledger.dirty):
            self._has_more = False
            is_due = tracked in self._ledger.dirty and not self._is_held_up(tracked)
            if is_due and (size := self._read_if_allowed(tracked)) is not None:
                is_moving = True
                is_behind &= self._has_more
                read_bytes += size
                self._intake.flush_urgent(is_behind=is_behind)
            if read_bytes >= _PASS_BYTES or not self._may_read_on():
                break
        if self._rewritten:
            self._begin_anew()
        self.standing.measure(self._ledger.dirty)
        self._intake.flush_due(is_behind=is_moving and is_behind)
        return bool(self._ledger.dirty) and (is_moving or self._waiting() != before)

    def _waiting(self) -> tuple[set[Tracked], list[tuple[Tracked, Tracked | None]]]:
        """Say who waits for whom: as long as that changes, somebody will get his turn."""
        dirty = self._ledger.dirty
        return set(dirty), [(each, each.original) for each in dirty if each.original is not None or not each.is_checked]

    def due_in_s(self) -> float | None:
        """Say when a turn has something to do although nothing happens, None when there is nothing to wait for."""
        return self._intake.due_in_s()

    def flush(self) -> None:
        """Hand over everything now."""
        self._intake.flush()

    def _read_shortly(self, tracked: Tracked) -> int | None:
        """Read the last lines of a file by the short way; None when it has to be the long one."""
        if self._task.multiline or not short_way.is_plain(tracked) or not self._ledger.lineup.is_first(tracked):
            return None
        block = short_way.last_lines(tracked, self._buffer, self._chunk_bytes)
        if block is None:
            return None
        size = self._intake.take(tracked, block) if block.data else 0
        self._ending.drained(tracked)
        self._between(tracked.path)
        return size

    def _read_if_allowed(self, tracked: Tracked) -> int | None:
        """Read a file, None when another must be read first."""
        try:
            size = self._read_shortly(tracked)
            return self._read(tracked) if size is None and self._may_read(tracked) else size
        except OSError as error:  # a stale handle fails whatever it is asked
            self._fail(tracked, error)
            return 0

    def _may_read(self, tracked: Tracked) -> bool:
        first = next(self._ledger.lineup.in_the_way(tracked), None)
        if first is not None:
            self._ledger.mark(first)
            return False
        if not tracked.is_checked and tracked.size > tracked.cursor.offset:
            self._check(tracked)
        original = tracked.original
        if original is None:
            naming.announce(self._ledger, self._intake, tracked)
            return True
        size = tracked.size
        if not lineage.is_at_end(original):
            self._ledger.mark(original)
            return False
        before = tracked.cursor
        lineage.follow(tracked, original, size, self._tuning.max_line_bytes)
        if tracked.cursor != before:
            self._parcel.advance(tracked, tracked.cursor)
        if tracked.original is None:
            naming.announce(self._ledger, self._intake, tracked)
            return True
        self._ending.drained(tracked)
        if not lineage.is_at_end(original):
            self._ledger.mark(original)
        return False

    def _has_older(self, tracked: Tracked) -> bool:
        """Look, after the first lines of a log were read, whether it had been copied and truncated before that already.

        Only what was consumed lets later truncations be noticed.
        """
        now_s = self._task.clock.monotonic_s()
        # When a thousand new logs begin at once, there must be time for something else than looking.
        if self._ledger.look_s < _CHEAP_LOOK_S and now_s >= self._rested_at_s:
            self._ledger.reconcile()
            self._rested_at_s = now_s + _LOOK_RATIO * self._ledger.look_s
        tracked.is_reborn = next(self._ledger.lineup.in_the_way(tracked), None) is not None
        return tracked.is_reborn

    def _check(self, tracked: Tracked) -> None:
        """See whether a newcomer that has content now is a copy of what we read, or are about to read, elsewhere."""
        tracked.is_checked = True
        recent = [each for each in self._intake.recent if self._ledger.files.get(each.identity) is each]
        tracked.original = lineage.original_of(tracked, [*self._ledger.lineup.relatives(tracked), *recent])

    def _read(self, tracked: Tracked) -> int:
        total = 0
        try:
            if tracked.fd is None and not self._reopen(tracked):
                self._ending.drained(tracked)
                return 0
            while total < self._tuning.turn_bytes and (total == 0 or self._may_read_on()):
                block = self._next_block(tracked)
                if block is None:
                    self._ending.drained(tracked)
                    self._between(tracked.path)
                    break
                if (
                    not tracked.is_checked
                    or not is_complete(tracked.generation)
                    or (tracked.is_reborn and self._has_older(tracked))
                ):
                    tracked.move_to(tracked.cursor)  # as if it had not been read
                    break
                total += self._intake.take(tracked, block)
                if block.rest is not None and not tracked.open_record:
                    self._ending.drained(tracked)
                    self._between(tracked.path)
                    break
            else:
                self._has_more = True
                self._ledger.dirty.pop(tracked)
                self._ledger.mark(tracked)
        except RewrittenError:
            self._rewritten[tracked] = None
        return total

    def _reopen(self, tracked: Tracked) -> bool:
        retirement.make_room(self._ledger)
        if not tracked.reopen(tracked.path):
            return False
        naming.announce(self._ledger, self._intake, tracked)
        return True

    def _fail(self, tracked: Tracked, error: OSError) -> None:
        """Let the next look find it as if it were new: a stale handle of a network file system is of no use any more."""
        self._complaints.lost(tracked.path, error.strerror or str(error))
        tracked.seen = (-1, -1)
        self._ending.drained(tracked)
        if tracked.open_record:
            self._open.wait(tracked)
        elif tracked.is_found:
            tracked.close()

    def _next_block(self, tracked: Tracked) -> Block | None:
        block = tracked.next_block(self._buffer, self._chunk_bytes, self._tuning.max_line_bytes)
        if block is not None and self._task.multiline:
            for older in self._ledger.lineup.older(tracked):
                self._intake.conclude(older)  # who writes here writes no longer there
        return tracked.open_block() if block is None and self._open.is_over(tracked) else block

    def _is_held_up(self, tracked: Tracked) -> bool:
        """Say whether a file may be what was in one that was found rewritten, as long as that was not looked into."""
        if not self._rewritten:
            return False
        is_doubtful = not tracked.is_checked or tracked.original is not None
        return is_doubtful or any(each in self._rewritten for each in self._ledger.lineup.relatives(tracked))

    def _begin_anew(self) -> None:
        """See what became of the files that were found rewritten: all at once, for a thousand may be rotated at midnight."""
        self._ledger.reconcile()
        found = [each for each in self._rewritten if each.identity in self._ledger.files]
        # The copy of tonight may be written over that of last night.
        beside = [each for tracked in found for each in self._ledger.lineup.relatives(tracked) if _is_written_over(each)]
        rewritten = dict.fromkeys([*found, *beside])
        left, self._rewritten = set(rewritten), {}
        self._look_for_copies(self._ledger.files.values(), left)
        for tracked in sorted(rewritten, key=lambda each: each.is_live):
            left.remove(tracked)
            if len(rewritten) > 1:
                self._look_for_copies(self._ledger.lineup.relatives(tracked), {*left, tracked})
            try:
                rescue.begin_anew(self._ledger, tracked, self._intake.conclude)
            except OSError as error:
                self._fail(tracked, error)

    def _look_for_copies(self, files: Iterable[Tracked], rewritten: Collection[Tracked]) -> None:
        for newcomer in [each for each in files if not each.is_checked]:
            if newcomer not in rewritten and newcomer.size > newcomer.cursor.offset:
                self._check(newcomer)
                newcomer.is_checked = newcomer.original is not None  # else it is seen what it is once its original begins anew

    def conclude(self) -> None:
        """Take what is open or unfinished in all files as it is: nobody waits for more of it. Everything else has been read."""
        for tracked in list(self._ledger.files.values()):
            self._ending.take_rest(tracked)


def _is_written_over(tracked: Tracked) -> bool:
    try:
        return not tracked.is_live and tracked.fd is not None and not tracked.holds(tracked.cursor, tracked.generation)
    except OSError:
        return False


def _chunk_bytes(task: Task) -> int:
    """Say how much is read at once: less where all records of a block are taken apart, for they may be nothing but line ends."""
    takes_apart = task.multiline is not None or any(rule.engine == "re" for rule in task.matcher.figures())
    return min(task.tuning.chunk_bytes, _CHUNK_TAKEN_APART) if takes_apart else task.tuning.chunk_bytes
