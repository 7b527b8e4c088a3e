"""Which file is a copy of which: what copy-and-truncate leaves behind must not be read twice, nor lost.

A copy *follows* its original: as long as the original is intact, all that is in the copy will be read there. When the original
is truncated, the copy is read on from where the original had been read to.
"""

import os
from collections.abc import Iterable

from opsbot.adapters.sources.file.descriptor import has_name
from opsbot.adapters.sources.file.generation import is_complete
from opsbot.adapters.sources.file.tracked import Tracked
from opsbot.core.log import MARKER_BYTES

STRANGER_BYTES = 4096
"""Files whose names are unrelated count as copies only from so many equal bytes on: many logs begin with the same lines."""


def original_of(copy: Tracked, candidates: Iterable[Tracked]) -> Tracked | None:
    """Find the file whose content a newcomer repeats."""
    for original in candidates:
        if original is not copy and not follows(original, copy) and _repeats(copy, original):
            return original
    return None


def follows(tracked: Tracked | None, leader: Tracked) -> bool:
    """Say whether a file is a copy of another, or a copy of a copy of it."""
    while tracked is not None and tracked is not leader:
        tracked = tracked.original
    return tracked is leader


def _repeats(copy: Tracked, original: Tracked) -> bool:
    is_rotated = copy.family == original.family and copy.path != copy.family
    consumed = original.cursor
    if not is_rotated and (consumed.offset < STRANGER_BYTES or _still_stands(copy, original)):
        return False
    if copy.cursor.offset > consumed.offset:
        return False
    if 0 < consumed.offset <= copy.size:
        # The next logs often begin with the same few lines; a copy is made of what stands under the log's own name, or stood.
        is_proof = consumed.is_proof or original.is_live or not original.holds(consumed)
        return is_proof and copy.holds(consumed) and (is_rotated or _same_bytes(copy, original, 0))
    if copy.size < MARKER_BYTES:
        return copy.size == original.size and copy.seen[1] >= original.seen[1] and is_beginning(copy, original)
    return is_beginning(copy, original) or (is_rotated and was_read_through(copy, original))


def was_read_through(copy: Tracked, original: Tracked) -> bool:
    """Say whether a truncated original was read to the end of the copy and beyond: a writer does not wait for who copies."""
    place = original.trail.before(copy.size)
    return place is not None and copy.holds(place) and not original.holds(original.trail.end)


def _still_stands(copy: Tracked, original: Tracked) -> bool:
    """Say whether the newcomer took the name of a file that was only renamed: then it is the next log and no copy."""
    return copy.family == original.family and original.fd is not None and has_name(original.fd)


def is_beginning(copy: Tracked, original: Tracked) -> bool:
    """Say whether the copy, which is shorter, is what the original begins with: it may still be growing."""
    size = copy.size
    if size == 0 or original.fd is None:
        return False
    return _same_bytes(copy, original, 0) and _same_bytes(copy, original, max(0, size - MARKER_BYTES))


def _same_bytes(one: Tracked, other: Tracked, offset: int) -> bool:
    if one.fd is None or other.fd is None:
        return False
    size = min(MARKER_BYTES, one.size - offset)
    return os.pread(one.fd, size, offset) == os.pread(other.fd, size, offset)


def is_at_end(original: Tracked) -> bool:
    """Say whether everything that is in the file was read, and that it is still the same file."""
    return original.fd is None or (original.size == original.reached and original.holds(original.cursor))


def follow(copy: Tracked, original: Tracked, size: int, max_line_bytes: int) -> None:
    """Move a copy on to where its original, which is at its end, was read; a copy that holds more gets a life of its own.

    `size` is the copy's, taken before the original was looked at: what was in the copy by then stood in the original before.
    """
    consumed = original.cursor
    if copy.fd is None:
        return
    if consumed.offset <= size and copy.holds(consumed):
        copy.move_to(consumed)
        is_same = size <= original.reached
        if is_complete(original.generation):
            # What they hold further on may differ, as long as somebody can write to both.
            copy.generation = original.generation if is_same or _is_gone(original) else ""
    elif consumed.offset > size and (original.fd is None or is_beginning(copy, original)):
        copy.move_to(copy.last_line(size, max_line_bytes))
        is_same = True
    elif not is_at_end(original):
        return  # it was truncated just now, and who reads it next sees to its copies
    else:
        is_same = False
    if is_same:
        copy.reached = size
    else:
        copy.original = None


def _is_gone(tracked: Tracked) -> bool:
    return not tracked.is_found if tracked.fd is None else not has_name(tracked.fd)
