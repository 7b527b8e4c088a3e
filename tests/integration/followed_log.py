"""A reader without its thread: it works when a test says so, on a clock that a test moves."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from opsbot.adapters.matching.encoded import EncodedMatcher
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.sources.file.reader import Reader
from opsbot.adapters.sources.file.task import Task
from opsbot.adapters.sources.file.tuning import Tuning
from opsbot.core.log import Batch, Checkpoint, Gap, Multiline, Record, Rule
from opsbot.core.ports import Matcher


class StoppedClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 20, tzinfo=UTC) + timedelta(seconds=self.passed_s)

    def monotonic_s(self) -> float:
        return self.passed_s

    async def sleep(self, delay_s: float) -> None:
        self.passed_s += delay_s


def a_matcher(rules: Sequence[Rule], multiline: Multiline | None = None, encoding: str = "utf-8") -> Matcher:
    """Make the matcher that all others are measured by."""
    matcher = RegexMatcher(rules, multiline)
    return matcher if encoding == "utf-8" else EncodedMatcher(matcher, encoding)


class FollowedLog:
    """Follows a path or glob and commits all that comes of it."""

    def __init__(
        self,
        pattern: Path | Sequence[Path],
        *,
        rules: Sequence[Rule] = (Rule.every_line(),),
        checkpoints: Sequence[Checkpoint] = (),
        between: Callable[[str], None] = lambda _: None,
        matcher: Matcher | None = None,
        multiline: Multiline | None = None,
        encoding: str = "utf-8",
        clock: StoppedClock | None = None,
        **options: Any,
    ) -> None:
        tuning = Tuning(**{key: options.pop(key) for key in list(options) if hasattr(Tuning(), key)})
        self.clock = clock or StoppedClock()
        self.batches: list[Batch] = []
        self.checkpoints = {(each.device, each.inode): each for each in checkpoints}
        self.task = Task(
            source="app",
            pattern=str(pattern) if isinstance(pattern, Path) else [str(each) for each in pattern],
            matcher=matcher or a_matcher(rules, multiline, encoding),
            checkpoints=checkpoints,
            multiline=multiline,
            encoding=encoding,
            clock=self.clock,
            tuning=tuning,
            **options,
        )
        self.reader = Reader(self.task, self._commit, between)

    def __enter__(self) -> Self:
        self.reader.reconcile()
        self.reader.flush()
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self.reader.__exit__(exc_type, exc, traceback)

    def _commit(self, batch: Batch) -> None:
        self.batches.append(batch)
        assert not {(each.device, each.inode) for each in batch.checkpoints} & set(batch.forgotten)
        for identity in batch.forgotten:
            self.checkpoints.pop(identity, None)
        self.checkpoints.update({(each.device, each.inode): each for each in batch.checkpoints})

    def read(self) -> list[str]:
        """Read all there is; gives the new lines."""
        before = len(self.records)
        self.reader.reconcile()
        while self.reader.turn():
            pass
        self.reader.flush()
        return [record.text for record in self.records[before:]]

    def read_after(self, seconds: float) -> list[str]:
        """Let time pass, and read twice: once may only find that something is over."""
        self.clock.passed_s += seconds
        return self.read() + self.read()

    @property
    def records(self) -> list[Record]:
        return [record for batch in self.batches for record in batch.records]

    @property
    def gaps(self) -> list[Gap]:
        return [gap for batch in self.batches for gap in batch.gaps]

    @property
    def saved(self) -> tuple[Checkpoint, ...]:
        """What a store would give after a restart."""
        return tuple(self.checkpoints.values())


def append(path: Path, *lines: str, encoding: str = "utf-8") -> None:
    """Write whole lines at the end of a file."""
    errors = "surrogateescape" if encoding == "utf-8" else "strict"
    append_bytes(path, "".join(f"{line}\n" for line in lines).encode(encoding, errors))


def append_bytes(path: Path, content: bytes) -> None:
    """Write at the end of a file."""
    with path.open("ab") as log:
        log.write(content)


def open_files() -> set[str]:
    """Give the paths of all files that this process has open."""
    found = set()
    for fd in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # a thread has just closed it
            found.add(str(fd.readlink()))
    return found
