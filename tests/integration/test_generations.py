"""What is read has an identity: how a file is known again, and how the same record always has the same key."""

import asyncio
import bz2
import gzip
import lzma
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.sources.file import archive, generation
from opsbot.adapters.sources.file.descriptor import NotAFileError
from opsbot.adapters.sources.file.source import FileSource
from opsbot.adapters.stores.sqlite.store import SqliteStore
from opsbot.core.log import Batch, Checkpoint, Rule
from tests.integration.followed_log import FollowedLog, StoppedClock, append, open_files

LINES = [f"2026-11-20 10:00:{number:02} line {number}" for number in range(60)]
LONG_WAIT_S = 31.0
EVERY_LINE = Rule.every_line()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.touch()
    return path


# Markers

CHECKPOINT_OF_VERSION_1 = """
CREATE TABLE checkpoint (
    source TEXT NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL,
    path TEXT NOT NULL, position INTEGER NOT NULL, marker BLOB NOT NULL,
    PRIMARY KEY (source, device, inode)) WITHOUT ROWID
"""


def test_checkpoint_holds_nothing_of_the_log(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "login code 123456")
        followed.read()

        [checkpoint] = followed.saved
        assert (checkpoint.offset, len(checkpoint.marker)) == (18, 16)


def version_1(path: Path, log: Path, content: bytes) -> None:
    """Make the database of an opsbot that has consumed this content."""
    status = log.stat()
    with sqlite3.connect(path) as db:
        db.execute(CHECKPOINT_OF_VERSION_1)
        row = ("app", status.st_dev, status.st_ino, str(log), len(content), content[-256:])
        db.execute("INSERT INTO checkpoint VALUES (?, ?, ?, ?, ?, ?)", row)
        db.execute("PRAGMA user_version = 1")
    db.close()


async def checkpoints_in(path: Path) -> Sequence[Checkpoint]:
    async with SqliteStore(path) as store:
        return await store.checkpoints("app")


@pytest.mark.parametrize("count", [0, 1, 60])
def test_database_of_version_1_goes_on_where_it_was(log: Path, tmp_path: Path, count: int) -> None:
    append(log, *LINES[:count])
    version_1(tmp_path / "opsbot.db", log, log.read_bytes())
    append(log, "since then")
    with FollowedLog(log, checkpoints=asyncio.run(checkpoints_in(tmp_path / "opsbot.db"))) as followed:
        assert (followed.read(), followed.gaps) == (["since then"], [])


def test_compressed_history_is_not_read_with_a_database_of_version_1(log: Path, tmp_path: Path) -> None:
    append(log, "history")
    rotate(log)
    compress_rotated(log)
    append(log, *LINES[:20])
    version_1(tmp_path / "opsbot.db", log, log.read_bytes())
    append(log, "since then")
    rotate(log)
    compress_rotated(log)
    append(log, "live")
    with FollowedLog(log, checkpoints=asyncio.run(checkpoints_in(tmp_path / "opsbot.db"))) as followed:
        assert (followed.read(), followed.gaps) == (["since then", "live"], [])


def test_database_of_version_1_keeps_no_bytes_of_logs(log: Path, tmp_path: Path) -> None:
    version_1(tmp_path / "opsbot.db", log, b"login code 123456\n")
    asyncio.run(checkpoints_in(tmp_path / "opsbot.db"))

    assert b"login code" not in b"".join(each.read_bytes() for each in tmp_path.glob("opsbot.db*"))


# Generations


def keys(*lives: Sequence[Batch]) -> dict[str, set[str]]:
    """Give the keys under which each line was seen."""
    found: dict[str, set[str]] = {}
    for record in [record for life in lives for batch in life for record in batch.records]:
        found.setdefault(record.text, set()).add(record.key(EVERY_LINE))
    return found


def generations(followed: FollowedLog) -> list[str]:
    return list(dict.fromkeys(record.checkpoint.generation for record in followed.records))


def committed(batches: Sequence[Batch]) -> tuple[Checkpoint, ...]:
    """Give what a store holds when only these batches were committed."""
    checkpoints: dict[tuple[int, int], Checkpoint] = {}
    for batch in batches:
        for identity in batch.forgotten:
            checkpoints.pop(identity, None)
        checkpoints.update({(each.device, each.inode): each for each in batch.checkpoints})
    return tuple(checkpoints.values())


def copy_and_truncate(log: Path, name: str) -> None:
    shutil.copyfile(log, log.with_name(name))
    os.truncate(log, 0)


def rotate(log: Path) -> None:
    rotated = [(int(each.name.split(".")[2]), each) for each in log.parent.glob("app.log.*")]
    for number, each in sorted(rotated, reverse=True):
        each.rename(str(each).replace(f".log.{number}", f".log.{number + 1}"))
    log.rename(log.with_name("app.log.1"))


def test_renamed_log_keeps_its_generation(log: Path) -> None:
    with FollowedLog(log) as followed, log.open("ab", buffering=0) as writer:
        writer.write(b"one\n")
        followed.read()
        rotate(log)
        writer.write(b"two\n")
        followed.read()

        assert ([record.text for record in followed.records], len(generations(followed))) == (["one", "two"], 1)


def test_generation_is_kept_over_a_restart(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
    append(log, "two")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        again.read()

        assert generations(again) == generations(followed)


def test_copy_that_copytruncate_makes_has_the_generation_of_its_original(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES[:5])
        followed.read()
        append(log, "rescued from the copy")
        copy_and_truncate(log, "app.log.1")
        followed.read()

        assert (len(followed.records), len(generations(followed))) == (6, 1)


def test_log_that_was_truncated_and_written_anew_has_another_generation(log: Path) -> None:
    with FollowedLog(log) as followed:
        for _ in range(3):
            append(log, "started")
            followed.read()
            os.truncate(log, 0)
            followed.read()

        assert (len(followed.records), len(generations(followed))) == (3, 3)


def test_log_that_stayed_empty_after_its_truncation_until_a_restart_has_another_generation(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "started")
        followed.read()
        os.truncate(log, 0)
        followed.read()
    with FollowedLog(log, checkpoints=followed.saved) as again:
        append(log, "started")
        again.read()

        assert [len(each) for each in keys(followed.batches, again.batches).values()] == [2]


def test_log_that_was_truncated_and_written_anew_while_nobody_read_has_another_generation(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "started", "some more")
        followed.read()
    os.truncate(log, 0)
    append(log, "started")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        again.read()

        assert len(keys(followed.batches, again.batches)["started"]) == 2


def test_files_with_equal_content_that_are_no_copies_have_different_generations(log: Path) -> None:
    with FollowedLog(log.with_name("*.log")) as followed:
        append(log, *LINES[:5])
        append(log.with_name("other.log"), *LINES[:5])
        followed.read()

        assert [len(each) for each in keys(followed.batches).values()] == [2] * 5


@pytest.mark.parametrize("scratch", ["/tmp", "/dev/shm", "/var/tmp"])
def test_files_that_take_over_an_inode_have_different_generations(scratch: str) -> None:
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        log = Path(directory) / "app.log"
        log.touch()
        lives = []
        for _ in range(5):
            log.unlink()
            append(log, "started")
            with FollowedLog(log, read_from="beginning") as followed:
                followed.read()
                lives.append(followed.batches)

        assert len(keys(*lives)["started"]) == 5


def test_file_on_a_file_system_without_handles_is_never_taken_for_another(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "handle_of", lambda _: "")
    lives = []
    for _ in range(2):
        log.unlink()
        append(log, "started")
        with FollowedLog(log, read_from="beginning") as followed:
            followed.read()
            lives.append(followed.batches)

    assert len(keys(*lives)["started"]) == 2


def test_generation_is_handed_over_before_the_first_record_of_it(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()

        first = next(batch for batch in followed.batches if batch.records)
        named = [each.generation for batch in followed.batches[: followed.batches.index(first)] for each in batch.checkpoints]
        assert generations(followed) == [named[-1]]


@pytest.mark.parametrize("turn", ["rename", "copy", "truncate", "nothing"])
@pytest.mark.parametrize("number", range(12))
def test_records_that_are_read_again_after_kill_9_have_the_keys_they_had(log: Path, number: int, turn: str) -> None:
    with FollowedLog(log, batch_records=2, chunk_bytes=100, turn_bytes=100, read_from="beginning") as followed:
        append(log, *LINES[:6])
        followed.read()
        if turn == "rename":
            rotate(log)
        elif turn == "copy":
            append(log, *LINES[6:8])
            copy_and_truncate(log, "app.log.1")
        elif turn == "truncate":
            os.truncate(log, 0)
        append(log, *LINES[10:15])
        followed.read()
    with FollowedLog(log, checkpoints=committed(followed.batches[:number]), read_from="beginning") as again:
        again.read()

        # Nobody acts on a batch before the one before it is committed.
        seen = keys(followed.batches[: number + 1], again.batches)
        assert [each for each in seen.values() if len(each) > 1] == []


def test_records_of_a_log_of_which_nothing_was_ever_committed_have_the_keys_they_had(log: Path) -> None:
    lives = []
    append(log, *LINES[:6])
    for _ in range(2):
        with FollowedLog(log, read_from="beginning") as followed:
            followed.read()
            lives.append(followed.batches)

    assert [len(each) for each in keys(*lives).values()] == [1] * 6


# Compressed rotations

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def compress(path: Path, suffix: str = ".gz") -> Path:
    """Do as logrotate does: the compressed file has the time of the original, which goes away last."""
    status = path.stat()
    compressed = path.with_name(path.name + suffix)
    compressed.write_bytes(COMPRESSORS[suffix](path.read_bytes()))
    os.utime(compressed, ns=(status.st_mtime_ns, status.st_mtime_ns))
    path.unlink()
    return compressed


def compress_rotated(log: Path, suffix: str = ".gz", *, is_delayed: bool = False) -> None:
    for each in log.parent.glob("app.log.*"):
        if each.suffix[1:].isdigit() and not (is_delayed and each.suffix == ".1"):
            compress(each, suffix)


@pytest.mark.parametrize("is_delayed", [False, True])
@pytest.mark.parametrize("suffix", COMPRESSORS)
@pytest.mark.parametrize("count", [1, 60])
def test_hundred_compressed_rotations_while_nobody_read_lose_nothing(
    log: Path, suffix: str, count: int, *, is_delayed: bool
) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES[:count])
        followed.read()
    for number in range(100):
        append(log, f"generation {number}")
        rotate(log)
        compress_rotated(log, suffix, is_delayed=is_delayed)
    append(log, "live")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        assert (again.read(), again.gaps) == ([*(f"generation {number}" for number in range(100)), "live"], [])


def test_compressed_rotations_by_date_while_nobody_read_lose_nothing(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "read")
        followed.read()
    for day in range(10, 30):
        append(log, f"day {day}")
        os.utime(log, (day, day))
        log.rename(log.with_name(f"app.log-202611{day}"))
        compress(log.with_name(f"app.log-202611{day}"))
    with FollowedLog(log, checkpoints=followed.saved) as again:
        assert again.read() == [f"day {day}" for day in range(10, 30)]


def test_compressed_history_is_not_read_at_the_first_start(log: Path) -> None:
    append(log, "history")
    rotate(log)
    compress_rotated(log)
    append(log, "old")
    with FollowedLog(log, read_from="beginning") as followed:
        assert followed.read() == ["old"]


def test_compressed_history_is_not_read_after_a_restart(log: Path) -> None:
    append(log, "history")
    rotate(log)
    compress_rotated(log)
    append(log, "live")
    with FollowedLog(log, read_from="beginning") as followed:
        followed.read()
    append(log, "since then")
    rotate(log)
    compress_rotated(log)
    with FollowedLog(log, checkpoints=followed.saved) as again:
        assert (again.read(), again.gaps) == (["since then"], [])


def test_compressed_history_is_not_read_although_the_log_was_deleted(log: Path) -> None:
    append(log, "history")
    rotate(log)
    compress_rotated(log)
    append(log, "live")
    with FollowedLog(log) as followed:
        followed.read()
    log.unlink()
    append(log, "another")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        assert (again.read(), len(again.gaps)) == (["another"], 1)


def test_what_came_after_an_empty_log_is_read_from_the_compressed_rotations(log: Path) -> None:
    append(log, "history")
    rotate(log)
    compress_rotated(log)
    log.touch()
    with FollowedLog(log) as followed:
        followed.read()
    for number in range(5):
        append(log, f"generation {number}")
        rotate(log)
        compress_rotated(log)
    with FollowedLog(log, checkpoints=followed.saved) as again:
        assert again.read() == [f"generation {number}" for number in range(5)]


def test_rotations_that_are_left_are_read_when_the_older_ones_are_gone(log: Path) -> None:
    append(log, "history")
    rotate(log)
    compress_rotated(log)
    append(log, *LINES)
    with FollowedLog(log) as followed:
        followed.read()
    for number in range(10):
        append(log, f"generation {number}")
        rotate(log)
        compress_rotated(log)
        log.with_name("app.log.4.gz").unlink(missing_ok=True)
    append(log, "live")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        lines = again.read()

        assert (lines, len(again.gaps)) == (["generation 7", "generation 8", "generation 9", "live"], 1)


@pytest.mark.parametrize("is_delayed", [False, True])
def test_what_logrotate_compresses_while_somebody_reads_is_read_once(
    log: Path, monkeypatch: pytest.MonkeyPatch, *, is_delayed: bool
) -> None:
    monkeypatch.setattr(archive, "unpack", lambda *_: pytest.fail("nothing needs to be decompressed"))
    with FollowedLog(log) as followed:
        for number in range(6):
            append(log, f"{number} early")
            followed.read()
            append(log, f"{number} late")
            rotate(log)
            compress_rotated(log, is_delayed=is_delayed)
            log.touch()
            followed.read_after(LONG_WAIT_S)
            followed.read_after(LONG_WAIT_S)
    with FollowedLog(log, checkpoints=followed.saved) as again:
        again.read()

        lines = [record.text for record in followed.records + again.records]
        assert lines == [f"{number} {part}" for number in range(6) for part in ("early", "late")]


@pytest.mark.parametrize("seconds", [0.0, 1.0, LONG_WAIT_S])
@pytest.mark.parametrize("is_delayed", [False, True])
def test_restart_soon_after_a_compression_reads_nothing_again(log: Path, seconds: float, *, is_delayed: bool) -> None:
    lives = []
    checkpoints: tuple[Checkpoint, ...] = ()
    for number in range(6):
        with FollowedLog(log, checkpoints=checkpoints) as followed:
            append(log, f"{number} early")
            followed.read()
            rotate(log)
            append(log, f"{number} late")
            compress_rotated(log, is_delayed=is_delayed)
            followed.read_after(seconds)
            checkpoints = followed.saved
            lives += [record.text for record in followed.records]
    with FollowedLog(log, checkpoints=checkpoints) as followed:
        assert lives + followed.read() == [f"{number} {part}" for number in range(6) for part in ("early", "late")]


@pytest.mark.parametrize("number", range(20))
def test_kill_9_in_the_middle_of_compressed_rotations_gives_every_record_with_one_key(log: Path, number: int) -> None:
    with FollowedLog(log, batch_records=2) as followed:
        append(log, *LINES[:3])
        followed.read()
    for index in range(4):
        append(log, *LINES[3 + 3 * index : 6 + 3 * index])
        rotate(log)
        compress_rotated(log, is_delayed=index > 2)
    append(log, "live")
    with FollowedLog(log, checkpoints=followed.saved, batch_records=2) as second:
        second.read()
    seen = followed.batches + second.batches[: number + 1]
    rotate(log)
    compress_rotated(log)
    append(log, "more")
    with FollowedLog(log, checkpoints=committed(followed.batches + second.batches[:number])) as third:
        third.read()
    done = [record.text for batch in followed.batches + second.batches[:number] for record in batch.records]

    assert done + [record.text for record in third.records] == [*LINES[:15], "live", "more"]
    assert [each for each in keys(seen, third.batches).values() if len(each) > 1] == []


def test_log_that_was_copied_truncated_and_compressed_while_nobody_read_loses_nothing(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "read")
        followed.read()
    for number in range(3):
        append(log, f"generation {number}, and longer than before")
        for old in (2, 1):
            for each in log.parent.glob(f"app.log.{old}.gz"):
                each.rename(log.with_name(f"app.log.{old + 1}.gz"))
        copy_and_truncate(log, "app.log.1")
        compress_rotated(log)
    append(log, "live")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        lines = again.read()

        assert (lines, again.gaps) == ([*(f"generation {number}, and longer than before" for number in range(3)), "live"], [])
        assert [len(each) for each in keys(followed.batches, again.batches).values()] == [1] * 5


@pytest.mark.parametrize("is_first_copy_seen", [False, True])
def test_log_that_is_copied_truncated_and_compressed_twice_before_anybody_looks_loses_nothing(
    log: Path, *, is_first_copy_seen: bool
) -> None:
    first, second = log.with_name("app.log.2.gz"), log.with_name("app.log.1.gz")
    with FollowedLog(log) as followed:
        append(log, *LINES[:10])
        followed.read()
        append(log, LINES[10])
        copy = Path(shutil.copy2(log, log.with_name("app.log.1")))
        if is_first_copy_seen:
            followed.reader.reconcile()
            followed.reader.turn()
        os.truncate(log, 0)
        compress(copy).rename(first)
        append(log, *LINES[20:40])
        compress(Path(shutil.copy2(log, log.with_name("app.log.1")))).rename(second)
        os.truncate(log, 0)
        append(log, "fresh")
        followed.read()

        assert [record.text for record in followed.records] == [*LINES[:11], *LINES[20:40], "fresh"]


def test_log_that_is_compressed_as_it_is_copied_loses_nothing(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "one")
        followed.read()
        append(log, "two")
        log.with_name("app__2026-11-20_00-00-00.log.gz").write_bytes(gzip.compress(log.read_bytes()))
        os.truncate(log, 0)
        append(log, "three, and longer")

        assert (followed.read(), followed.gaps) == (["two", "three, and longer"], [])


def test_compressed_rotation_that_is_renamed_before_its_turn_is_read(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "read")
        followed.read()
    for number in range(4):
        append(log, f"generation {number}")
        rotate(log)
        compress_rotated(log)
    with FollowedLog(log, checkpoints=followed.saved) as again:
        log.touch()
        rotate(log)

        assert again.read() == [f"generation {number}" for number in range(4)]


def test_compressed_rotation_that_nobody_here_can_decompress_is_a_gap_that_says_so(log: Path) -> None:
    append(log, "history")
    rotate(log)
    compress_rotated(log)
    log.touch()
    with FollowedLog(log) as followed:
        followed.read()
    log.with_name("app.log.1.zst").write_bytes(b"(\xb5/\xfd")
    log.with_name("app.log.1.gz").rename(log.with_name("app.log.2.gz"))
    with FollowedLog(log, checkpoints=followed.saved) as again:
        again.read()

        assert [(Path(gap.path).name, gap.reason) for gap in again.gaps] == [
            ("app.log.1.zst", "cannot be decompressed to its end: .zst is not understood; only .gz, .bz2 and .xz are")
        ]


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_what_can_be_read_of_a_damaged_rotation_is_read_and_the_rest_is_a_gap(log: Path, suffix: str) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES)
        followed.read()
    append(log, *(f"{number} {os.urandom(50).hex()}" for number in range(20_000)))
    rotate(log)
    compress_rotated(log, suffix)
    compressed = log.with_name(f"app.log.1{suffix}")
    os.truncate(compressed, compressed.stat().st_size // 2)
    append(log, "live")
    with FollowedLog(log, checkpoints=followed.saved) as again:
        lines = again.read()

        assert (lines[0].split()[0], lines[-1], 5_000 < len(lines) < 15_000) == ("0", "live", True)
        assert [gap.reason.split(":")[0] for gap in again.gaps] == ["cannot be decompressed to its end"]


class HalfCompressed:
    """A rotation that is written bit by bit; what is compressed is gone from the directory (`mv app.log /tmp && gzip -c`)."""

    def __init__(self, log: Path, suffix: str, clock: StoppedClock) -> None:
        self.path, self._clock = log.with_name(f"app.log.1{suffix}"), clock
        self.content = COMPRESSORS[suffix](log.read_bytes())
        log.unlink()

    def write(self, share: float) -> None:
        self.path.write_bytes(self.content[: int(share * len(self.content))])
        os.utime(self.path, (0, self._clock.now().timestamp()))


@pytest.mark.parametrize("suffix", COMPRESSORS)
@pytest.mark.parametrize("count", [10, 1990])
def test_rotation_that_is_being_compressed_at_a_restart_is_waited_for_and_read_once(log: Path, suffix: str, count: int) -> None:
    lines = [f"{number} {os.urandom(50).hex()}" for number in range(2000)]
    with FollowedLog(log) as followed:
        append(log, *lines[:count])
        followed.read()
    append(log, *lines[count:])
    clock = StoppedClock()
    rotation = HalfCompressed(log, suffix, clock)
    rotation.write(0.0)
    append(log, "live")
    with FollowedLog(log, checkpoints=followed.saved, clock=clock) as again:
        early = []
        for share in (0.3, 0.6, 0.9, 0.9):
            rotation.write(share)
            early += again.read_after(5.0)
        rotation.write(1.0)
        os.utime(rotation.path, (0, 0))

        assert (early, again.read(), again.gaps) == ([], [*lines[count:], "live"], [])
        assert [each for each in keys(followed.batches, again.batches).values() if len(each) > 1] == []
    with FollowedLog(log, checkpoints=again.saved, clock=clock) as third:
        assert (third.read(), third.gaps) == ([], [])


def test_log_that_is_rotated_and_deleted_while_it_waits_for_a_compression_is_read(log: Path) -> None:
    lines = [f"{number} {os.urandom(50).hex()}" for number in range(2000)]
    with FollowedLog(log) as followed:
        append(log, *lines[:1000])
        followed.read()
    append(log, *lines[1000:])
    clock = StoppedClock()
    rotation = HalfCompressed(log, ".gz", clock)
    rotation.write(0.3)
    append(log, "live")
    with FollowedLog(log, checkpoints=followed.saved, clock=clock) as again:
        early = again.read_after(1.0)
        append(log, "late")
        log.unlink()
        append(log, "newer")
        rotation.write(1.0)
        os.utime(rotation.path, (0, 0))

        assert (early, again.read_after(1.0), again.gaps) == ([], [*lines[1000:], "live", "late", "newer"], [])


def test_log_is_not_kept_waiting_for_ever_by_what_is_compressed(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, *(f"{number} {os.urandom(50).hex()}" for number in range(2000)))
        followed.read()
    clock = StoppedClock()
    rotation = HalfCompressed(log, ".gz", clock)
    rotation.write(0.1)
    append(log, "live")
    told: list[str] = []
    with FollowedLog(log, checkpoints=followed.saved, clock=clock) as again:
        for share in (0.2, 0.3, 0.4, 0.5, 0.6):
            rotation.write(share)
            told += again.read_after(15.0)

    assert told[-1:] == ["live"]


def test_reader_that_is_restarted_while_it_waits_for_a_compression_waits_on(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES)
        followed.read()
    append(log, "rotated")
    rotation = HalfCompressed(log, ".gz", followed.clock)
    rotation.write(0.5)
    append(log, "live")
    with FollowedLog(log, checkpoints=followed.saved) as second:
        early = second.read()
        rotation.write(0.7)
    with FollowedLog(log, checkpoints=second.saved) as third:
        early += third.read()
        rotation.write(1.0)
        lines = third.read() + third.read()

        assert (early, lines, second.gaps + third.gaps) == ([], ["rotated", "live"], [])


def test_log_whose_compression_was_broken_off_waits_no_longer_than_half_a_minute(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "read")
        followed.read()
    append(log, *(f"{number} {os.urandom(50).hex()}" for number in range(2000)))
    rotation = HalfCompressed(log, ".gz", followed.clock)
    rotation.write(0.5)
    append(log, "live")
    with capture_logs() as said, FollowedLog(log, checkpoints=followed.saved) as again:
        early = again.read_after(29.0)
        lines = again.read_after(2.0)

        assert (early, lines[0].split()[0], lines[-1], len(again.gaps)) == ([], "0", "live", 1)
    assert [one["reason"] for one in said if one["event"] == "log_lost"] == ["is still being compressed; its log waits for it"]


def test_other_logs_do_not_wait_for_a_compression(tmp_path: Path, log: Path) -> None:
    with FollowedLog(tmp_path / "*.log") as followed:
        append(log, *LINES)
        append(tmp_path / "other.log", "one")
        followed.read()
    append(log, "rotated")
    HalfCompressed(log, ".gz", followed.clock).write(0.5)
    append(tmp_path / "other.log", "two")
    with FollowedLog(tmp_path / "*.log", checkpoints=followed.saved) as again:
        assert again.read() == ["two"]


def test_rotation_that_is_too_large_when_decompressed_is_a_gap_that_says_so(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES)
        followed.read()
    append(log, "x" * 5_000_000, "too far")
    rotate(log)
    compress_rotated(log)
    with FollowedLog(log, checkpoints=followed.saved, archive_bytes=2_000_000) as again:
        assert len(again.read()) == 1
        assert [gap.reason.split(" bytes")[0] for gap in again.gaps] == ["is larger than 2000000"]


def test_large_rotation_does_not_stay_in_memory_when_it_is_decompressed(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, *LINES)
        followed.read()
    append(log, *(f"{number} {'x' * 1000}" for number in range(20_000)))
    rotate(log)
    compress_rotated(log)
    with FollowedLog(log, checkpoints=followed.saved) as again:
        in_memory = [each for each in open_files() if "memfd" in each]

        assert (len(again.read()), in_memory) == (20_000, [])


def test_decompressed_rotation_is_given_back_when_it_was_read(log: Path) -> None:
    with FollowedLog(log) as followed:
        append(log, "read")
        followed.read()
    append(log, "compressed")
    rotate(log)
    compress_rotated(log)
    log.touch()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with FollowedLog(log, checkpoints=followed.saved) as again:
        again.read()

        assert len(list(Path("/proc/self/fd").iterdir())) == before + 1


async def all_of(source: FileSource) -> list[Batch]:
    async with source, asyncio.timeout(10.0):
        return [batch async for batch in source.batches()]


def test_source_that_is_stopped_does_not_decompress_to_the_end(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FollowedLog(log) as followed:
        append(log, "read")
        followed.read()
    append(log, "x" * 30_000_000)
    rotate(log)
    compress_rotated(log)
    log.touch()
    source = FileSource("app", str(log), RegexMatcher([EVERY_LINE]), followed.saved, clock=SystemClock())
    written: list[int] = []

    def write_and_finish(fd: int, chunk: bytes, size: int) -> int:
        written.append(size)
        source.finish()
        return write(fd, chunk, size)

    write = archive._write  # noqa: SLF001 it goes on as before
    monkeypatch.setattr(archive, "_write", write_and_finish)
    before = len(open_files())
    batches = asyncio.run(all_of(source))

    assert (len(written), batches, len(open_files())) == (1, [], before)


def test_pipe_that_took_the_place_of_a_compressed_rotation_is_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "app.log.1.gz"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDWR)
    try:
        os.write(end, gzip.compress(b"not a line of ours\n"))
        with pytest.raises(NotAFileError):
            archive.unpack(str(pipe), 1000, lambda: True)
        size = archive.unpacked_bytes(str(pipe))
    finally:
        os.close(end)

    assert size is None
