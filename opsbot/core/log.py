"""What passes from a log file to an operation."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Literal

from opsbot.core.notification import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """A Python regular expression, searched in each decoded record of a source.

    `name` tells the rules of one operation apart; without one the pattern is the name. `per_minute` is how many matches reach
    `on_log` when the rule floods: so many at once, and so many a minute in the long run; the others are counted, and the scene's
    recipients read the number. None is the default (see `opsbot.core.flood`), 0 lets everything through.

    >>> Rule("ERROR").name
    'ERROR'
    """

    pattern: str
    name: str = ""
    per_minute: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Compile once, so that a bad pattern fails where it is declared.

        Raises:
            re.error: the pattern is no regular expression.
            ValueError: `per_minute` is negative.
        """
        re.compile(self.pattern)
        if self.per_minute is not None and self.per_minute < 0:
            raise ValueError(f"per_minute={self.per_minute}: a positive number, or 0 for no limit")
        if not self.name:
            object.__setattr__(self, "name", self.pattern)

    @classmethod
    def every_line(cls) -> "Rule":
        """Ask for every record, a flood included; costs one Python call per line."""
        return cls("", name="every_line", per_minute=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiline:
    r"""How lines become records of several lines.

    `kind` is "python" (a traceback belongs to the line before it), "java" (so does a stack trace) or "start" (a record begins
    where `start`, a regular expression, is found in a line). A record ends where the next one begins, after `timeout_s` without
    another line, or at its bounds.
    """

    kind: Literal["python", "java", "start"]
    start: str = ""
    timeout_s: float = 1.0
    max_lines: int = 500
    max_bytes: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class Hit:
    """Rule number `rule` matches a record; `groups` are the named groups that took part."""

    rule: int
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """A record that rules match: where it stands (bytes in the block, line end excluded), its text, its hits by rule."""

    start: int
    end: int
    text: str
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Disabled:
    """Rule number `rule` is no longer searched, and why."""

    rule: int
    reason: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What a matcher found in a block.

    `consumed` bytes are dealt with; what is behind them begins a record of several lines that is not complete yet and must be
    given again together with what follows it. `disabled` are rules that were given up during this scan.
    """

    matches: Sequence[Match]
    consumed: int
    disabled: tuple[Disabled, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFigures:
    """How one rule is searched: by which engine, why by no faster one, and how often the engine and the rule itself said yes."""

    name: str
    engine: str
    reason: str = ""
    candidates: int = 0
    matches: int = 0
    is_disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFigures:
    """Where a source stands.

    `lag_bytes` are known to be there and not yet read, `lag_s` says for how long the oldest of them has been. `watch` is how it
    is woken ("inotify", "polling", "pipe"), `watch_reason` why not in the best way.
    """

    files: int = 0
    open_files: int = 0
    read_bytes: int = 0
    lag_bytes: int = 0
    lag_s: float = 0.0
    records: int = 0
    gaps: int = 0
    lost_bytes: int = 0
    watch: str = ""
    watch_reason: str = ""
    rules: tuple[RuleFigures, ...] = ()


MARKER_BYTES = 256
UNNAMED = "unnamed"


def marker_of(tail: bytes | bytearray | memoryview) -> bytes:
    """Give the marker of a position: a digest of the bytes just before it (256, fewer near the beginning), b"" for none.

    A digest, because logs hold what must not lie in a database as well.
    """
    return blake2b(tail, digest_size=16).digest() if tail else b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far one file of a source has been consumed, and how to know that file again.

    `offset` (bytes) stands at the start of a line. `marker` is the `marker_of` the bytes just before it: the same
    device and inode with another marker is another file. `generation` names the content: it stays when the file is renamed,
    copied or compressed, and a file that was truncated and written anew has another one. It is `UNNAMED` in what an opsbot left
    that did not name contents, "" as long as nothing of the content was read.
    """

    source: str
    path: str
    device: int
    inode: int
    offset: int
    marker: bytes = b""
    generation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One matched record: its decoded text without the line end, where it began, which rules matched.

    `checkpoint` stands behind it.
    """

    path: str
    offset: int
    text: str
    hits: tuple[Hit, ...]
    checkpoint: Checkpoint

    def key(self, rule: Rule) -> str:
        """Name this match: the same record of the same content gives the same key, however often and wherever it is read."""
        digest = blake2b(f"{rule.name}\n{rule.pattern}".encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
        return f"{self.checkpoint.generation or self.checkpoint.inode}:{self.offset}:{digest}"


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
    disabled: tuple[Disabled, ...] = ()
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
