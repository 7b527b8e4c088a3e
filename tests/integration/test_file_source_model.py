"""Random programs of what happens to logs, against an oracle: every line once.

A program writes lines, tears them, rotates, copies and truncates, swaps links, deletes, takes rights away, restarts and crashes;
in between the reader has a turn or two. What was committed in the end must be every line exactly once, and in order for each
incarnation of the file. `pytest -m long` carries out a hundred thousand other programs; `OPSBOT_MODEL_EXAMPLES` says how many
instead.
"""

import gzip
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from opsbot.adapters.sources.file.reader import Reader
from opsbot.adapters.sources.file.task import Task
from opsbot.adapters.sources.file.tuning import Tuning
from opsbot.core.coverage import Coverage
from opsbot.core.log import Batch, Checkpoint, Multiline, Rule
from tests.integration.followed_log import StoppedClock, a_matcher

EXAMPLES = 2_000
LONG_EXAMPLES = int(os.environ.get("OPSBOT_MODEL_EXAMPLES", "100000"))
ROTATE_WAIT_S = 30.0
CODECS = {"utf-8": "utf-8", "gb18030": "gb18030", "utf-16": "utf-16-le"}
FIVE_LINES = Multiline(kind="start", start=r"^\d+:\d*[05] ", timeout_s=5.0)
EVERY_LINE = Rule.every_line()
NOBODY = 65534
STALE = 7
"""A writer of this style keeps its own position: after a truncation it goes on behind a hole."""


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

    def open(self, style: int = 0) -> None:
        """Open the log under its name, as after a signal; what was torn is finished in the old file first."""
        if self._fd >= 0:
            self.mend()
            os.close(self._fd)
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND * (style != STALE), 0o644)
        os.lseek(self._fd, 0, os.SEEK_END)
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

    @property
    def is_torn(self) -> bool:
        return bool(self._rest)

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

    def fill(self, size: int) -> None:
        """Write one line of so many bytes, its end included; a line has at least 60."""
        head = f"{self.generation}:{len(self.written)} "
        self.written.append((head * size)[: size // self.unit_bytes - 1])
        self._append((self.written[-1] + "\n").encode(self.codec))

    def _next(self) -> str:
        number = len(self.written)
        line = f"{self.generation}:{number} 日志{'x' * (number * 7 % 40)}"
        self.written.append(line)
        return line


class Setting(NamedTuple):
    """How the reader is set."""

    chunk_bytes: int
    name: str
    multiline: Multiline | None
    encoding: str

    @property
    def pattern(self) -> str:
        return f"logs/{self.name}"


@dataclass
class World:
    """The directory, the writer, the reader and what was committed of its batches."""

    home: Path
    setting: Setting
    tuning: Tuning

    def __post_init__(self) -> None:
        self.home.chmod(0o755)
        self.directory = self.home / "logs"
        self.directory.mkdir()
        self.log = self.directory / "app.log"
        self.clock = StoppedClock()
        self.checkpoints: dict[tuple[int, int], Checkpoint] = {}
        self.coverage = Coverage()
        self.committed: list[str] = []
        self.pending: list[Batch] = []
        self.keys: dict[str, set[str]] = {}
        self.texts: dict[str, set[str]] = {}
        self.repeated: list[str] = []
        self.destroyed: list[str] = []
        self.copies = 0
        self.is_ordered = True
        self.is_repeating = False
        self.is_forbidden = self.is_hidden = self.is_blind = False
        self.is_only_open = False
        self.has_short_copy = False
        self.names_seen: set[tuple[str, int]] = set()
        self.writer = Writer(self.log, self.setting.encoding)
        self.reader = self._reader()

    def close(self) -> None:
        self.reader.__exit__(None, None, None)
        self.writer.close()

    def _reader(self) -> Reader:
        self.coverage = Coverage(self.checkpoints.values())
        reader = Reader(
            Task(
                source="app",
                pattern=str(self.home / self.setting.pattern),
                matcher=a_matcher([EVERY_LINE], self.setting.multiline, self.setting.encoding),
                multiline=self.setting.multiline,
                encoding=self.setting.encoding,
                checkpoints=tuple(self.checkpoints.values()),
                clock=self.clock,
                tuning=self.tuning,
            ),
            self.pending.append,
        )
        with as_reader():
            reader.reconcile()
        reader.flush()
        self.commit()
        return reader

    # What may happen, one method each.

    def names(self) -> set[tuple[str, int]]:
        return {(each.name, each.stat().st_ino) for each in self.directory.glob("*") if each.exists()}

    def look(self, turns: int) -> None:
        self.names_seen = self.names()
        with as_reader():
            self.reader.reconcile()
            for _ in range(turns):
                self.reader.turn()

    def hint(self, turns: int) -> None:
        """Say only that something was written; when names have changed too, that news got lost, and with it the order may be."""
        self.is_ordered &= self.names_seen == self.names()
        with as_reader():
            if self.reader.touch([os.path.realpath(self.log)]):
                self.reader.reconcile()
            for _ in range(turns):
                self.reader.turn()

    def commit(self) -> None:
        for batch in self.pending:
            self.see(batch)
            # What is read twice is dropped as the daemon drops it; what it drops must have been read.
            new = [record for record in batch.records if self.coverage.takes(record)]
            self.committed += [line for record in new for line in record.text.split("\n")]
            self.coverage.note(batch.checkpoints, batch.forgotten)
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
        self.allow(0)
        self.look(0)
        with as_reader():
            while self.reader.turn():
                pass
        self.reader.flush()
        self.commit()
        self.has_short_copy = False

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
        """Rotate by renaming; a late writer goes on in the renamed file for a while, a killed one leaves its last line torn.

        Some give the file its new name before they take the old one away (above 5).
        """
        self._shift()
        if self.log.exists() and style > 5 and not self.log.is_symlink():
            (self.directory / "app.log.1").hardlink_to(self.log)
            self.look(style - 6)
            self.log.unlink()
        elif self.log.exists():
            self.log.rename(self.directory / "app.log.1")
        if style == 3:
            self.is_ordered &= not self.writer.split(goes_on=False)
        if style % 2:
            self.writer.open()

    def _shift(self) -> None:
        rotated = [(int(each.name.split(".")[2]), each) for each in self.directory.glob("app.log.*")]
        for number, each in sorted(rotated, reverse=True):
            each.rename(str(each).replace(f".log.{number}", f".log.{number + 1}"))

    def reopen(self, style: int) -> None:
        self.writer.open(style)

    def copy_and_truncate(self, style: int) -> None:
        if not self.log.exists():
            return
        self.copies += 1
        self.is_repeating |= (
            self.is_hidden or self.is_blind
        )  # a copy that is first seen long after the truncation may be anything
        stamp = f"2026-11-{self.copies:02}_00-00-00"
        name = [f"app__{stamp}.log", f"app.log-{stamp}", f"app-{stamp}.log", "app.log.1"][style % 4]
        if name == "app.log.1":
            self._shift()
        if self.writer.writes_to(self.log):
            self.is_ordered &= not self.writer.split(goes_on=True)
        Path(shutil.copy2(self.log, self.directory / name)).chmod(0o644)
        if style > 4:
            self.look(1)
        if style > 6 and self.writer.writes_to(self.log) and not (self.writer.is_torn or self.is_forbidden):
            self._write_what_is_destroyed(style)
        os.truncate(self.log, 0)
        self.writer.stamp(self.log)

    def _write_what_is_destroyed(self, style: int) -> None:
        """Write between the copy and the truncation: only who is fast enough reads that."""
        # Of an open record the reader does not know which lines stand in a copy that holds less.
        self.is_repeating |= self.setting.multiline is not None
        before = len(self.writer.written)
        self.writer.write(style - 6)
        self.has_short_copy = True
        self.destroyed += self.writer.written[before:]
        self.look(style % 2)

    # Of the following nothing is kept under any name, so that only what was read, or is open, can be promised.

    def truncate_and_regrow(self, count: int) -> None:
        """Let it grow beyond where it was read to, or (8) to exactly there, or (0) not at all."""
        self.writer.mend()
        self.commit_all()
        if not self.log.exists() or not self.writer.writes_to(self.log):
            return
        size = self.log.stat().st_size
        os.truncate(self.log, 0)
        self.writer.stamp(self.log)
        if count == 8 and size > 60:
            self.writer.fill(size)
        while count % 8 and self.log.stat().st_size < size:
            self.writer.write(count)

    def cut(self, place: int) -> None:
        """Keep only the first lines; what is kept may be told again."""
        self.writer.mend()
        self.commit_all()
        if self.log.exists():
            newline = "\n".encode(self.writer.codec)
            kept = self.log.read_bytes().split(newline)[: 1 + place][:-1]
            self.repeated += [line.decode(self.writer.codec, "replace").lstrip("\0") for line in kept]
            self.is_ordered &= not self.repeated
            os.truncate(self.log, len(b"".join(line + newline for line in kept)))
            self.writer.stamp(self.log)
            self.catch_up()  # what is cut off, written anew, copied and truncated at once looks like what was there

    def delete(self, _: int) -> None:
        self._open_all()
        self.log.unlink(missing_ok=True)
        self.writer.open()

    def swap_link(self, style: int) -> None:
        """Let the log be a link, to another file than before; some swap in two steps."""
        self._open_all()
        self.copies += 1
        folder = self.home / f"targets{style % 2}"
        folder.mkdir(exist_ok=True)
        link = self.log if style > 4 else self.log.with_name("new link")
        self.log.unlink(missing_ok=style <= 4 or not self.log.exists())
        link.symlink_to(folder / f"{self.copies}.log")
        link.rename(self.log)
        if style % 3 == 0:
            self.look(1)  # it leads nowhere yet
        self.writer.open()

    def move_out(self, _: int) -> None:
        """Rotate into another directory, where nobody looks."""
        self._open_all()
        self.copies += 1
        if self.log.exists() and not self.log.is_symlink():
            (self.home / "old").mkdir(exist_ok=True)
            self.log.rename(self.home / "old" / f"app.log.{self.copies}")

    def remove_directory(self, style: int) -> None:
        """Delete the directory or (odd) rename it, and make a new one."""
        self._open_all()
        self.copies += 1
        if style % 2:
            self.directory.rename(self.home / f"logs.{self.copies}")
        else:
            shutil.rmtree(self.directory)
        if style > 4:
            self.look(2)
        self.directory.mkdir()
        if style > 6:
            self.look(2)
        self.writer.open()

    def _open_all(self) -> None:
        """Let the reader open everything that has something new, before it can only be reached by whom has it open."""
        self.writer.mend()
        if self.clock.passed_s or self.is_forbidden or any(self.directory.glob("*.gz")):
            self.catch_up()
        else:
            self.look(0)
        self.is_only_open = True

    def forbid(self, style: int) -> None:
        """Take away the right to read the log or (above 5) the directory; who has it open may go on."""
        if any(self.directory.glob("*.gz")):
            self.catch_up()  # a compressed rotation that cannot be opened when its turn comes is a gap
        forbidden = self.directory if style > 5 else self.log
        if forbidden.exists():
            self.is_forbidden = True
            self.is_hidden |= style > 5
            self.is_ordered &= not self.is_hidden
            forbidden.chmod(0o311 if style > 5 else 0o200)

    def allow(self, _: int) -> None:
        if self.is_forbidden:
            self.is_forbidden = self.is_hidden = self.is_blind = False
            self.directory.chmod(0o755)
            for each in self.directory.iterdir():
                if each.exists():
                    each.chmod(0o644)

    def compress(self, _: int) -> None:
        """Compress the rotated files that the reader has met."""
        if not (self.is_hidden or self.is_blind):
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
        self.allow(0)
        if turns % 2:
            self._lose(turns)
        else:
            self._leave()
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
        self._leave()
        self.reader.flush()
        self.commit()
        self._restart()

    def crash(self, uncommitted: int) -> None:
        """Die like from kill -9: the first of the batches that are lost had been acted on."""
        self._lose(uncommitted)
        self._restart()

    def _lose(self, uncommitted: int) -> None:
        self._leave()
        kept = max(0, len(self.pending) - uncommitted)
        for batch in self.pending[kept : kept + 1]:
            self.see(batch)
        self.pending[:] = self.pending[:kept]
        self.commit()

    def _leave(self) -> None:
        """Before the reader lets go of what nobody else finds: let the writer leave it, and all of it be read."""
        if self.is_only_open:
            self.writer.open()
            self.settle()
            self.is_only_open = False

    def _restart(self) -> None:
        # Whether a file that may not be read was truncated since it was copied, nobody can tell.
        self.is_blind = self.is_forbidden
        # What tells that a copy was read although it holds less than was read is not kept.
        self.is_repeating |= self.has_short_copy
        self.is_repeating |= self.is_blind and self.copies > 0
        self.reader.__exit__(None, None, None)
        self.pending.clear()
        self.reader = self._reader()

    def wait(self, seconds: int) -> None:
        self.writer.mend()
        if self.is_only_open:
            self.writer.open()  # what was closed after a while could not be found again
        self.clock.passed_s += seconds * 7
        self.look(2)

    def settle(self) -> None:
        self.writer.mend()
        for _ in range(3):
            self.catch_up()
            self.clock.passed_s += ROTATE_WAIT_S + 1


STEPS = {
    "write": 8,
    "tear": 3,
    "look": 6,
    "hint": 4,
    "rename": 3,
    "reopen": 2,
    "copy_and_truncate": 3,
    "truncate_and_regrow": 1,
    "cut": 1,
    "delete": 1,
    "compress": 1,
    "down": 1,
    "swap_link": 1,
    "move_out": 1,
    "remove_directory": 1,
    "forbid": 1,
    "allow": 1,
    "restart": 2,
    "crash": 2,
    "wait": 2,
    "save": 2,
}
steps = st.tuples(st.sampled_from([name for name, weight in STEPS.items() for _ in range(weight)]), st.integers(0, 8))
settings_of_a_reader = st.builds(
    Setting,
    chunk_bytes=st.sampled_from([1, 2, 3, 7, 16, 64, 500, 4096, 256 * 1024]),
    name=st.sampled_from(["app.log", "app*.log", "app*"]),
    multiline=st.sampled_from([None, FIVE_LINES]),
    encoding=st.sampled_from(["utf-8", "utf-8", "gb18030", "utf-16"]),
)
programs = given(program=st.lists(steps, max_size=25), setting=settings_of_a_reader)


@contextmanager
def as_reader() -> Iterator[None]:
    """Be somebody whom rights can be taken from; nothing changes when the test is run by such a one."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def run(program: list[tuple[str, int]], setting: Setting) -> World:
    """Carry a program out."""
    size = setting.chunk_bytes
    tuning = Tuning(chunk_bytes=size, turn_bytes=max(64, size), batch_records=3, rotate_wait_s=ROTATE_WAIT_S)
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory), setting, tuning)
        try:
            for name, number in program:
                if name == "save":
                    world.commit()
                else:
                    getattr(world, name)(number)
            world.settle()
        finally:
            world.close()
        return world


def check(world: World) -> None:
    written, committed = Counter(world.writer.written), Counter(world.committed)
    assert written - committed - Counter(world.destroyed) == Counter()
    if not world.is_repeating:
        assert committed - written - Counter(world.repeated) == Counter()
        known = set(world.repeated) | set(world.destroyed)
        renamed = {text for text, keys in world.keys.items() if len(keys) > 1} - known
        assert [text for text in renamed if committed[text] == 1] == []
    assert [texts for texts in world.texts.values() if len(texts) > 1] == []
    if world.is_ordered and not world.is_repeating:
        kept = [line for line in world.writer.written if line in committed]
        assert sorted(world.committed, key=lambda line: int(line.split(":")[0])) == kept


@pytest.mark.timeout(300)
@settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@programs
@example([("tear", 6), ("look", 1), ("copy_and_truncate", 0)], Setting(1, "app.log", FIVE_LINES, "utf-8"))
@example(
    [("write", 1), ("look", 1), ("copy_and_truncate", 0), ("copy_and_truncate", 5), ("wait", 5)],
    Setting(1, "app.log", FIVE_LINES, "utf-8"),
)
@example([("write", 1), ("copy_and_truncate", 0), ("wait", 0), ("down", 1)], Setting(1, "app.log", None, "utf-8"))
def test_every_line_is_committed_once_and_in_order_whatever_happens_to_the_log(
    program: list[tuple[str, int]], setting: Setting
) -> None:
    check(run(program, setting))


@pytest.mark.long
@pytest.mark.timeout(0)
@settings(max_examples=LONG_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@programs
def test_every_line_is_committed_once_and_in_order_in_the_long_run(program: list[tuple[str, int]], setting: Setting) -> None:
    check(run(program, setting))
