"""Which paths and patterns were followed before: what appears there while nobody reads is new, and read from its beginning."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from opsbot.core.log import Checkpoint

_FOLLOWED = "followed"


class Acquaintance:
    """Remembers, by a checkpoint of its own for each, the patterns and the paths without a file that were looked at once."""

    def __init__(self, source: str, checkpoints: Iterable[Checkpoint]) -> None:
        """Remember what was noted."""
        self._source = source
        self._known = {each.path for each in checkpoints if is_note(each)}

    def knows(self, pattern: str) -> bool:
        """Say whether this pattern was followed before this start."""
        return pattern in self._known

    def notes(self, patterns: Iterable[str]) -> Iterator[Checkpoint]:
        """Give the checkpoints for the patterns that are followed from now on."""
        for pattern in patterns:
            if pattern not in self._known:
                digest = blake2b(pattern.encode("utf-8", "surrogateescape"), digest_size=8).digest()
                yield Checkpoint(
                    source=self._source,
                    path=pattern,
                    device=0,
                    inode=int.from_bytes(digest, "big"),
                    offset=0,
                    generation=_FOLLOWED,
                )


def is_note(checkpoint: Checkpoint) -> bool:
    """Say whether a checkpoint speaks of a pattern, and not of a file."""
    return checkpoint.generation == _FOLLOWED
