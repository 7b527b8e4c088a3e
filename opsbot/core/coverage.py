"""How far each content of a log was consumed: what comes again is known by that, whatever file it comes in."""

from collections.abc import Iterable

from opsbot.core.log import UNNAMED, Checkpoint, Record

_SPARE = 1000


class Coverage:
    """Tells records that are new from those that were there before.

    Some things are read twice: a copy that could not be held against its original, a file whose position was lost, what a broken
    connection had delivered already. They have the same generation then, and stand where they stood before.
    """

    def __init__(self, checkpoints: Iterable[Checkpoint] = ()) -> None:
        """Begin with what was committed."""
        self._contents: dict[tuple[int, int], str] = {}
        self._covered: dict[str, int] = {}
        self.note(checkpoints)

    @property
    def files(self) -> int:
        """How many files there are positions of."""
        return len(self._contents)

    def covers(self, generation: str, offset: int) -> bool:
        """Say whether what begins there was consumed."""
        return offset < self._covered.get(generation, 0)

    def takes(self, record: Record) -> bool:
        """Say whether a record is new; from then on it is not."""
        generation = record.checkpoint.generation
        if self.covers(generation, record.offset):
            return False
        self._cover(generation, record.offset + 1)
        return True

    def note(self, checkpoints: Iterable[Checkpoint], forgotten: Iterable[tuple[int, int]] = ()) -> None:
        """Take note of positions, and of files that are gone: their content may still come again in a copy, for a while."""
        for each in checkpoints:
            self._contents[each.device, each.inode] = each.generation
            self._cover(each.generation, each.offset)
        for identity in forgotten:
            self._contents.pop(identity, None)
        if len(self._covered) > 2 * len(self._contents) + _SPARE:
            known = set(self._contents.values())
            self._covered = {content: offset for content, offset in self._covered.items() if content in known}

    def _cover(self, generation: str, offset: int) -> None:
        if generation not in {"", UNNAMED}:  # who has no name may be anybody
            self._covered[generation] = max(offset, self._covered.get(generation, 0))
