"""What passes from a log file to an operation."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from opsbot.core.notification import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """A Python regular expression, searched in each decoded record of a source.

    `name` tells the rules of one operation apart; without one the pattern is the name.

    >>> Rule("ERROR").name
    'ERROR'
    """

    pattern: str
    name: str = ""

    def __post_init__(self) -> None:
        """Compile once, so that a bad pattern fails where it is declared.

        Raises:
            re.error: the pattern is no regular expression.
        """
        re.compile(self.pattern)
        if not self.name:
            object.__setattr__(self, "name", self.pattern)

    @classmethod
    def every_line(cls) -> "Rule":
        """Ask for every record; costs one Python call per line."""
        return cls("", name="every_line")


@dataclass(frozen=True, slots=True)
class Match:
    """Rule number `rule` may match in the line at `start`..`end` (byte offsets in a block, newline excluded)."""

    rule: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far one file of a source has been consumed, and how to know that file again.

    `offset` (bytes) stands at the start of a line. `marker` is the bytes just before it (at most 256): the same
    device and inode with another marker is another file. Version 1 of the persisted form.
    """

    source: str
    path: str
    device: int
    inode: int
    offset: int
    marker: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One matched record: its decoded text without the newline, where it began, which rules matched."""

    path: str
    offset: int
    text: str
    rules: tuple[int, ...]
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes of a log that could not be read any more, and why."""

    path: str
    reason: str
    lost_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one turn of a source found; committing `checkpoints` acknowledges all of it.

    `forgotten` are checkpoints (by device and inode) of files that are gone and consumed.
    """

    source: str
    records: tuple[Record, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    forgotten: tuple[tuple[int, int], ...] = ()
    gaps: tuple[Gap, ...] = ()
    observed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One matched record, as an operation sees it.

    `groups` are the named groups of the rule's match. `fields` are the values of a JSON record, else empty.
    `signed_by` names the bot whose signature (see `pair_key`) the record carries; "" means that anybody may have
    """

    source: str
    rule: Rule
    text: str
    groups: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, object] = field(default_factory=dict)
    severity: Severity = Severity.NORMAL
    observed_at: datetime
    path: str = ""
    signed_by: str = ""
    signed_ms: int = 0
    checkpoint: Checkpoint
