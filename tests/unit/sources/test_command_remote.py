"""What a remote says becomes batches, and what it should not say becomes a reason."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.sources.command import remote
from opsbot.adapters.sources.command.remote import Remote
from opsbot.adapters.sources.command.wire import positions_line
from opsbot.core.log import Batch, Checkpoint, Gap, Rule
from opsbot.testing import FakeClock
from tests.unit.sources.remote_words import PATH, a_position, checkpoint, positions, record

EVERY = (Rule.every_line(),)


def a_remote(checkpoints: Sequence[Checkpoint] = (), *, rules: Sequence[Rule] = EVERY, resumes: bool = True) -> Remote:
    return Remote("bob", RegexMatcher(rules), checkpoints, FakeClock(), resumes=resumes)


def texts(batches: Sequence[Batch]) -> list[list[str]]:
    return [[each.text for each in batch.records] for batch in batches]


# Records and the positions that cover them


def test_records_wait_for_their_positions() -> None:
    heard = a_remote()

    assert heard.feed(record("one", 0) + record("two", 4)) == []


def test_positions_close_a_batch_with_the_records_before_them() -> None:
    (batch,) = a_remote().feed(record("one", 0) + record("two", 4) + positions(a_position(8)))

    assert (batch.source, texts([batch]), batch.checkpoints) == ("bob", [["one", "two"]], (checkpoint(8),))


def test_positions_without_records_are_progress() -> None:
    (batch,) = a_remote().feed(positions(a_position(8), a_position(3, inode=8, generation="")))

    assert batch.checkpoints == (checkpoint(8), checkpoint(3, inode=8, generation=""))


def test_what_the_remote_forgets_is_forgotten() -> None:
    (batch,) = a_remote().feed(positions(forgotten=[[1, 7], [0, 2**64 - 1]]))

    assert batch.forgotten == ((1, 7), (0, 2**64 - 1))


def test_gaps_of_the_remote_are_told() -> None:
    gaps = [{"path": PATH, "reason": "truncated", "lost_bytes": 12}, {"path": PATH, "reason": "gone", "lost_bytes": None}]
    (batch,) = a_remote().feed(positions(gaps=gaps))

    assert batch.gaps == (Gap(PATH, "truncated", 12), Gap(PATH, "gone", None))


def test_our_rules_are_asked_about_what_came() -> None:
    heard = a_remote(rules=[Rule("o(?P<rest>.*)"), Rule("w")])
    (batch,) = heard.feed(record("one", 0) + record("two", 4) + record("x", 8) + positions(a_position(10)))

    assert [(each.text, [(hit.rule, dict(hit.groups)) for hit in each.hits]) for each in batch.records] == [
        ("one", [(0, {"rest": "ne"})]),
        ("two", [(0, {"rest": ""}), (1, {})]),
    ]


def test_record_of_several_lines_stays_one() -> None:
    (batch,) = a_remote(rules=[Rule("(?s)Trace.*Error$")]).feed(record("Trace\n  at\nKeyError", 0) + positions(a_position(20)))

    assert texts([batch]) == [["Trace\n  at\nKeyError"]]


def test_record_has_the_key_that_the_remote_knows_it_by() -> None:
    (batch,) = a_remote().feed(record("one", 4) + positions(a_position(8)))

    assert batch.records[0].key(EVERY[0]).startswith("gen1:4:")


def test_record_of_a_file_without_generation_has_the_key_that_the_remote_knows_it_by() -> None:
    (batch,) = a_remote().feed(record("one", 4, content="7") + positions(a_position(8, generation="")))

    assert (batch.records[0].key(EVERY[0]).rpartition(":")[0], batch.records[0].checkpoint.inode) == ("7:4", 7)


def test_halves_of_characters_are_replaced() -> None:
    (batch,) = a_remote().feed(record("a\ud800b", 0) + positions(a_position(8)))

    assert texts([batch]) == [["a\ufffdb"]]


def test_remote_without_positions_is_heard_at_once() -> None:
    heard = a_remote(resumes=False)
    (batch,) = heard.feed(record("one", 0) + record("two", 4))

    assert (texts([batch]), batch.checkpoints) == ([["one", "two"]], ())


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_it_does_not_matter_how_the_bytes_are_cut(size: int) -> None:
    heard = a_remote()
    said = record("日志", 0) + positions(a_position(7)) + record("two", 7) + positions(a_position(11))
    batches = [batch for at in range(0, len(said), size) for batch in heard.feed(said[at : at + size])]

    assert texts(batches) == [["日志"], ["two"]]


# What comes twice


def test_record_that_several_rules_of_the_remote_match_is_taken_once() -> None:
    (batch,) = a_remote().feed(record("one", 0, rule="a") + record("one", 0, rule="b") + positions(a_position(4)))

    assert texts([batch]) == [["one"]]


def test_record_that_straddles_two_batches_without_positions_is_taken_once() -> None:
    heard = a_remote(resumes=False)
    first, second = heard.feed(record("one", 0, rule="a")), heard.feed(record("one", 0, rule="b"))

    assert texts([*first, *second]) == [["one"]]


def test_same_line_at_another_place_is_another_record() -> None:
    (batch,) = a_remote().feed(record("one", 0) + record("one", 4) + record("one", 0, content="gen2") + positions())

    assert [(each.checkpoint.generation, each.offset) for each in batch.records] == [("gen1", 0), ("gen1", 4), ("gen2", 0)]


def test_record_that_a_committed_position_covers_is_dropped() -> None:
    (batch,) = a_remote([checkpoint(8)]).feed(record("one", 4) + record("two", 8) + positions(a_position(12)))

    assert texts([batch]) == [["two"]]


def test_record_that_an_earlier_batch_covered_is_dropped() -> None:
    heard = a_remote()
    heard.feed(positions(a_position(8)))
    (batch,) = heard.feed(record("one", 4) + record("two", 8) + positions(a_position(12)))

    assert texts([batch]) == [["two"]]


def test_other_content_at_the_same_place_is_not_covered() -> None:
    (batch,) = a_remote([checkpoint(8)]).feed(record("new", 0, content="gen2") + positions(a_position(4, generation="gen2")))

    assert texts([batch]) == [["new"]]


def test_file_without_generation_covers_nothing() -> None:
    heard = a_remote([checkpoint(8, generation="")])
    (batch,) = heard.feed(record("one", 0, content="7") + positions(a_position(8, generation="")))

    assert texts([batch]) == [["one"]]


def test_content_of_a_file_that_is_gone_does_not_come_again() -> None:
    heard = a_remote([checkpoint(8), checkpoint(9, inode=8, generation="gen2")])
    heard.feed(positions(forgotten=[[1, 7]]))
    (batch,) = heard.feed(record("no", 0) + record("no", 0, content="gen2") + record("new", 9) + positions())

    assert (texts([batch]), heard.files) == ([["new"]], 1)


# What does not belong there


def test_banner_is_skipped() -> None:
    (batch,) = a_remote().feed(b"Welcome to bob!\r\n\n\xff\xfe\n" + record("one", 0) + positions(a_position(4)))

    assert texts([batch]) == [["one"]]


def test_banner_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    a_remote().feed(b"Welcome\nto\nbob\n")

    assert capsys.readouterr().out.count("lines that are no records are skipped") == 1


def test_what_a_later_version_may_say_is_skipped() -> None:
    heard = a_remote()
    heard.feed(b'{"note": "x"}\n')

    assert heard.fault == ""


LIES: dict[str, tuple[bytes, str]] = {
    "half a line of JSON": (b'{"source": "tail", "pa\n', "begins like JSON"),
    "JSON without end": (b'{"a":' * 100_000 + b"\n", "begins like JSON"),
    "a number without end": (b'{"line": ' + b"9" * 5000 + b"}\n", "begins like JSON"),
    "a marker that is not hexadecimal": (positions(a_position(8, marker="zz")), "not hexadecimal"),
    "a marker that is too long": (positions(a_position(8, marker="00" * 257)), "too long"),
    "a generation that is too long": (positions(a_position(8, generation="x" * 201)), "too long"),
    "a negative offset": (positions(a_position(-1)), "in offset"),
    "an offset that no file has": (positions(a_position(2**63)), "in offset"),
    "an offset that is no number": (positions(a_position("8")), "in offset"),
    "an offset that is true": (positions(a_position(True)), "in offset"),
    "an inode of 65 bits": (positions(a_position(8, inode=2**64)), "in inode"),
    "a device that is missing": (positions({"path": PATH, "inode": 1, "offset": 0, "marker": "", "generation": ""}), "in device"),
    "a path that is no text": (positions(a_position(8, path=["x"])), "in path"),
    "a path with a zero byte": (positions(a_position(8, path="a\0b")), "path that is none"),
    "a path without end": (positions(a_position(8, path="x" * 5000)), "path that is none"),
    "positions that are no list": (b'{"positions": 7}\n', "in positions"),
    "a position that is no object": (positions(7), "no object"),
    "a forgotten file of three numbers": (positions(forgotten=[[1, 2, 3]]), "forgotten"),
    "a forgotten file that is text": (positions(forgotten=["12"]), "forgotten"),
    "a gap that is no object": (positions(gaps=["x"]), "no object"),
    "a gap that gives bytes back": (positions(gaps=[{"path": PATH, "reason": "x", "lost_bytes": -1}]), "in lost_bytes"),
    "a record with a negative offset": (record("x", -1), "in offset"),
    "a record that is no text": (record(7, 0), "in line"),
    "a record whose key is no key": (record("x", 0, key="x"), "key"),
    "a record whose key is elsewhere": (record("x", 0, key="gen1:1:abc"), "key"),
    "a record whose content has no name": (record("x", 0, key=":0:abc"), "key"),
}


@pytest.mark.parametrize("case", LIES)
def test_lie_is_a_reason_and_what_came_before_it_is_kept(case: str) -> None:
    lie, reason = LIES[case]
    heard = a_remote()
    batches = heard.feed(record("one", 0) + positions(a_position(4)) + lie + record("two", 4) + positions(a_position(8)))

    assert texts(batches) == [["one"]]
    assert reason in heard.fault


def test_nothing_is_taken_after_a_lie() -> None:
    heard = a_remote()
    heard.feed(b"{\n")

    assert heard.feed(record("one", 0) + positions(a_position(4))) == []


SCALARS = st.sampled_from([None, True, -1, 0, 7, 2**64, 1.5, float("nan"), "", "gen1:7:a", "\ud800", "zz", "0a"])
OBJECTS = st.dictionaries(st.sampled_from([*a_position(0), "reason", "lost_bytes"]), SCALARS, max_size=7)
VALUES = SCALARS | st.lists(SCALARS | OBJECTS | st.lists(SCALARS, max_size=3), max_size=3)
KEYS = ["positions", "forgotten", "gaps", "line", "key", "offset", "path"]


@settings(deadline=None)
@given(said=st.lists(st.binary(max_size=40) | st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=7), max_size=4))
def test_whatever_is_said_the_daemon_lives(said: list[bytes | dict[str, Any]]) -> None:
    heard = a_remote()
    for each in said:
        heard.feed(each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n")

    assert heard.end() == ()


# Bounds


def test_line_without_end_is_skipped_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MAX_LINE_BYTES", 2**20)
    heard = a_remote()
    for _ in range(40):
        heard.feed(b"{" + b"x" * 2**16)
    (batch,) = heard.feed(b"\n" + record("two", 4) + positions(a_position(8)))

    assert (texts([batch]), batch.gaps) == ([["two"]], (Gap("bob", "a line of more than 1 MiB was skipped"),))


def test_line_without_end_is_not_kept() -> None:
    heard = a_remote()
    for _ in range(200):
        heard.feed(b"x" * 2**16)

    assert len(heard._lines._unfinished) < remote.MAX_LINE_BYTES  # noqa: SLF001 - what is bounded is inside


def test_many_records_without_positions_are_handed_over_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "HELD_RECORDS", 3)
    batches = a_remote().feed(b"".join(record(str(number), number) for number in range(7)) + positions(a_position(8)))

    assert [(len(batch.records), len(batch.checkpoints)) for batch in batches] == [(3, 0), (3, 0), (1, 1)]


def test_large_records_without_positions_are_handed_over_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "HELD_BYTES", 100)
    batches = a_remote().feed(record("x" * 60, 0) + record("y" * 60, 61) + record("z", 122))

    assert [len(batch.records) for batch in batches] == [2]


def test_remote_with_too_many_files_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MAX_FILES", 10)
    heard = a_remote()
    heard.feed(positions(*[a_position(1, inode=number) for number in range(11)]))

    assert "more than 10 files" in heard.fault


# What it is told


def test_remote_is_told_where_to_go_on_in_one_line() -> None:
    line = positions_line([checkpoint(8), checkpoint(3, path="caf\udce9", inode=2**64 - 1, marker=b"", generation="")])

    assert (line.count(b"\n"), json.loads(line)) == (
        1,
        {"positions": [a_position(8), a_position(3, path="caf\udce9", inode=2**64 - 1, marker="", generation="")]},
    )


def test_what_it_says_of_a_position_is_what_it_is_told_again() -> None:
    told = [checkpoint(8), checkpoint(3, path="caf\udce9", device=0, inode=2**64 - 1, marker=bytes(range(256)), generation="")]
    (batch,) = a_remote().feed(positions_line(told))

    assert batch.checkpoints == tuple(told)


# A connection that breaks anywhere

LOG = [f"{'日志' * (number % 3)}{number}" for number in range(12)]


def honest(offset: int) -> bytes:
    """What a remote says that follows LOG from an offset: two records at a time, each for two rules, then the position."""
    said, at = b"", 0
    for number, line in enumerate(LOG):
        end = at + len(line.encode()) + 1
        if at >= offset:
            said += record(line, at, rule="a") + record(line, at, rule="b")
        if end > offset and number % 2:
            said += positions(a_position(end))
        at = end
    return said


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, len(honest(0))), max_size=6))
def test_connection_that_breaks_anywhere_loses_and_repeats_nothing(cuts: list[int]) -> None:
    committed: list[Checkpoint] = []
    found: list[str] = []
    for cut in [*cuts, None]:
        said = honest(committed[-1].offset if committed else 0)
        for batch in a_remote(committed).feed(said[:cut]):
            found += texts([batch])[0]
            committed += batch.checkpoints

    assert found == LOG


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, len(honest(0))), max_size=6))
def test_remote_that_cannot_go_on_and_begins_anew_repeats_nothing(cuts: list[int]) -> None:
    committed: list[Checkpoint] = []
    found: list[str] = []
    for cut in [*cuts, None]:
        for batch in a_remote(committed).feed(honest(0)[:cut]):
            found += texts([batch])[0]
            committed += [each for each in batch.checkpoints if not committed or each.offset > committed[-1].offset]

    assert found == LOG
