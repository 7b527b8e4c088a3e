"""What to do when a file no longer holds what was read from it: find the copy that does."""

import os
from collections.abc import Callable, Iterator

from opsbot.adapters.sources.file import lineage, naming
from opsbot.adapters.sources.file.archive import Archive, unpacked_bytes
from opsbot.adapters.sources.file.cursor import Cursor
from opsbot.adapters.sources.file.generation import after, is_complete
from opsbot.adapters.sources.file.ledger import Ledger
from opsbot.adapters.sources.file.place import Entry, directory_of
from opsbot.adapters.sources.file.tracked import Tracked
from opsbot.core.log import Gap

_ARCHIVES_LOOKED_AT = 8
_LOOKED_AT = 64
"""So many strangers in the directory, the newest ones, may be the copy."""


def begin_anew(ledger: Ledger, tracked: Tracked, conclude: Callable[[Tracked], None]) -> None:
    """Read a truncated file from its beginning, after the rest of its old content, if a copy of that is to be found.

    The ledger has been reconciled since the truncation, and copies among its files have been told to follow. `conclude` takes
    an open record as it is.
    """
    old = tracked.cursor
    is_record_there = bool(tracked.open_record) and tracked.holds(tracked.open_block().end)
    if tracked.holds(old) and (old.offset or is_record_there):  # only what is behind it was cut off
        if not is_record_there:
            conclude(tracked)
        tracked.move_to(old)
        ledger.parcel.advance(tracked, old)
        return
    copies = [each for each in ledger.files.values() if each.original is tracked]
    is_rescued = False
    for copy in copies:
        copy.original = None
        is_rescued |= _resume(ledger, copy, _place_in(copy, tracked), tracked.generation)
    is_rescued = is_rescued or _rescue_from_stranger(ledger, tracked, old)
    is_rescued = _rescue_from_archives(ledger, tracked, is_rescued=is_rescued)
    if not is_rescued and not _is_elsewhere(ledger, tracked):
        _lose(ledger, tracked, conclude)
    for each in ledger.lineup.relatives(tracked):
        if not old.offset and not is_complete(each.generation):
            naming.inherit(ledger, each)
    tracked.move_to(Cursor())
    tracked.generation = after(tracked.generation, tracked.identity[1])
    tracked.trail.clear()
    tracked.is_reborn = True
    tracked.is_checked = tracked.is_live  # what is rotated may be a copy now
    ledger.lineup.begin_anew(tracked)
    ledger.mark(tracked)
    ledger.parcel.advance(tracked, tracked.cursor)


def _lose(ledger: Ledger, tracked: Tracked, conclude: Callable[[Tracked], None]) -> None:
    """Say what is lost; whole lines are not, for they were seen."""
    reached = tracked.reached
    if tracked.open_record:
        conclude(tracked)
    if lost := reached - tracked.cursor.offset:
        ledger.parcel.gap(Gap(tracked.path, "truncated before the end of its last line was read", lost))


def _is_elsewhere(ledger: Ledger, tracked: Tracked) -> bool:
    """Say whether the unfinished line, the only thing that was seen of the file, stands in another one that is read anyway."""
    seen = tracked.pending
    others = [each for each in ledger.lineup.relatives(tracked) if each is not tracked and not each.is_archive]
    return any(_has(each, seen, tracked.cursor.offset) for each in others)


def _has(tracked: Tracked, content: bytes, offset: int) -> bool:
    """Say whether this stands in a file, which may be closed by now."""
    was_open = tracked.fd is not None
    try:
        return tracked.reopen(tracked.path) and os.pread(tracked.fd or 0, len(content), offset) == content
    except OSError:
        return False
    finally:
        if not was_open:
            tracked.close()


def _place_in(copy: Tracked, original: Tracked) -> Cursor:
    """Give the place up to which a copy was read in its truncated original; of that more may have been read than was copied."""
    old, size = original.cursor, copy.size
    if copy.fd is not None and size < old.offset and lineage.was_read_through(copy, original):
        return Cursor.at(copy.fd, size)
    return old


def _resume(ledger: Ledger, copy: Tracked, old: Cursor, generation: str) -> bool:
    ledger.mark(copy)
    copy.is_drained = False
    if not copy.holds(old, generation):
        copy.is_checked = copy.cursor.offset > 0  # else it may be a copy of what the original holds now
        return False
    copy.move_to(old)
    if is_complete(generation):
        copy.generation = generation
    ledger.parcel.advance(copy, old)
    return True


def _rescue_from_stranger(ledger: Ledger, tracked: Tracked, old: Cursor) -> bool:
    """Look for the copy under a name that no rotation would give; only equal bytes tell."""
    if not old.is_proof:
        return False
    for path in _newest_strangers(ledger, directory_of(tracked.path), old.offset):
        try:
            copy = Tracked.open(Entry(path=path, family=tracked.family, is_matched=False, real=path), ledger.task.encoding)
        except OSError:
            continue
        if copy.identity not in ledger.files and copy.holds(old) and not ledger.task.is_own(path, copy.identity):
            copy.move_to(old)
            copy.generation = tracked.generation
            copy.is_found = False
            copy.is_checked = True
            ledger.admit(copy)
            return True
        copy.close()
    return False


def _rescue_from_archives(ledger: Ledger, tracked: Tracked, *, is_rescued: bool) -> bool:
    """Look for the copy among the compressed ones: some programs compress what they copy at once (pm2-logrotate).

    What is newer than the copy was copied and compressed before anybody looked, and is unread.
    """
    unread: list[Archive] = []
    for entry in reversed(ledger.shelf.since(tracked.family)[-_ARCHIVES_LOOKED_AT:]):
        archive = ledger.archive(entry)
        if tracked.cursor.offset and unpacked_bytes(entry.path) == tracked.cursor.offset:
            # Either it is not the copy, or everything in it was read.
            ledger.shelf.end_at_entry(tracked.family, entry)
            is_rescued |= tracked.reached == tracked.cursor.offset
            break
        if entry.identity in ledger.files or not archive.unpacks() or _is_known(ledger, archive, tracked):
            archive.close()
            break
        unread.append(archive)
        if tracked.cursor.offset and archive.holds(tracked.cursor, tracked.generation):
            archive.move_to(tracked.cursor)
            archive.generation = tracked.generation
            if is_rescued:
                unread.pop().close()
            is_rescued = True
            break
    else:
        for archive in unread:
            archive.close()
        return is_rescued
    for archive in reversed(unread):
        ledger.admit(archive)
    return is_rescued


def _is_known(ledger: Ledger, archive: Archive, tracked: Tracked) -> bool:
    """Say whether a compressed file holds what is read, or was, from one that was there before it."""
    relatives = [each for each in ledger.lineup.relatives(tracked) if each is not tracked and not each.is_archive]
    return any(each.size == archive.size and lineage.is_beginning(archive, each) for each in relatives)


def _newest_strangers(ledger: Ledger, directory: str, least_bytes: int) -> Iterator[str]:
    found: list[tuple[int, str]] = []
    try:
        with os.scandir(directory) as items:
            for item in items:
                if ledger.place.family_name(item.name) is None and item.is_file(follow_symlinks=False):
                    status = item.stat(follow_symlinks=False)
                    if status.st_size >= least_bytes:
                        found.append((status.st_mtime_ns, item.path))
    except OSError:
        return
    yield from (path for _, path in sorted(found, reverse=True)[:_LOOKED_AT])
