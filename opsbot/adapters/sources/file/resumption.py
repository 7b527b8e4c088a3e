"""Finding again, after a restart, what the checkpoints speak of."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

from opsbot.adapters.sources.file.acquaintance import is_note
from opsbot.adapters.sources.file.archive import Archive
from opsbot.adapters.sources.file.cursor import Cursor
from opsbot.adapters.sources.file.generation import after, is_complete
from opsbot.adapters.sources.file.lineage import is_beginning
from opsbot.adapters.sources.file.parcel import Parcel
from opsbot.adapters.sources.file.place import Entry, Identity, Listing, Place, directory_of
from opsbot.adapters.sources.file.places import Places
from opsbot.adapters.sources.file.shelf import Shelf, is_end
from opsbot.adapters.sources.file.tracked import Tracked
from opsbot.core.log import MARKER_BYTES, UNNAMED, Checkpoint, Gap

_LOOKED_AT = 256
"""A newcomer is compared with so many checkpoints that nobody claimed, besides the likely ones; usually there are one or two."""


class Resumption:
    """The checkpoints whose files have not been met yet."""

    def __init__(self, checkpoints: Sequence[Checkpoint], place: Place | Places, parcel: Parcel) -> None:
        """Remember them all."""
        self._place = place
        self._parcel = parcel
        self._is_history_unknown = any(each.generation == UNNAMED for each in checkpoints)
        self._open: dict[Identity, Checkpoint] = {
            (each.device, each.inode): each if each.generation != UNNAMED else replace(each, generation="")
            for each in checkpoints
            if not is_end(each) and not is_note(each)
        }
        self._families = {place.any_family(each.path) for each in checkpoints}
        self._by_trait: dict[int | str, list[Identity]] = {}
        for identity, checkpoint in self._open.items():
            for trait in (checkpoint.inode, checkpoint.path):
                self._by_trait.setdefault(trait, []).append(identity)

    def knows(self, family: str) -> bool:
        """Say whether this log was read before: then a file of it without a checkpoint is newer than the checkpoints."""
        return family in self._families

    @property
    def is_open(self) -> bool:
        """Whether there are checkpoints left."""
        return bool(self._open)

    def claim(self, tracked: Tracked) -> bool:
        """Let a file go on from its own checkpoint, if it is still the file that the checkpoint speaks of."""
        checkpoint = self._open.get(tracked.identity)
        if checkpoint is None or self._resume(tracked, checkpoint):
            return checkpoint is not None
        tracked.generation = after(checkpoint.generation, tracked.identity[1])
        return False

    def adopt(self, tracked: Tracked, present: Collection[Identity]) -> bool:
        """Let a file go on from the checkpoint of another that it holds the content of: a copy, a restored or moved file.

        A copy may have a checkpoint of its own, from before it was known for one. `present` are the files that are there.
        """
        for checkpoint in chain(self._likely(tracked), islice(self._open.values(), _LOOKED_AT)):
            if self._may_stand_for(tracked, checkpoint, present) and self._resume(tracked, checkpoint):
                return True
        return False

    def _likely(self, tracked: Tracked) -> Iterator[Checkpoint]:
        """Give those with its inode or path: at a reboot disks may get other numbers, restored files have other inodes."""
        for trait in (tracked.identity[1], tracked.path):
            yield from (self._open[identity] for identity in self._by_trait.get(trait, ()) if identity in self._open)

    def _may_stand_for(self, tracked: Tracked, checkpoint: Checkpoint, present: Collection[Identity]) -> bool:
        is_named_only = not checkpoint.offset and is_complete(checkpoint.generation) and not is_complete(tracked.generation)
        if checkpoint.offset <= tracked.cursor.offset and not (is_named_only and not tracked.cursor.offset):
            return False
        if checkpoint.offset >= MARKER_BYTES or checkpoint.inode == tracked.identity[1]:
            return True
        # A few bytes are equal in many logs at their beginning; proof they are only in the copy of a log that was truncated.
        is_truncated = (checkpoint.device, checkpoint.inode) in present
        return is_truncated and tracked.path != tracked.family and tracked.family == self._place.family(checkpoint.path)

    def _resume(self, tracked: Tracked, checkpoint: Checkpoint) -> bool:
        cursor = Cursor(checkpoint.offset, checkpoint.marker)
        if not tracked.holds(cursor, checkpoint.generation):
            return False
        tracked.move_to(cursor)
        tracked.generation = checkpoint.generation or tracked.generation
        tracked.is_claimed = True
        identity = (checkpoint.device, checkpoint.inode)
        del self._open[identity]
        if identity != tracked.identity:
            self._parcel.forget(identity)
        return True

    def by_log(self) -> dict[str, list[Checkpoint]]:
        """Give the checkpoints that are left."""
        found: dict[str, list[Checkpoint]] = {}
        for checkpoint in self._open.values():
            if family := self._place.any_family(checkpoint.path):
                found.setdefault(family, []).append(checkpoint)
        return found

    def unshelve(
        self, shelf: Shelf, family: str, live: Tracked | None, checkpoints: Sequence[Checkpoint], make: Callable[[Entry], Archive]
    ) -> list[Archive]:
        """Take down those of a log's compressed rotations that hold something unread, the oldest first.

        `checkpoints` are what is left of this log. When it is not known where its history ends, only what a checkpoint speaks of,
        and what came after the log as it was then, counts as unread.
        """
        candidates = shelf.since(family)
        if candidates and live is not None and live.is_claimed and _is_copy(make(candidates[-1]), live):
            candidates = candidates[:-1]  # not yet history: it is looked into when the log is truncated
        # A compressed file often has the inode of one that was compressed before.
        own = {(each.device, each.inode) for each in checkpoints if self._place.family(each.path) is None}
        gone = [each for each in checkpoints if (each.device, each.inode) not in own]
        # A log that is known has no history if nothing is said of it; version 1 of the database never said anything.
        is_known = shelf.is_known(family) or (self.knows(family) and not self._is_history_unknown)
        is_newer_unread = is_known or any(each.path == family for each in gone)
        others = [each for each in candidates if each.identity not in own]
        holders = self._search(others, gone, make)
        unread: list[Archive] = []
        for entry in candidates:
            archive = holders.get(entry.identity) or (self._go_on(make(entry)) if entry.identity in own else None)
            if archive is not None or (is_newer_unread if unread else is_known):
                unread.append(archive or make(entry))
            elif not unread:
                shelf.end_at_entry(family, entry)
        return unread

    def _go_on(self, archive: Archive) -> Archive:
        """Let it be read on from its own checkpoint."""
        checkpoint = self._open.pop(archive.identity)
        archive.move_to(Cursor(checkpoint.offset, checkpoint.marker))
        archive.generation = checkpoint.generation
        return archive

    def _search(
        self, entries: Iterable[Entry], checkpoints: Iterable[Checkpoint], make: Callable[[Entry], Archive]
    ) -> dict[Identity, Archive]:
        """Find what holds the contents that checkpoints speak of; those stay decompressed."""
        # Where nothing was read yet and no name is known, anything fits.
        left = sorted(checkpoints, key=lambda each: (-each.offset, not is_complete(each.generation)))
        found: dict[Identity, Archive] = {}
        for entry in entries:
            if not left:
                break
            archive = make(entry)
            held = next((each for each in left if self._resume(archive, each)), None) if archive.unpacks() else None
            if held is None:
                archive.close()
            else:
                left.remove(held)
                found[entry.identity] = archive
        return found

    def settle(self, listing: Listing, live: dict[str, Tracked], present: set[Identity], waiting: Collection[str]) -> None:
        """Give up the checkpoints whose files would have been met by now, and say what is missing.

        `waiting` are the logs that nobody looked at yet.
        """
        unreadable = {each.identity for each in listing.entries} - present
        for identity, checkpoint in list(self._open.items()):
            if identity in unreadable:
                continue  # it is there, under whatever name, and will be met once it may be read
            family = self._place.any_family(checkpoint.path)
            if family in waiting:
                continue
            if family is not None and not self._is_hopeless(checkpoint, family, listing, live):
                continue
            del self._open[identity]
            if identity not in present:
                self._parcel.forget(identity)
            if family is not None and self._place.family(checkpoint.path) is None:
                self._parcel.gap(Gap(checkpoint.path, "deleted before it was decompressed and read"))
            if family == checkpoint.path and not live[family].is_claimed:
                what = "truncated or rewritten" if identity == live[family].identity else "replaced"
                self._parcel.gap(Gap(checkpoint.path, f"{what} while nobody was reading; what was not read is not to be found"))

    def _is_hopeless(self, checkpoint: Checkpoint, family: str, listing: Listing, live: dict[str, Tracked]) -> bool:
        if directory_of(checkpoint.path) not in listing.homes:
            return False
        return family in live or checkpoint.path != family


def _is_copy(archive: Archive, live: Tracked) -> bool:
    """Say whether it was made, or is being made, of what the log still holds: what is in it is read there.

    Some programs compress while they copy, and truncate the log only then (pm2-logrotate).
    """
    try:
        return archive.unpacks() and archive.size >= MARKER_BYTES and is_beginning(archive, live)
    finally:
        archive.close()
