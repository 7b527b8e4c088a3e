"""Random programs of what happens to logs, against an oracle: every line once.

A program writes lines, tears them, rotates, copies and truncates, deletes, restarts and crashes; in between the reader has a turn
or two. What was committed in the end must be every line exactly once, and in order for each incarnation of the file. Set
`OPSBOT_MODEL_EXAMPLES` for more programs than the usual two hundred.
"""

import gzip
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from opsbot.adapters.sources.file.reader import Reader
from opsbot.adapters.sources.file.task import Task
from opsbot.adapters.sources.file.tuning import Tuning
from opsbot.core.log import Batch, Checkpoint, Multiline, Rule
from tests.integration.followed_log import StoppedClock, a_matcher

EXAMPLES = int(os.environ.get("OPSBOT_MODEL_EXAMPLES", "200"))
ROTATE_WAIT_S = 30.0
CODECS = {"utf-8": "utf-8", "gb18030": "gb18030", "utf-16": "utf-16-le"}
FIVE_LINES = Multiline(kind="start", start=r"^\d+:\d*[05] ", timeout_s=5.0)
EVERY_LINE = Rule.every_line()


class Writer:
    """A program that logs: appends to what it has open, and remembers what lines that makes."""

    def __init__(self, path: Path, encoding: str) -> None:
        self.path = path
        self.codec = CODECS[encoding]
        self.unit_bytes = len("\n".encode(self.codec))
        self.written: list[str] = []
        self.generation = 0
        self.writes = 1_000_000_000
        self._begun = b""
        self._rest = b""
        self._fd = -1
        self.open()

    def open(self) -> None:
        """Open the log under its name, as after a signal; what was torn is finished in the old file first."""
        if self._fd >= 0:
            self.mend()
            os.close(self._fd)
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.generation += 1
        if not os.fstat(self._fd).st_size:
            self.stamp(self._fd)

    def stamp(self, file: int | Path) -> None:
        """Give a file a time of its own: the file system's are too coarse for a program that runs in a millisecond."""
        self.writes += 1
        os.utime(file, (self.writes, self.writes))

    def close(self) -> None:
        os.close(self._fd)

    def writes_to(self, path: Path) -> bool:
        return os.fstat(self._fd).st_ino == path.stat().st_ino

    def write(self, count: int) -> None:
        self.mend()
        for _ in range(count):
            self._append((self._next() + "\n").encode(self.codec))

    def tear(self, cut: int) -> None:
        """Write only the beginning of a line, which may end within a character."""
        self.mend()
        line = (self._next() + "\n").encode(self.codec)
        # A file that begins with half a unit could not be read by anybody.
        cut = (cut % (len(line) // self.unit_bytes - 1) + 1) * self.unit_bytes
        self._append(line[:cut])
        self._begun, self._rest = line[:cut], line[cut:]

    def mend(self) -> None:
        """Finish a torn line."""
        if self._rest:
            self._append(self._rest)
            self._rest = b""

    def split(self, *, goes_on: bool) -> bool:
        """Let what was written of a torn line be a line, because its file ends here; True if there was one.

        Who goes on writes the rest at the beginning of the next file.
        """
        if not self._rest:
            return False
        self.written.pop()
        if self._begun:
            self.written.append(self._begun.decode(self.codec, "replace"))
        self._begun = b""
        if goes_on:
            self.written.append(self._rest[: -self.unit_bytes].decode(self.codec, "replace"))
        else:
            self._rest = b""
        return True

    def _append(self, content: bytes) -> None:
        os.write(self._fd, content)
        self.stamp(self._fd)

    def _next(self) -> str:
        number = len(self.written)
        line = f"{self.generation}:{number} 日志{'x' * (number * 7 % 40)}"
        self.written.append(line)
        return line


@dataclass
class World:
    """The directory, the writer, the reader and what was committed of its batches."""

    directory: Path
    pattern: str
    tuning: Tuning
    multiline: Multiline | None
    encoding: str

    def __post_init__(self) -> None:
        self.log = self.directory / "app.log"
        self.clock = StoppedClock()
        self.checkpoints: dict[tuple[int, int], Checkpoint] = {}
        self.committed: list[str] = []
        self.pending: list[Batch] = []
        self.keys: dict[str, set[str]] = {}
        self.texts: dict[str, set[str]] = {}
        self.copies = 0
        self.is_ordered = True
        self.names_seen: set[tuple[str, int]] = set()
        self.writer = Writer(self.log, self.encoding)
        self.reader = self._reader()

    def _reader(self) -> Reader:
        reader = Reader(
            Task(
                source="app",
                pattern=str(self.directory / self.pattern),
                matcher=a_matcher([EVERY_LINE], self.multiline, self.encoding),
                multiline=self.multiline,
                encoding=self.encoding,
                checkpoints=tuple(self.checkpoints.values()),
                clock=self.clock,
                tuning=self.tuning,
            ),
            self.pending.append,
        )
        reader.reconcile()
        reader.flush()
        self.commit()
        return reader

    # What may happen, one method each.

    def names(self) -> set[tuple[str, int]]:
        return {(each.name, each.stat().st_ino) for each in self.directory.iterdir()}

    def look(self, turns: int) -> None:
        self.names_seen = self.names()
        self.reader.reconcile()
        for _ in range(turns):
            self.reader.turn()

    def hint(self, turns: int) -> None:
        """Say only that something was written; when names have changed too, that news got lost, and with it the order may be."""
        self.is_ordered &= self.names_seen == self.names()
        if self.reader.touch([str(self.log)]):
            self.reader.reconcile()
        for _ in range(turns):
            self.reader.turn()

    def commit(self) -> None:
        for batch in self.pending:
            self.see(batch)
            self.committed += [line for record in batch.records for line in record.text.split("\n")]
            for identity in batch.forgotten:
                self.checkpoints.pop(identity, None)
            self.checkpoints.update({(each.device, each.inode): each for each in batch.checkpoints})
        self.pending.clear()

    def see(self, batch: Batch) -> None:
        """Note what the records are called: a consumer has acted on them when he comes to commit.

        How many lines a record has depends on when it was waited for, so that its first line counts.
        """
        for record in batch.records:
            key, line = record.key(EVERY_LINE), record.text.split("\n")[0]
            self.keys.setdefault(line, set()).add(key)
            self.texts.setdefault(key, set()).add(line)

    def catch_up(self) -> None:
        """Let everything that was written be read and committed."""
        self.look(0)
        while self.reader.turn():
            pass
        self.reader.flush()
        self.commit()

    def commit_all(self) -> None:
        """Let every record end, before nothing is left of it but what the reader knows."""
        self.catch_up()
        self.clock.passed_s += FIVE_LINES.timeout_s
        self.catch_up()

    def write(self, count: int) -> None:
        self.writer.write(count)

    def tear(self, cut: int) -> None:
        self.writer.tear(cut)

    def rename(self, style: int) -> None:
        """Rotate by renaming; a late writer goes on in the renamed file for a while, a killed one leaves its last line torn."""
        self._shift()
        if self.log.exists():
            self.log.rename(self.directory / "app.log.1")
        if style == 3:
            self.is_ordered &= not self.writer.split(goes_on=False)
        if style % 2:
            self.writer.open()

    def _shift(self) -> None:
        rotated = [(int(each.name.split(".")[2]), each) for each in self.directory.glob("app.log.*")]
        for number, each in sorted(rotated, reverse=True):
            each.rename(str(each).replace(f".log.{number}", f".log.{number + 1}"))

    def reopen(self, _: int) -> None:
        self.writer.open()

    def copy_and_truncate(self, style: int) -> None:
        if not self.log.exists():
            return
        self.copies += 1
        stamp = f"2026-11-{self.copies:02}_00-00-00"
        name = [f"app__{stamp}.log", f"app.log-{stamp}", f"app-{stamp}.log", "app.log.1"][style % 4]
        if name == "app.log.1":
            self._shift()
        if self.writer.writes_to(self.log):
            self.is_ordered &= not self.writer.split(goes_on=True)
        shutil.copy2(self.log, self.directory / name)
        if style > 4:
            self.look(1)
        os.truncate(self.log, 0)
        self.writer.stamp(self.log)

    def truncate_and_regrow(self, count: int) -> None:
        """Nothing of it is kept, so that only what was read before can be promised."""
        self.writer.mend()
        self.commit_all()
        if self.log.exists():
            size = self.log.stat().st_size
            os.truncate(self.log, 0)
            self.writer.stamp(self.log)
            while self.log.stat().st_size < size and self.writer.writes_to(self.log):
                self.writer.write(1 + count)

    def delete(self, _: int) -> None:
        self.writer.mend()
        self.commit_all()
        self.log.unlink(missing_ok=True)
        self.writer.open()

    def compress(self, _: int) -> None:
        """Compress the rotated files that the reader has met."""
        self._compress({inode for _, inode in self.names_seen})

    def _compress(self, met: Collection[int] | None = None) -> None:
        for each in self.directory.iterdir():
            status = each.stat()
            is_over = each != self.log and each.suffix != ".gz" and not self.writer.writes_to(each)
            if is_over and (met is None or status.st_ino in met):
                compressed = each.with_name(each.name + ".gz")
                compressed.write_bytes(gzip.compress(each.read_bytes(), 0))
                os.utime(compressed, ns=(status.st_mtime_ns, status.st_mtime_ns))
                each.unlink()

    def down(self, turns: int) -> None:
        """Be away for some rotations, which are compressed sooner or later; an odd number ends like a kill -9."""
        if turns % 2:
            self._lose(turns)
        else:
            self.reader.flush()
            self.commit()
        self.reader.__exit__(None, None, None)
        for number in range(turns):
            self.writer.write(number)
            if number % 4 == 3:
                self._compress()
            self.rename(1)
        self._compress()
        self._restart()

    def restart(self, _: int) -> None:
        self.reader.flush()
        self.commit()
        self._restart()

    def crash(self, uncommitted: int) -> None:
        """Die like from kill -9: the first of the batches that are lost had been acted on."""
        self._lose(uncommitted)
        self._restart()

    def _lose(self, uncommitted: int) -> None:
        kept = max(0, len(self.pending) - uncommitted)
        for batch in self.pending[kept : kept + 1]:
            self.see(batch)
        self.pending[:] = self.pending[:kept]
        self.commit()

    def _restart(self) -> None:
        self.reader.__exit__(None, None, None)
        self.pending.clear()
        self.reader = self._reader()

    def wait(self, seconds: int) -> None:
        self.writer.mend()
        self.clock.passed_s += seconds * 7
        self.look(2)

    def settle(self) -> None:
        self.writer.mend()
        for _ in range(3):
            self.catch_up()
            self.clock.passed_s += ROTATE_WAIT_S + 1


STEPS = {
    "write": 5,
    "tear": 2,
    "look": 4,
    "hint": 3,
    "rename": 2,
    "reopen": 1,
    "copy_and_truncate": 2,
    "truncate_and_regrow": 1,
    "delete": 1,
    "restart": 1,
    "crash": 1,
    "compress": 1,
    "down": 1,
    "wait": 1,
    "save": 1,
}
steps = st.tuples(st.sampled_from([name for name, weight in STEPS.items() for _ in range(weight)]), st.integers(0, 8))


def run(program: list[tuple[str, int]], chunk_bytes: int, pattern: str, multiline: Multiline | None, encoding: str) -> World:
    """Carry a program out."""
    tuning = Tuning(chunk_bytes=chunk_bytes, turn_bytes=max(64, chunk_bytes), batch_records=3, rotate_wait_s=ROTATE_WAIT_S)
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory), pattern, tuning, multiline, encoding)
        try:
            for name, number in program:
                if name == "save":
                    world.commit()
                else:
                    getattr(world, name)(number)
            world.settle()
        finally:
            world.reader.__exit__(None, None, None)
            world.writer.close()
        return world


@settings(
    max_examples=EXAMPLES, deadline=None, database=None, derandomize=EXAMPLES <= 200, suppress_health_check=list(HealthCheck)
)
@given(
    program=st.lists(steps, max_size=25),
    chunk_bytes=st.sampled_from([1, 2, 3, 7, 16, 64, 500, 4096, 256 * 1024]),
    pattern=st.sampled_from(["app.log", "app*.log", "app*"]),
    multiline=st.sampled_from([None, FIVE_LINES]),
    encoding=st.sampled_from(["utf-8", "utf-8", "gb18030", "utf-16"]),
)
@example([("tear", 6), ("look", 1), ("copy_and_truncate", 0)], 1, "app.log", FIVE_LINES, "utf-8")
@example(
    [("write", 1), ("look", 1), ("copy_and_truncate", 0), ("copy_and_truncate", 5), ("wait", 5)],
    1,
    "app.log",
    FIVE_LINES,
    "utf-8",
)
def test_every_line_is_committed_once_and_in_order_whatever_happens_to_the_log(
    program: list[tuple[str, int]], chunk_bytes: int, pattern: str, multiline: Multiline | None, encoding: str
) -> None:
    world = run(program, chunk_bytes, pattern, multiline, encoding)

    assert Counter(world.committed) == Counter(world.writer.written)
    assert [texts for texts in world.texts.values() if len(texts) > 1] == []
    assert [text for text, count in Counter(world.committed).items() if count == 1 and len(world.keys.get(text, ())) > 1] == []
    if world.is_ordered:
        assert sorted(world.committed, key=lambda line: int(line.split(":")[0])) == world.writer.written
