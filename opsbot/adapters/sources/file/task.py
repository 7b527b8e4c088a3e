"""What a reader is told to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from opsbot.adapters.sources.file.place import Identity
from opsbot.adapters.sources.file.tuning import Tuning
from opsbot.core.log import Checkpoint, Multiline
from opsbot.core.ports import Clock, Matcher

ReadFrom = Literal["end", "beginning"]
Until = Literal["stopped", "last_line", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a reader shall read, and how: see FileSource for the meaning of each.

    `goes_on` is asked in the middle of what takes long; when it says no, the reader is left with StoppedError.
    """

    source: str
    pattern: str | Sequence[str]
    matcher: Matcher
    checkpoints: Sequence[Checkpoint]
    clock: Clock
    read_from: ReadFrom = "end"
    multiline: Multiline | None = None
    encoding: str = "utf-8"
    until: Until = "stopped"
    is_own: Callable[[str, Identity], bool] = lambda *_: False
    tuning: Tuning = field(default_factory=Tuning)
    goes_on: Callable[[], bool] = lambda: True
