"""In which order the files of one log are read."""

from collections.abc import Iterator
from itertools import takewhile

from opsbot.adapters.sources.file.lineage import follows, is_beginning
from opsbot.adapters.sources.file.place import rotation_number
from opsbot.adapters.sources.file.tracked import Tracked


class Lineup:
    """The files of each log, oldest first. A file is read when all before it have been read to their end."""

    def __init__(self) -> None:
        """Know no log."""
        self._queues: dict[str, list[Tracked]] = {}

    def add(self, tracked: Tracked) -> list[Tracked]:
        """Line a newcomer up; gives those of its log that must now be read to their end once more."""
        queue = self._queues.setdefault(tracked.family, [])
        others = [other for other in queue if other.fd is not None and not other.is_settled]
        for other in others:
            other.is_drained = False
        _insert(queue, tracked)
        return others

    def begin_anew(self, tracked: Tracked) -> None:
        """Find a new place for a file that now holds something younger."""
        queue = self._queues[tracked.family]
        queue.remove(tracked)
        _insert(queue, tracked)
        tracked.is_drained = tracked.is_settled = False

    def remove(self, tracked: Tracked) -> None:
        """Let a file leave."""
        queue = self._queues[tracked.family]
        queue.remove(tracked)
        if not queue:
            del self._queues[tracked.family]

    def relatives(self, tracked: Tracked) -> list[Tracked]:
        """Give all files of the same log."""
        return self._queues.get(tracked.family, [])

    def older(self, tracked: Tracked) -> Iterator[Tracked]:
        """Give the files of the same log that come before it."""
        return takewhile(lambda each: each is not tracked, self._queues[tracked.family])

    def is_first(self, tracked: Tracked) -> bool:
        """Say whether no file of its log comes before it."""
        return self._queues[tracked.family][0] is tracked

    def in_the_way(self, tracked: Tracked) -> Iterator[Tracked]:
        """Give the files that must be read first, as far as they do not wait for this one.

        A copy whose original turns out to hold something else has its bond cut, and comes first.
        """
        for other in self._queues[tracked.family]:
            if other is tracked or (follows(other, tracked) and _still_leads(tracked, other)):
                return
            if not other.is_drained:
                yield other


def _insert(queue: list[Tracked], tracked: Tracked) -> None:
    place = len(queue)
    while place > 0 and _is_younger(queue[place - 1], tracked):
        place -= 1
    queue.insert(place, tracked)


def _still_leads(original: Tracked, copy: Tracked) -> bool:
    """Look once more before the first read: of an original that nothing was read of, truncation is not noticed otherwise."""
    if original.cursor.offset == 0 and copy.original is original and not is_beginning(copy, original):
        copy.original = None
        copy.is_drained = False
        return False
    return True


def _is_younger(other: Tracked, newcomer: Tracked) -> bool:
    """Say whether a file that is lined up already comes after a newcomer.

    Numbers say more than times: late lines make an old file look new.
    """
    if newcomer.is_live or other.is_live:
        return not newcomer.is_live
    number, other_number = rotation_number(newcomer.path), rotation_number(other.path)
    if number and other_number:
        return other_number < number
    return other.cursor.offset == 0 and other.seen[1] > newcomer.seen[1]
