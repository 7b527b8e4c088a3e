"""Closing what is no longer written to."""

from collections.abc import Iterator

from opsbot.adapters.sources.file.descriptor import has_name
from opsbot.adapters.sources.file.ledger import Ledger
from opsbot.adapters.sources.file.tracked import Tracked
from opsbot.core.log import Gap

_AWAY_KEPT = 64
"""So many closed files that are nowhere to be seen are remembered, in case they come back."""


def retiring(ledger: Ledger, now_s: float) -> Iterator[Tracked]:
    """Give the rotated files that have been quiet for long enough."""
    for tracked in list(ledger.files.values()):
        is_quiet = tracked.is_drained and tracked not in ledger.dirty
        is_over = not tracked.is_live and now_s - tracked.grown_at_s >= ledger.task.tuning.rotate_wait_s
        # What a copy holds behind its position may yet be cut off in the original.
        is_waiting = tracked.original is not None and tracked.size > tracked.cursor.offset
        if is_quiet and is_waiting and tracked.original and tracked.original.cursor.offset > tracked.cursor.offset:
            ledger.mark(tracked)  # it may be behind only because a record was concluded since
        if is_quiet and is_over and not is_waiting and tracked.fd is not None:
            yield tracked


def retire(ledger: Ledger, tracked: Tracked) -> None:
    """Close a rotated file; forget it when it was deleted, or decompressed only to be read."""
    if tracked.damage:
        ledger.parcel.gap(Gap(tracked.path, tracked.damage))
    if tracked.is_archive:
        ledger.drop(tracked)
        return
    if tracked.fd is not None and not has_name(tracked.fd):
        ledger.drop(tracked)
        return
    tracked.close()
    away = [each for each in ledger.files.values() if each.fd is None and not each.is_found]
    for oldest in sorted(away, key=lambda each: each.grown_at_s)[: max(0, len(away) - _AWAY_KEPT)]:
        ledger.drop(oldest)


def make_room(ledger: Ledger) -> None:
    """Close files when one that was closed is about to be opened again; not each time, because it looks at all of them."""
    ledger.reopened += 1
    if ledger.reopened > ledger.task.tuning.most_open_files() // 8:
        shed(ledger)


def shed(ledger: Ledger) -> bool:
    """Close the files that have been quiet for longest, when too many are open or more are to be opened; True if it did."""
    ledger.reopened = 0
    limit = ledger.task.tuning.most_open_files()
    opened = [each for each in ledger.files.values() if each.fd is not None]
    if ledger.lacks_descriptors:
        limit = min(limit, len(opened)) // 8  # the more the fewer rounds it takes until all were open once
    if len(opened) <= limit:
        return False
    closable = [each for each in opened if _may_be_closed(each, ledger)]
    closable.sort(key=lambda each: (each in ledger.dirty, each.grown_at_s))
    superfluous = closable[: len(opened) - limit]
    for tracked in superfluous:
        tracked.close()
    return bool(superfluous)


def _may_be_closed(tracked: Tracked, ledger: Ledger) -> bool:
    if tracked.open_record:
        return False
    if tracked.is_drained and tracked not in ledger.dirty:
        return tracked.is_found
    # One with something to read only if its name is sure to find it again, and nothing waits for what is in it.
    is_alone = tracked.is_checked and tracked.original is None and len(ledger.lineup.relatives(tracked)) == 1
    return ledger.lacks_descriptors and tracked.is_live and is_alone
