"""Which file is which: newcomers, renamed ones, copies, those that are gone."""

import errno
from collections.abc import Mapping

from opsbot.adapters.sources.file.acquaintance import Acquaintance
from opsbot.adapters.sources.file.archive import Archive
from opsbot.adapters.sources.file.complaint import Complaints
from opsbot.adapters.sources.file.descriptor import NotAFileError
from opsbot.adapters.sources.file.generation import is_complete
from opsbot.adapters.sources.file.lineup import Lineup
from opsbot.adapters.sources.file.parcel import Parcel
from opsbot.adapters.sources.file.place import Entry, Identity, Listing, Place, directory_of
from opsbot.adapters.sources.file.places import Places
from opsbot.adapters.sources.file.resumption import Resumption
from opsbot.adapters.sources.file.shelf import Shelf
from opsbot.adapters.sources.file.task import Task
from opsbot.adapters.sources.file.tracked import Tracked
from opsbot.adapters.sources.file.turned import is_deleted, old_targets
from opsbot.adapters.sources.file.unfinished import Unfinished

_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}
_LOOKS = 100
"""Looking is repeated while it finds newcomers: an older file whose name changed meanwhile may have been missed."""


class _LaterError(OSError):
    """So many files may be open, and no more."""


class Ledger:
    """All files of one place by identity.

    `dirty` are the files that may have something new. After `reconcile`, `news` are the real paths where something is to be read
    that nobody told us of, and `lacks_descriptors` says that there are files for which there was no descriptor. `nameless` are
    files that were marked dirty and whose content has no name yet.
    """

    def __init__(self, task: Task, place: Place | Places, parcel: Parcel, complaints: Complaints) -> None:
        """Know nothing yet."""
        self.task = task
        self.place = place
        self.parcel = parcel
        self.lineup = Lineup()
        self.files: dict[Identity, Tracked] = {}
        self.by_real_path: dict[str, Tracked] = {}
        self.dirty: dict[Tracked, None] = {}
        self.nameless: dict[Tracked, None] = {}
        self.watched: set[str] = set()
        self.absent: list[str] = []
        self.news: set[str] = set()
        self.lacks_descriptors = False
        self.reopened = 0
        self.look_s = 0.0
        self.shelf = Shelf(task.source, task.checkpoints, place, parcel)
        self._complaints = complaints
        self._acquaintance = Acquaintance(task.source, task.checkpoints)
        self._unfinished = Unfinished(task, complaints)
        self._shelved: set[str] = set()
        self._waiting: set[str] = set()
        self._resumption = Resumption(task.checkpoints, place, parcel)
        self._newcomers: dict[Identity, Tracked] = {}
        self._held: dict[Identity, Tracked] = {}
        self._room = 0
        self._known_logs = {family for each in task.checkpoints if (family := place.certain_family(each.path))}
        self._unreadable_at_start: set[Identity] = set()
        self._is_started = self._is_acquainted = self._is_left_out = False

    def reconcile(self) -> None:
        """Compare with the file system."""
        self.news = set()
        self.lacks_descriptors = False
        self._newcomers = {}
        self._room = self.task.tuning.most_open_files() - sum(1 for each in self.files.values() if each.fd is not None)
        self.shelf.refresh()
        self._waiting = {family for family in self._waiting if self._unfinished.holds_up(self.shelf.since(family))}
        for _ in range(_LOOKS):
            before = len(self._newcomers)
            began_at_s = self.task.clock.monotonic_s()
            listing = self.place.look()
            self._find_shelves(listing)
            met = self._look_through(listing)
            self.look_s = self.task.clock.monotonic_s() - began_at_s
            if len(self._newcomers) == before or self.lacks_descriptors:
                break
        if self._unreadable_at_start:  # another file may get the inode of one that was deleted
            self._unreadable_at_start &= {entry.identity for entry in listing.entries}
        self.watched = listing.watched
        self.absent = listing.absent
        self._miss(met, listing)
        self._release()
        self._admit_all(sorted(self._newcomers.values(), key=lambda each: (each.is_live, each.seen[1], each.path)))
        if self._resumption.is_open and not self.lacks_descriptors:
            live = {each.path: each for each in self.files.values() if each.is_live}
            self._resumption.settle(listing, live, met, self._waiting)
        if not self._is_acquainted and not self.lacks_descriptors:
            self._is_acquainted = True
            self._note_patterns(listing)
        self._is_started = True

    def _note_patterns(self, listing: Listing) -> None:
        """Note what is followed from now on; not where something is left out: at the next start it would look new."""
        wildcards = set(self.place.wildcards)
        patterns = {path for path in listing.absent if directory_of(path) in listing.homes} - wildcards
        if not (self._is_left_out or self._unreadable_at_start):
            patterns |= wildcards
        for note in self._acquaintance.notes(patterns):
            self.parcel.keep(note)

    def close(self) -> None:
        """Close all files, those too that a stop kept from being admitted."""
        for tracked in (*self.files.values(), *self._newcomers.values(), *self._held.values()):
            tracked.close()

    def mark(self, tracked: Tracked) -> None:
        """Note that a file may have something new."""
        if tracked not in self.dirty:
            self.dirty[tracked] = None
            if not is_complete(tracked.generation):
                self.nameless[tracked] = None

    def admit(self, tracked: Tracked) -> None:
        """Follow a file from the position it is at."""
        for other in self.lineup.add(tracked):
            self.mark(other)
        if not tracked.is_matched or tracked.family in self._known_logs:
            tracked.shown = tracked.family
        tracked.is_reborn = tracked.is_live and tracked.cursor.offset == 0
        tracked.grown_at_s = self.task.clock.monotonic_s()
        self.files[tracked.identity] = tracked
        self.parcel.advance(tracked, tracked.cursor)
        self.mark(tracked)

    def drop(self, tracked: Tracked) -> None:
        """Follow a file no longer, and forget it."""
        tracked.close()
        del self.files[tracked.identity]
        self.lineup.remove(tracked)
        self.dirty.pop(tracked, None)
        self._forget(tracked)
        for copy in [each for each in self.files.values() if each.original is tracked]:
            copy.original = None
            self.mark(copy)

    def _forget(self, tracked: Tracked) -> None:
        if tracked.is_archive:
            self.parcel.forget(tracked.identity)
            self.shelf.end_at(tracked.family, tracked.path, tracked.identity, tracked.seen[1])
            return
        others_gone = any(each.is_archive or not each.is_found for each in self.lineup.relatives(tracked))
        for identity in self.shelf.leave(tracked.family, tracked.identity, is_last=not others_gone):
            if identity not in self.files:
                self.parcel.forget(identity)

    def _look_through(self, listing: Listing) -> set[Identity]:
        self.by_real_path = {}
        met: set[Identity] = set()
        for entry in listing.entries:
            if entry.seen is not None and entry.identity in met:
                continue
            if entry.seen is not None and entry.identity not in self.files and self.task.is_own(entry.real, entry.identity):
                self._is_left_out = True
                self._complaints.lost(entry.path, "opsbot writes this file itself: it is not read")
                continue
            try:
                if entry.family in self._waiting:
                    self._hold(entry)
                    continue
                found = self._meet(entry)
            except OSError as error:
                self._cannot_read(entry, error)
                continue
            self._complaints.back(entry.path)
            met.add(found.identity)
        return met

    def _cannot_read(self, entry: Entry, error: OSError) -> None:
        if not self._is_started and entry.seen is not None and not isinstance(error, NotAFileError):
            self._unreadable_at_start.add(entry.identity)
        self.lacks_descriptors |= error.errno in _NO_DESCRIPTORS
        # A link to nothing, or just being renamed; or one of too many, whose turn comes when others are closed.
        if not isinstance(error, FileNotFoundError | _LaterError):
            reason = str(error) if isinstance(error, NotAFileError) else error.strerror or str(error)
            self._complaints.lost(entry.path, reason)

    def _meet(self, entry: Entry) -> Tracked:
        if entry.seen is None:
            raise FileNotFoundError(entry.path)
        tracked = self._known(entry) or self._open(entry)
        if tracked.path != entry.path:
            self._rename(tracked, entry.path)
        tracked.is_found = True
        tracked.missing_since_s = None
        tracked.is_matched = entry.is_matched
        tracked.home = entry.home
        # Each look makes new strings: only one of each is kept.
        tracked.real = tracked.path if entry.real == tracked.path else entry.real
        self.by_real_path[tracked.real] = tracked
        seen = entry.seen
        if seen != tracked.seen:
            tracked.seen = seen
            tracked.grown_at_s = self.task.clock.monotonic_s()
            if self._is_started and seen[0] != tracked.reached and tracked not in self.dirty:
                self.news.add(entry.real)
            if tracked.identity in self.files:
                self.mark(tracked)
        elif tracked.is_live and tracked.fd is not None and seen[0] > tracked.cursor.offset and tracked.identity in self.files:
            self.mark(tracked)  # who writes through memory fills in what was reserved, and neither size nor time tell
        return tracked

    def _known(self, entry: Entry) -> Tracked | None:
        """Give what we know by this identity; a closed file that has changed is opened, or found to be another by now."""
        tracked = self.files.get(entry.identity) or self._newcomers.get(entry.identity)
        if tracked is None or tracked.fd is not None or entry.seen is None:
            return tracked
        if entry.seen == tracked.seen or self._room <= 0:
            return tracked
        self._room -= 1
        if not tracked.reopen(entry.path):
            self.drop(tracked)
            return None
        return tracked

    def _open(self, entry: Entry) -> Tracked:
        """Open a newcomer, which may have been replaced since it was looked at."""
        if self._room <= 0:
            raise _LaterError(errno.EMFILE, "too many files are open")
        opened = self._held.pop(entry.identity, None) or Tracked.open(entry, self.task.encoding)
        self._room -= 1
        known = self.files.get(opened.identity) or self._newcomers.get(opened.identity)
        if known is not None:
            opened.close()
            return known
        self._newcomers[opened.identity] = opened
        return opened

    def _hold(self, entry: Entry) -> None:
        """Open a file whose log waits, so that it is not lost when it is deleted meanwhile."""
        if entry.seen is not None and entry.identity not in self._held and self._room > 0:
            held = Tracked.open(entry, self.task.encoding)
            self._room -= 1
            if held.identity in self._held:
                held.close()
            else:
                self._held[held.identity] = held

    def _release(self) -> None:
        """Let the files of logs that wait no longer be met, those too that have no name any more."""
        for identity, held in list(self._held.items()):
            if held.family not in self._waiting and identity not in self.files:
                self._newcomers.setdefault(identity, self._held.pop(identity))

    def _rename(self, tracked: Tracked, path: str) -> None:
        if tracked.is_live:  # it is rotated away: from now on it has to be quiet for a while
            tracked.grown_at_s = self.task.clock.monotonic_s()
        tracked.path = path
        if tracked.identity in self.files:
            self.parcel.advance(tracked, tracked.cursor)

    def _miss(self, met: set[Identity], listing: Listing) -> None:
        now_s = self.task.clock.monotonic_s()
        for tracked in [each for identity, each in self.files.items() if identity not in met and not each.is_archive]:
            if tracked.is_live:
                tracked.grown_at_s = now_s
            tracked.is_found = False
            if tracked.missing_since_s is None:
                tracked.missing_since_s = now_s
            if tracked.fd is not None and tracked.size != tracked.reached:
                tracked.grown_at_s = now_s  # a deleted file is written to by whoever has it open
                self.mark(tracked)
            # Not at once: a file that is being renamed may be missed by a look.
            is_over = now_s - tracked.missing_since_s >= self.task.tuning.rotate_wait_s
            if tracked.fd is None and is_over and is_deleted(tracked, listing):
                self.drop(tracked)

    def archive(self, entry: Entry) -> Archive:
        """Make a compressed rotation readable."""
        return Archive(entry, self.task.tuning.archive_bytes, self.task.encoding, self.task.goes_on)

    def _admit_all(self, newcomers: list[Tracked]) -> None:
        self._known_logs |= {each.path for each in newcomers if each.is_live}
        claimed = {each for each in newcomers if self._resumption.claim(each)}
        for tracked in newcomers:
            if not self._resumption.adopt(tracked, self._newcomers) and tracked not in claimed:
                self._begin(tracked)
        for archive in self._unshelve({each.family: each for each in newcomers if each.is_live}):
            self.admit(archive)
        for old in old_targets(newcomers, self._resumption.by_log(), self.task.encoding):
            if not self.task.is_own(old.real, old.identity) and self._resumption.claim(old):
                self.admit(old)
            else:
                old.close()
        for tracked in newcomers:
            tracked.is_checked = tracked.is_checked or (tracked.is_claimed and tracked.is_live)
            self.admit(tracked)

    def _find_shelves(self, listing: Listing) -> None:
        """Find the logs that have compressed rotations into which nobody has looked.

        A log that is just being compressed is not met until that is done: only then it is known what of it was read.
        """
        logs = self.shelf.new_logs(listing.homes)
        self._shelved |= logs
        known = {family for family in logs if self._resumption.knows(family)}
        self._waiting |= {family for family in known if self._unfinished.holds_up(self.shelf.since(family))}

    def _unshelve(self, live: Mapping[str, Tracked]) -> list[Archive]:
        """See, once, what is to be read of the compressed rotations of each log."""
        logs = sorted(self._shelved - self._waiting)
        self._shelved &= self._waiting
        checkpoints = self._resumption.by_log()
        unread = [
            self._resumption.unshelve(self.shelf, each, live.get(each), checkpoints.get(each, []), self.archive) for each in logs
        ]
        return [archive for archives in unread for archive in archives]

    def _begin(self, tracked: Tracked) -> None:
        """Start a file that no checkpoint speaks of: a new one from its beginning, an old one as configured."""
        appeared = self._is_started or self._acquaintance.knows(tracked.named_by)
        was_there = not appeared or tracked.identity in self._unreadable_at_start
        from_beginning = tracked.is_matched and self.task.read_from == "beginning"
        if was_there and not from_beginning and not self._resumption.knows(tracked.family):
            tracked.move_to_end(self.task.tuning.max_line_bytes)
            tracked.is_checked = True
