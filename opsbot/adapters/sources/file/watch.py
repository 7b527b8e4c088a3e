"""What wakes a reader: hints, never the truth."""

import os
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True)
class News:
    """What happened since it was asked for last, each path once.

    `written` are files whose content or rights changed. `named` are names that appeared or vanished, in order, with whether they
    are those of directories. `is_incomplete` says that there was more than the system kept: anything may have happened.
    """

    written: set[str] = field(default_factory=set)
    named: dict[tuple[str, bool], None] = field(default_factory=dict)
    is_incomplete: bool = False

    def __bool__(self) -> bool:
        """Say whether anything happened."""
        return bool(self.written or self.named or self.is_incomplete)


class Watch(Protocol):
    """Watches directories, not files: ten thousand logs in one directory cost one watch.

    Called from the reader's thread only. It watches nothing until directories are armed.
    """

    @property
    def kind(self) -> str:
        """What the figures of a source call it."""
        ...

    @property
    def fd(self) -> int:
        """The descriptor that can be read when there are news; -1: the bell is rung."""
        ...

    def arm(self, directories: set[str]) -> bool:
        """Watch these directories and no others; True when one is watched that was not before.

        Raises:
            OSError: the system refuses, and says what to do about it; nothing is watched then.
        """
        ...

    def take(self) -> News:
        """Give the news without waiting."""
        ...

    def disarm(self) -> None:
        """Watch nothing."""
        ...


def identity_of(path: str) -> tuple[int, int] | None:
    """Say which directory stands at a path, None when there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 a string all along
    except OSError:
        return None
    return status.st_dev, status.st_ino
