"""What comes again is known by its content, and nothing else is."""

import pytest

from opsbot.core.coverage import Coverage
from opsbot.core.log import UNNAMED, Checkpoint, Record

CONTENT = "ab" * 12


def position(offset: int, generation: str = CONTENT, inode: int = 1) -> Checkpoint:
    return Checkpoint(source="app", path="/log", device=1, inode=inode, offset=offset, generation=generation)


def record(offset: int, generation: str = CONTENT) -> Record:
    return Record(path="/log", offset=offset, text="x", hits=(), checkpoint=position(offset + 2, generation))


def test_record_is_new_once() -> None:
    coverage = Coverage()

    assert [coverage.takes(record(0)), coverage.takes(record(0)), coverage.takes(record(2))] == [True, False, True]


def test_what_a_position_covers_is_not_new() -> None:
    coverage = Coverage([position(4)])

    assert [coverage.takes(record(offset)) for offset in (0, 2, 4)] == [False, False, True]


def test_position_that_lies_before_another_one_takes_nothing_back() -> None:
    coverage = Coverage([position(4)])
    coverage.note([position(0, inode=2)])

    assert not coverage.takes(record(2))


def test_other_content_is_new() -> None:
    assert Coverage([position(4)]).takes(record(0, "cd" * 12))


@pytest.mark.parametrize("generation", ["", UNNAMED])
def test_content_without_a_name_is_always_new(generation: str) -> None:
    coverage = Coverage([position(4, generation)])

    assert [coverage.takes(record(0, generation)), coverage.takes(record(0, generation))] == [True, True]


def test_content_is_remembered_for_a_while_after_its_file_is_gone() -> None:
    coverage = Coverage([position(4)])
    coverage.note([], [(1, 1)])

    assert (coverage.takes(record(0)), coverage.files) == (False, 0)


def test_what_is_remembered_is_bounded() -> None:
    coverage = Coverage([position(4, inode=0)])
    for inode in range(1, 5000):
        coverage.note([position(4, f"{inode:024}", inode)])
        coverage.note([], [(1, inode)])

    assert not coverage.takes(record(0))
    assert sum(coverage.covers(f"{inode:024}", 0) for inode in range(1, 5000)) <= 1002
