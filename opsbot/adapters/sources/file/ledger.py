"""Which file is which: newcomers, renamed ones, copies, those that are gone."""

import errno
from collections.abc import Collection

from opsbot.adapters.sources.file.complaint import Complaints
from opsbot.adapters.sources.file.cursor import Cursor
from opsbot.adapters.sources.file.lineage import follows, is_beginning
from opsbot.adapters.sources.file.parcel import Parcel
from opsbot.adapters.sources.file.place import Entry, Identity, Listing, Place, directory_of, rotation_number
from opsbot.adapters.sources.file.resumption import Resumption
from opsbot.adapters.sources.file.tracked import NotAFileError, Tracked
from opsbot.adapters.sources.file.tuning import Tuning
from opsbot.core.ports import Clock

_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}


class Ledger:
    """All files of one place by identity, and in which order those of one log are read.

    `dirty` are the files that may have something new. The files of one log stand in a queue, oldest first; a file is read when
    all before it have been read to their end.
    """

    def __init__(self, place: Place, parcel: Parcel, resumption: Resumption, tuning: Tuning, clock: Clock) -> None:
        """Know nothing yet."""
        self.place = place
        self.parcel = parcel
        self.tuning = tuning
        self.files: dict[Identity, Tracked] = {}
        self.by_real_path: dict[str, Tracked] = {}
        self.dirty: dict[Tracked, None] = {}
        self.watched: set[str] = set()
        self._resumption = resumption
        self._clock = clock
        self._queues: dict[str, list[Tracked]] = {}
        self._known_logs: set[str] = set()
        self._unreadable_at_start: set[Identity] = set()
        self._is_started = False
        self.news: set[str] = set()
        self.lacks_descriptors = False

    def reconcile(self, *, refused: Collection[Identity], from_beginning: bool, complaints: Complaints) -> None:
        """Compare with the file system; `from_beginning` is for files that are there at the first call.

        Files in `refused` are none of ours. Afterwards `news` are the real paths where something is to be read that nobody told
        us of, and `lacks_descriptors` says that files could not be opened because too many are.
        """
        self.news = set()
        self.lacks_descriptors = False
        listing = self.place.look()
        self.watched = listing.watched
        self.by_real_path = {}
        met: set[Identity] = set()
        newcomers: list[Tracked] = []
        for entry in listing.entries:
            if entry.status is not None and (entry.identity in met or entry.identity in refused):
                continue
            try:
                found = self._meet(entry)
            except OSError as error:
                self._cannot_read(entry, error, complaints)
                continue
            complaints.back(entry.path)
            met.add(found.identity)
            if found.identity not in self.files:
                newcomers.append(found)
        self._miss(met, listing)
        self._admit(newcomers, from_beginning=from_beginning)
        if self._resumption.is_open:
            self._resumption.settle(listing, {each.path: each for each in self.files.values() if each.is_live}, met)
        self._is_started = True

    def mark(self, tracked: Tracked) -> None:
        """Note that a file may have something new."""
        self.dirty.setdefault(tracked)

    def is_its_turn(self, tracked: Tracked) -> bool:
        """Say whether all that comes before it in its log was read, as far as that does not wait for this one."""
        for other in self._queues[tracked.family]:
            if other is tracked or (follows(other, tracked) and self._still_leads(tracked, other)):
                break
            if not other.is_drained:
                return False
        return True

    def _still_leads(self, original: Tracked, copy: Tracked) -> bool:
        """Look once more before the first read: of an original that nothing was read of, truncation is not noticed otherwise."""
        if original.cursor.offset == 0 and copy.original is original and not is_beginning(copy, original):
            copy.original = None
            self.mark(copy)
            return False
        return True

    def move_to_end(self, tracked: Tracked) -> None:
        """Let a file come last in its log; it begins anew."""
        queue = self._queues[tracked.family]
        queue.remove(tracked)
        queue.append(tracked)
        tracked.is_drained = False
        self.mark(tracked)

    def drop(self, tracked: Tracked) -> None:
        """Follow a file no longer, and forget it."""
        tracked.close()
        del self.files[tracked.identity]
        self._queues[tracked.family].remove(tracked)
        self.dirty.pop(tracked, None)
        self.parcel.forget(tracked.identity)
        for copy in [each for each in self.files.values() if each.original is tracked]:
            copy.original = None
            self.mark(copy)

    def _cannot_read(self, entry: Entry, error: OSError, complaints: Complaints) -> None:
        if not self._is_started and entry.status is not None and not isinstance(error, NotAFileError):
            self._unreadable_at_start.add(entry.identity)
        self.lacks_descriptors |= error.errno in _NO_DESCRIPTORS
        if not isinstance(error, FileNotFoundError):  # that one is just being renamed, or a link to nothing
            complaints.lost(entry.path, str(error) if isinstance(error, NotAFileError) else error.strerror or str(error))

    def _meet(self, entry: Entry) -> Tracked:
        if entry.status is None:
            raise FileNotFoundError(entry.path)
        tracked = self.files.get(entry.identity)
        seen = (entry.status.st_size, entry.status.st_mtime_ns)
        if tracked is not None and tracked.fd is None and seen != tracked.seen:
            self._wake(tracked, entry)
        tracked = self.files.get(entry.identity) or self._open(entry)
        if tracked.path != entry.path:
            if tracked.is_live:
                tracked.grown_at_s = self._clock.monotonic_s()
            tracked.path = entry.path
            self.parcel.advance(tracked, tracked.cursor)
        tracked.is_found = True
        tracked.is_matched = entry.is_matched
        tracked.home = entry.home
        self.by_real_path[entry.real] = tracked
        if seen != tracked.seen:
            tracked.seen = seen
            if self._is_started and seen[0] != tracked.reached and tracked not in self.dirty:
                self.news.add(entry.real)
            if tracked.identity in self.files:
                self.mark(tracked)
        return tracked

    def _open(self, entry: Entry) -> Tracked:
        """Open a newcomer, which may have been replaced since it was looked at."""
        opened = Tracked.open(entry)
        known = self.files.get(opened.identity)
        if known is not None:
            opened.close()
        return known or opened

    def _wake(self, tracked: Tracked, entry: Entry) -> None:
        """Open a closed file again, or see that its inode now belongs to another file."""
        if not tracked.reopen(entry.path) or (entry.path != tracked.path and not tracked.holds(tracked.cursor)):
            self.drop(tracked)

    def _miss(self, met: set[Identity], listing: Listing) -> None:
        for tracked in [each for identity, each in self.files.items() if identity not in met]:
            if tracked.is_live:
                tracked.grown_at_s = self._clock.monotonic_s()
            tracked.is_found = False
            if tracked.fd is None and listing.homes.get(directory_of(tracked.path)) == tracked.home:
                self.drop(tracked)

    def _admit(self, newcomers: list[Tracked], *, from_beginning: bool) -> None:
        newcomers = _oldest_first(newcomers)
        self._known_logs |= {each.path for each in newcomers if each.is_live}
        for tracked in newcomers:
            tracked.grown_at_s = self._clock.monotonic_s()
        claimed = {each for each in newcomers if self._resumption.claim(each)}
        for tracked in newcomers:
            if not self._resumption.adopt(tracked) and tracked not in claimed:
                self._begin(tracked, from_beginning=from_beginning)
        for tracked in newcomers:
            tracked.is_checked = tracked.is_checked or (tracked.is_claimed and tracked.is_live)
            self.admit(tracked)

    def _begin(self, tracked: Tracked, *, from_beginning: bool) -> None:
        """Start a file that no checkpoint speaks of: a new one from its beginning, an old one as configured."""
        was_there = not self._is_started or tracked.identity in self._unreadable_at_start
        if not was_there or self._resumption.knows(tracked.family) or (tracked.is_matched and from_beginning):
            return
        if tracked.fd is not None:
            tracked.move_to(Cursor.at_last_line(tracked.fd, tracked.size, self.tuning.max_line_bytes))
            tracked.is_checked = True

    def admit(self, tracked: Tracked) -> None:
        """Follow a file from the position it is at."""
        queue = self._queues.setdefault(tracked.family, [])
        for other in queue:
            if other.fd is not None:
                other.is_drained = False
                self.mark(other)
        place = len(queue)
        while place > 0 and not tracked.is_live and _is_younger(queue[place - 1], tracked):
            place -= 1
        queue.insert(place, tracked)
        if not tracked.is_matched or tracked.family in self._known_logs:
            tracked.shown = tracked.family
        self.files[tracked.identity] = tracked
        self.parcel.advance(tracked, tracked.cursor)
        self.mark(tracked)


def _is_younger(other: Tracked, newcomer: Tracked) -> bool:
    """Say whether a file that is followed already comes after a rotated newcomer."""
    return other.is_live or (other.cursor.offset == 0 and other.seen[1] > newcomer.seen[1])


def _oldest_first(files: list[Tracked]) -> list[Tracked]:
    """Order files by their last change, but those that are counted by their number: late lines make an old file look new."""
    by_time = sorted(files, key=lambda each: (each.is_live, each.seen[1], each.path))
    counted = iter(sorted((each for each in files if rotation_number(each.path)), key=lambda each: -rotation_number(each.path)))
    return [next(counted) if rotation_number(each.path) else each for each in by_time]
