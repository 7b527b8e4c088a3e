"""Lines that are nothing but lines."""

import re
from collections.abc import Sequence

import pytest

from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.sources.command import plain
from opsbot.adapters.sources.command.plain import Plain
from opsbot.core.log import Batch, Record, Rule, RuleFigures, Scan
from opsbot.testing import FakeClock

EVERY = (Rule.every_line(),)


def a_run(rules: Sequence[Rule] = EVERY) -> Plain:
    return Plain("web", "journalctl", RegexMatcher(rules), FakeClock())


def records(batches: Sequence[Batch]) -> list[Record]:
    return [record for batch in batches for record in batch.records]


def texts(batches: Sequence[Batch]) -> list[str]:
    return [record.text for record in records(batches)]


def test_lines_that_match_become_records() -> None:
    (batch,) = a_run([Rule("e(?P<rest>.*)")]).feed(b"one\ntwo\nthree\r\n")

    assert [(each.path, each.text, dict(each.hits[0].groups)) for each in batch.records] == [
        ("journalctl", "one", {"rest": ""}),
        ("journalctl", "three", {"rest": "e"}),
    ]


def test_there_is_nothing_to_go_on_from() -> None:
    (batch,) = a_run().feed(b"one\n")

    assert (batch.source, batch.checkpoints) == ("web", ())


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_it_does_not_matter_how_the_bytes_are_cut(size: int) -> None:
    run = a_run()
    said = "one\n日志\n\nfour\n".encode()
    found = [each for at in range(0, len(said), size) for each in records(run.feed(said[at : at + size]))]

    assert [(each.offset, each.text) for each in found] == [(0, "one"), (4, "日志"), (11, ""), (12, "four")]


def test_last_line_without_its_end_is_a_record_when_nothing_more_can_come() -> None:
    run = a_run()
    first = run.feed(b"one\ntw")

    assert (texts(first), texts(run.end())) == (["one"], ["tw"])


def test_records_of_two_runs_have_different_keys() -> None:
    (one,), (two,) = (records(a_run().feed(b"same\n")) for _ in range(2))

    assert one.key(EVERY[0]) != two.key(EVERY[0])


def test_records_of_one_run_have_different_keys() -> None:
    run = a_run()
    one, two = (records(run.feed(b"same\n"))[0] for _ in range(2))

    assert one.key(EVERY[0]) != two.key(EVERY[0])


def test_flood_comes_in_batches_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "BATCH_RECORDS", 3)
    batches = a_run().feed(b"x\n" * 8)

    assert [len(batch.records) for batch in batches] == [3, 3, 2]


def test_of_a_line_that_is_too_long_the_head_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "MAX_LINE_BYTES", 10)
    run = a_run()
    found = [each for chunk in (b"0123456789", b"abc", b"def", b"ghi\nnext\n") for each in records(run.feed(chunk))]

    assert [(each.offset, each.text) for each in found] == [(0, "0123456789"), (20, "next")]


class JoinsIndented:
    """A matcher as one for records of several lines is: an indented line belongs to the one before it."""

    def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:
        data = bytes(block)
        starts = [line.start() for line in re.finditer(rb"^[^ ]", data, re.MULTILINE)]
        end = len(data) if is_end or not starts else starts[-1]
        return Scan(RegexMatcher(EVERY).scan(data[:end].replace(b"\n ", b"\0 ")).matches, end)

    def search(self, record: str) -> Scan:
        return RegexMatcher(EVERY).search(record)

    def figures(self) -> Sequence[RuleFigures]:
        return ()


def test_record_of_several_lines_waits_for_its_end() -> None:
    run = Plain("web", "kubectl", JoinsIndented(), FakeClock())
    first = run.feed(b"Trace\n")
    second = run.feed(b" at x\n")
    was_waiting = run.is_waiting
    third = run.feed(b"next\n")

    assert ([texts(each) for each in (first, second, third)], was_waiting) == ([[], [], ["Trace\0 at x"]], True)


def test_record_of_several_lines_is_complete_when_it_is_quiet() -> None:
    run = Plain("web", "kubectl", JoinsIndented(), FakeClock())
    run.feed(b"one\nTrace\n at x\n")

    assert (texts(run.quiet()), run.is_waiting) == (["Trace\0 at x"], False)


def test_records_of_several_lines_know_where_they_began() -> None:
    run = Plain("web", "kubectl", JoinsIndented(), FakeClock())
    found = [each for chunk in (b"one\nTr", b"ace\n at x\n", b"next\nlast\n") for each in records(run.feed(chunk))]

    assert [(each.offset, each.text) for each in [*found, *records(run.end())]] == [
        (0, "one"),
        (4, "Trace\0 at x"),
        (16, "next"),
        (21, "last"),
    ]
