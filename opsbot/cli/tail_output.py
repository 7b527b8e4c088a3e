"""What `opsbot tail` writes: records to stdout, everything else to stderr."""

import json
import os
import select
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from fnmatch import fnmatch
from typing import Protocol

from opsbot.core.errors import OpsbotError
from opsbot.core.log import Batch, Checkpoint, Record, Rule

STDOUT = 1
INFO = 20

_WORDS = {
    "log_lost": "{path}: {reason}",
    "log_begun": "positions are kept from now on; for what is there already, begin a new --state with --from-start",
    "log_back": "{path}: can be read now",
    "watching_failed": "the system does not wake us ({reason}); files are looked at every {poll_s} s",
    "watching_again": "the system wakes us again",
    "events_missing": "{path}: the system did not say that it was written to; files are looked at again and again",
}


class ReaderGoneError(Exception):
    """Nobody reads the output any more."""


class OutputError(OpsbotError):
    """The output cannot be written."""


def write_out(content: bytes) -> None:
    """Write to stdout, at once and whole; waits while the other side is slow.

    Raises:
        ReaderGoneError: nobody reads any more.
        OutputError: the disk is full, or the like; some of it may have been written.
    """
    rest = memoryview(content)
    while rest:
        try:
            rest = rest[os.write(STDOUT, rest) :]
        except BlockingIOError:  # whoever shares the pipe may have told it not to wait
            select.select([], [STDOUT], [])
        except BrokenPipeError:
            raise ReaderGoneError from None
        except OSError as exc:
            raise OutputError(f"opsbot tail: the output cannot be written: {exc.strerror}") from exc


def complain(text: str) -> None:
    """Say one line to whoever looks after us."""
    if sys.stderr is not None:
        one_line = " ".join(text.splitlines())
        print(f"opsbot tail: {one_line}", file=sys.stderr, flush=True)


class Complaints:
    """What the engine has to say, one readable line each; `were_made` says that something could not be done."""

    def __init__(self) -> None:
        """Have none."""
        self.were_made = False

    def listen(self) -> None:
        """Take over all that is logged."""
        # Where rich is installed, structlog loads all of it to draw tracebacks: 6 MB and a third of the start, for nothing here.
        sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
        import structlog  # noqa: PLC0415 after that, and before what logs

        structlog.configure(
            processors=[self],
            wrapper_class=structlog.make_filtering_bound_logger(INFO),
            logger_factory=structlog.ReturnLoggerFactory(),
        )

    def __call__(self, _logger: object, method: str, event: MutableMapping[str, object]) -> str:
        """Say what happened; a processor, as structlog wants it."""
        self.were_made = self.were_made or method != "info"
        words = _WORDS.get(str(event["event"]))
        details = ", ".join(f"{key}: {value}" for key, value in event.items() if key not in ("event", "source"))
        complain(words.format_map(event) if words else f"{event['event']} {details}".strip())
        return ""

    def of(self, batch: Batch, rules: Sequence[Rule]) -> None:
        """Say what could not be read, and what is searched no longer."""
        for gap in batch.gaps:
            size = f" ({gap.lost_bytes} bytes)" if gap.lost_bytes is not None else ""
            complain(f"{gap.path}: lost{size}: {gap.reason}")
        for disabled in batch.disabled:
            self.were_made = True
            complain(f"the rule {rules[disabled.rule].name} is searched no longer: {disabled.reason}")


class Format(Protocol):
    """How a batch is written."""

    def lines(self, batch: Batch) -> Iterator[str]:
        """Give the lines, each with its newline; a record of several lines is one of them."""
        ...


class PlainLines:
    """The record's text, behind its path where there may be several; `folder` is what paths are shown without."""

    def __init__(self, *, with_path: bool, folder: str) -> None:
        """Show records."""
        self._with_path = with_path
        self._folder = folder

    def lines(self, batch: Batch) -> Iterator[str]:
        """See `Format.lines`."""
        for record in batch.records:
            yield f"{record.path.removeprefix(self._folder)}: {record.text}\n" if self._with_path else f"{record.text}\n"


_POSITIONS_A_LINE = 1000
"""A batch holds records of fewer files."""


class JsonLines:
    """An object per record and rule that matches it; with positions, another one behind each batch."""

    def __init__(self, patterns: Sequence[str], rules: Sequence[Rule], *, with_positions: bool) -> None:
        """Show which of `patterns` each record comes from, and which of `rules` found it."""
        self._patterns = patterns
        self._rules = rules
        self._with_positions = with_positions
        self._sources: dict[str, str] = {}

    def lines(self, batch: Batch) -> Iterator[str]:
        """See `Format.lines`."""
        time = batch.observed_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for record in batch.records:
            yield from (_json(each) for each in self._objects(record, time))
        if self._with_positions:
            yield from map(_json, _positions(batch))

    def _objects(self, record: Record, time: str) -> Iterator[Mapping[str, object]]:
        for hit in record.hits:
            rule = self._rules[hit.rule]
            yield {
                "source": self._source(record.path),
                "path": record.path,
                "line": record.text,
                "offset": record.offset,
                "rule": rule.name,
                "groups": dict(hit.groups),
                "time": time,
                "key": record.key(rule),
            }

    def _source(self, path: str) -> str:
        if path not in self._sources:
            named = (pattern for pattern in self._patterns if pattern == path or fnmatch(path, pattern))
            self._sources[path] = next(named, self._patterns[0])
        return self._sources[path]


def encoded(lines: Iterator[str]) -> bytes:
    """Give the bytes of lines; a path may hold any."""
    return "".join(lines).encode("utf-8", "surrogateescape")


def _json(value: Mapping[str, object]) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a path that is no UTF-8
        text = json.dumps(value)
    return f"{text}\n"


def _positions(batch: Batch) -> Iterator[Mapping[str, object]]:
    """Give the positions behind a batch; of very many files on several lines, those of its records on the first one.

    Whoever commits each line together with what came before it has every record once, wherever the connection breaks.
    """
    found = {(each.checkpoint.device, each.checkpoint.inode) for each in batch.records}
    first = sorted(batch.checkpoints, key=lambda each: (each.device, each.inode) not in found)
    yield {
        "positions": [_position(each) for each in first[:_POSITIONS_A_LINE]],
        "forgotten": [list(identity) for identity in batch.forgotten],
        "gaps": [{"path": each.path, "reason": each.reason, "lost_bytes": each.lost_bytes} for each in batch.gaps],
    }
    for at in range(_POSITIONS_A_LINE, len(first), _POSITIONS_A_LINE):
        positions = [_position(each) for each in first[at : at + _POSITIONS_A_LINE]]
        yield {"positions": positions, "forgotten": [], "gaps": []}


def _position(checkpoint: Checkpoint) -> Mapping[str, object]:
    return {
        "path": checkpoint.path,
        "device": checkpoint.device,
        "inode": checkpoint.inode,
        "offset": checkpoint.offset,
        "marker": checkpoint.marker.hex(),
        "generation": checkpoint.generation,
    }
