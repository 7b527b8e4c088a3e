"""Closing what is no longer written to."""

import os
import resource
from collections.abc import Iterator

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
    if tracked.fd is not None and os.fstat(tracked.fd).st_nlink == 0:
        ledger.drop(tracked)
        return
    tracked.close()
    away = [each for each in ledger.files.values() if each.fd is None and not each.is_found]
    for oldest in sorted(away, key=lambda each: each.grown_at_s)[: max(0, len(away) - _AWAY_KEPT)]:
        ledger.drop(oldest)


def shed(ledger: Ledger) -> None:
    """Close the files that have been quiet for longest, when too many are open."""
    limit = ledger.task.tuning.open_files or resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
    opened = [each for each in ledger.files.values() if each.fd is not None]
    if ledger.lacks_descriptors:
        limit = min(limit, len(opened) // 2)
    if len(opened) <= limit:
        return
    quiet = [each for each in opened if each.is_drained and each.is_found and each not in ledger.dirty and not each.open_record]
    for tracked in sorted(quiet, key=lambda each: each.grown_at_s)[: len(opened) - limit]:
        tracked.close()
