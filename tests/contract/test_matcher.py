"""What every engine promises (`opsbot.core.ports.Matcher`): as if `re.search` were asked about every record."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Literal, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.adapters.matching.ladder import compile_rules
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.core.log import Hit, Multiline, Rule
from opsbot.core.ports import Matcher


class Engine(Protocol):
    """Makes a matcher."""

    def __call__(self, rules: Sequence[Rule], /, multiline: Multiline | None = None) -> Matcher: ...


ENGINES: dict[str, Engine] = {
    "regex": RegexMatcher,
    "hyperscan": partial(compile_rules, engines=["hyperscan"]),
    "re2": partial(compile_rules, engines=["re2"]),
    "re": partial(compile_rules, engines=[]),
    "ladder": compile_rules,
}


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]


def found(matcher: Matcher, block: bytes | memoryview) -> list[tuple[int, bytes]]:
    scan = matcher.scan(block)
    assert scan.consumed == len(block)
    return [(hit.rule, bytes(block[match.start : match.end])) for match in scan.matches for hit in match.hits]


TABLE: dict[str, tuple[str, bytes, list[bytes]]] = {
    "a word anywhere in a line": ("ERROR", b"an ERROR here\nfine\nERROR\n", [b"an ERROR here", b"ERROR"]),
    "an empty pattern means every line, empty ones too": ("", b"a\n\nb\n", [b"a", b"", b"b"]),
    "every line, the unfinished last one too": ("", b"a\nb", [b"a", b"b"]),
    "an empty block has no lines": ("", b"", []),
    "a lone newline is one empty line": ("", b"\n", [b""]),
    "^ is the beginning of a line": ("^b", b"ab\nb\n", [b"b"]),
    "$ is the end of a line": ("a$", b"ab\nba\n", [b"ba"]),
    "$ stands before a line end of two bytes": ("a$", b"ba\r\nab\r\n", [b"ba"]),
    "only one carriage return belongs to the line end": ("^a\r$", b"a\r\r\na\r\n", [b"a\r"]),
    "a carriage return inside a line stays": ("a\rb", b"a\rb\r\n", [b"a\rb"]),
    r"\Z is the end of a line": (r"a\Z", b"a\nb\na\r\n", [b"a", b"a"]),
    r"\A is the beginning of a line": (r"\Ab", b"a\nb\n", [b"b"]),
    "a negated class does not run into the next line": ('a[^"]*b', b"a1\nb\na b\n", [b"a b"]),
    "white space does not run into the next line": (r"a\s+b", b"a\nb\na b\n", [b"a b"]),
    "a dot that matches all does not run into the next line": ("(?s)a.*b", b"a\nb\nab\n", [b"ab"]),
    "a greedy match does not swallow the lines behind it": ("a.*", b"a1\na2\na3\n", [b"a1", b"a2", b"a3"]),
    "look-behind sees the beginning of a line": (r"(?<!x)y", b"x\ny\nxy\n", [b"y"]),
    "look-ahead sees the end of a line": (r"x(?!y)", b"xy\nx\ny\n", [b"x"]),
    "a class of words knows Chinese": (r"^\w+$", "登录\n，\n".encode(), ["登录".encode()]),
    "a boundary of words knows Chinese": (r"码\b", "扫码登录\n扫码 登录\n".encode(), ["扫码 登录".encode()]),
    "a dot is one character of several bytes": ("^.{2}$", "登录\nab\n登\n".encode(), ["登录".encode(), b"ab"]),
    "case can be ignored beyond ASCII": ("(?i)straße", "STRAßE\n".encode(), ["STRAßE".encode()]),
    "digits are those of all scripts": (r"^\d$", "٣\n".encode(), ["٣".encode()]),
    "invalid bytes are replaced": ("a\ufffdb", b"a\xffb\nab\n", [b"a\xffb"]),
    "an invalid byte is one character": ("^a.b$", b"a\xffb\n", [b"a\xffb"]),
    "a zero byte is a character": ("a\0b", b"a\0b\n", [b"a\0b"]),
    "other line separators are no line ends": (
        "a.b",
        "a\u2028b\na\x0bb\na\x85b\n".encode(),
        [c.encode() for c in ("a\u2028b", "a\x0bb", "a\x85b")],
    ),
    "a named group counts like any pattern": (r"(?P<code>\d+) failed", b"12 failed\n", [b"12 failed"]),
    "a reference back counts like any pattern": (r"(\w)\1", b"aa\nab\n", [b"aa"]),
    "what follows a look-ahead begins where that began": ("(?=xfoo)(?:^|x)", b"axfoo\n", [b"axfoo"]),
    "a look-ahead says more than what runs to the end": ("(?=.*error).*$", b"an error\n", [b"an error"]),
    "a group may know more letters than what surrounds it": (r"(?a)abc(?u:\w)def", "abcédef\n".encode(), ["abcédef".encode()]),
    "possessive repetition counts like any pattern": ("a++b", b"aab\n", [b"aab"]),
}


@pytest.mark.parametrize("case", TABLE)
def test_match_means_search_in_the_decoded_line(engine: Engine, case: str) -> None:
    pattern, block, lines = TABLE[case]

    assert [line for _, line in found(engine([Rule(pattern)]), block)] == lines


def test_matches_come_by_line_and_within_it_by_rule(engine: Engine) -> None:
    matcher = engine([Rule("b"), Rule("a"), Rule("c")])

    assert found(matcher, b"abc\nxa\nb\n") == [(0, b"abc"), (1, b"abc"), (2, b"abc"), (1, b"xa"), (0, b"b")]


def test_rule_that_matches_often_in_a_line_is_named_once(engine: Engine) -> None:
    assert found(engine([Rule("a")]), b"aaa a\n") == [(0, b"aaa a")]


def test_same_pattern_twice_is_two_rules(engine: Engine) -> None:
    assert found(engine([Rule("a", "one"), Rule("a", "two")]), b"a\n") == [(0, b"a"), (1, b"a")]


def test_without_rules_nothing_matches(engine: Engine) -> None:
    assert found(engine([]), b"a\n") == []


def test_view_of_memory_is_scanned_like_bytes(engine: Engine) -> None:
    block = bytearray(b"..an ERROR\nok\n..")

    assert found(engine([Rule("ERROR")]), memoryview(block)[2:-2]) == [(0, b"an ERROR")]


def test_block_may_change_after_the_scan(engine: Engine) -> None:
    block = bytearray(b"one\ntwo\n")
    (match,) = engine([Rule("t(?P<rest>.*)")]).scan(memoryview(block)).matches
    block[:] = b"xxxxxxxx"

    assert (match.start, match.end, match.text, match.hits) == (4, 7, "two", (Hit(0, {"rest": "wo"}),))


def test_record_that_somebody_else_made_is_searched_as_one(engine: Engine) -> None:
    record = "Traceback:\n  日志\nKeyError: 'x'"
    rules = [Rule("^Key"), Rule("(?s)Trace.*(?P<error>Key)Error"), Rule("日"), Rule(r"\AKey"), Rule(":$"), Rule("'$")]
    scan = engine(rules).search(record)

    (match,) = scan.matches
    assert (match.start, match.end, match.text, scan.consumed) == (0, len(record), record, len(record))
    assert match.hits == (Hit(1, {"error": "Key"}), Hit(2), Hit(5))


def test_record_that_no_rule_matches_gives_no_match(engine: Engine) -> None:
    assert list(engine([Rule("x")]).search("a\nb").matches) == []


def test_empty_record_is_a_record(engine: Engine) -> None:
    assert [match.hits for match in engine([Rule("^$")]).search("").matches] == [(Hit(0),)]


def test_records_that_were_searched_count_as_matches(engine: Engine) -> None:
    matcher = engine([Rule("a"), Rule("b")])
    matcher.search("a")
    matcher.search("a b")

    assert [figures.matches for figures in matcher.figures()] == [2, 1]


PATTERNS = [
    "",
    "a",
    "^a",
    "a$",
    "^$",
    "a.b",
    "a[^b]b",
    r"\s",
    r"\w\W",
    "(?s)a.+b",
    "a|b$",
    "(?<=a)b",
    r"\Ab",
    r"a\Z",
    "é",
    "(?i)A",
    "\r$",
]
PIECES = st.sampled_from(
    [
        b"a",
        b"b",
        b" ",
        b"\n",
        b"\r",
        b"\r\n",
        "é".encode(),
        b"\xff",
        b"\xc3",
        b"\xe6\x97",
        b"\xf0\x9f",
        b"\0",
        "日".encode(),
        b"\x85",
        b"\x0c",
    ]
)


@given(rules=st.lists(st.sampled_from(PATTERNS), max_size=5), pieces=st.lists(PIECES, max_size=40))
@pytest.mark.parametrize("name", sorted(ENGINES))
def test_engine_finds_what_the_definition_says_in_random_blocks(name: str, rules: list[str], pieces: list[bytes]) -> None:
    block = b"".join(pieces)
    expected = []
    for line in re.finditer(rb"([^\n]*?)(?:\r?\n|\r?\Z)", block):
        if line.start() == len(block):
            break
        text = line[1].decode("utf-8", "replace")
        expected += [(number, *line.span(1), text) for number, rule in enumerate(rules) if re.search(rule, text)]

    scan = ENGINES[name]([Rule(rule, str(number)) for number, rule in enumerate(rules)]).scan(block)
    assert [(hit.rule, match.start, match.end, match.text) for match in scan.matches for hit in match.hits] == expected


@given(rules=st.lists(st.sampled_from(PATTERNS), max_size=5), pieces=st.lists(PIECES, max_size=10))
@pytest.mark.parametrize("name", sorted(ENGINES))
def test_engine_finds_what_the_definition_says_in_records_that_somebody_else_made(
    name: str, rules: list[str], pieces: list[bytes]
) -> None:
    record = b"".join(pieces).decode("utf-8", "replace")
    expected = [number for number, rule in enumerate(rules) if re.search(rule, record)]

    scan = ENGINES[name]([Rule(rule, str(number)) for number, rule in enumerate(rules)]).search(record)
    assert [hit.rule for match in scan.matches for hit in match.hits] == expected


# Records of several lines

TRACEBACK = ["ERROR no", "Traceback (most recent call last):", '  File "a.py", line 1, in f', "KeyError: 1"]
DATED = Multiline(kind="start", start=r"^\d")


def block_of(*lines: str, end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode()


def texts(matcher: Matcher, block: bytes, *, is_end: bool = True) -> list[str]:
    return [match.text for match in matcher.scan(block, is_end=is_end).matches]


def test_record_of_several_lines_matches_as_a_whole(engine: Engine) -> None:
    matcher = engine([Rule("(?s)ERROR.*KeyError")], Multiline(kind="python"))
    block = block_of("ERROR not this", *TRACEBACK, "KeyError")

    (match,) = matcher.scan(block).matches
    assert (match.text, block[match.start : match.end]) == ("\n".join(TRACEBACK), block_of(*TRACEBACK)[:-1])


@pytest.mark.parametrize(
    "pattern", [r"^ERROR", r"1$", r"\AERROR", r"1\Z", r"no\nTraceback", r"no\s+T", "(?m)^KeyError", "(?m)no$"]
)
def test_pattern_sees_the_lines_of_a_record_joined_by_newlines(engine: Engine, pattern: str) -> None:
    matcher = engine([Rule(pattern)], Multiline(kind="python"))

    assert texts(matcher, block_of("before", *TRACEBACK, "after")) == ["\n".join(TRACEBACK)]


@pytest.mark.parametrize("pattern", ["^Key", "no$", r"\n\Z", "after\nno", r"(?s)before.*ERROR"])
def test_pattern_does_not_take_a_line_for_a_record(engine: Engine, pattern: str) -> None:
    assert texts(engine([Rule(pattern)], Multiline(kind="python")), block_of("before", *TRACEBACK, "after")) == []


def test_line_ends_of_two_bytes_within_a_record_count_as_one(engine: Engine) -> None:
    block = block_of(*TRACEBACK, end="\r\n")
    (match,) = engine([Rule("no\nTrace")], Multiline(kind="python")).scan(block).matches

    assert (match.text, match.start, match.end) == ("\n".join(TRACEBACK), 0, len(block) - 2)


def test_record_that_may_go_on_is_not_consumed(engine: Engine) -> None:
    scan = engine([Rule("")], DATED).scan(block_of("1 a", "b", "2 c", "d"), is_end=False)

    assert ([match.text for match in scan.matches], scan.consumed) == (["1 a\nb"], len(b"1 a\nb\n"))


def test_record_that_will_not_go_on_is_consumed(engine: Engine) -> None:
    scan = engine([Rule("")], DATED).scan(block_of("1 a", "b", "2 c", "d"))

    assert ([match.text for match in scan.matches], scan.consumed) == (["1 a\nb", "2 c\nd"], len(b"1 a\nb\n2 c\nd\n"))


def test_unfinished_last_line_belongs_to_the_last_record(engine: Engine) -> None:
    assert texts(engine([Rule("")], DATED), b"1 a\nb") == ["1 a\nb"]


def test_record_that_may_go_on_is_not_consumed_although_nothing_matches(engine: Engine) -> None:
    assert engine([Rule("never")], DATED).scan(block_of("1 a", "b", "2 c", "d"), is_end=False).consumed == len(b"1 a\nb\n")


def test_line_by_line_every_whole_line_is_consumed(engine: Engine) -> None:
    assert engine([Rule("a")]).scan(b"a\nb\n", is_end=False).consumed == 4


@pytest.mark.parametrize("rule", ["", "never"])
def test_record_is_concluded_at_its_bounds(engine: Engine, rule: str) -> None:
    matcher = engine([Rule(rule)], Multiline(kind="start", start="^1", max_lines=3))
    scan = matcher.scan(block_of("1 a", "b", "c", "d", "e", "f"), is_end=False)

    assert ([match.text for match in scan.matches], scan.consumed) == (["1 a\nb\nc", "d\ne\nf"] if not rule else [], 14)


def test_record_is_concluded_at_its_size(engine: Engine) -> None:
    matcher = engine([Rule("")], Multiline(kind="start", start="^1", max_bytes=10))

    assert texts(matcher, block_of("1 a", "错", "b", "c", "x" * 11, "d"), is_end=False) == ["1 a\n错\nb", "c", "x" * 11]


MULTILINE_PIECES = st.sampled_from(
    [
        block_of(*TRACEBACK),
        block_of("1 one", "  more"),
        b"\tat a.B.c\n",
        b"\r\n",
        b"\n",
        b"\xff\n",
        b"2 two\r\n",
        b"ab",
        "错\n".encode(),
    ]
)


@given(
    rules=st.lists(st.sampled_from([*PATTERNS, r"\n", "(?s)1.*a"]), min_size=1, max_size=3),
    pieces=st.lists(MULTILINE_PIECES, max_size=20),
    kind=st.sampled_from(["python", "java", "start"]),
    max_lines=st.sampled_from([1, 2, 4, 500]),
    data=st.data(),
)
@pytest.mark.parametrize("name", sorted(ENGINES))
def test_engine_finds_the_same_records_in_random_blocks_as_at_once(
    name: str,
    rules: list[str],
    pieces: list[bytes],
    kind: Literal["python", "java", "start"],
    max_lines: int,
    data: st.DataObject,
) -> None:
    matcher = ENGINES[name](
        [Rule(rule, str(number)) for number, rule in enumerate(rules)], Multiline(kind=kind, start=r"^\d", max_lines=max_lines)
    )
    block = b"".join(pieces)
    at_once = [(match.start, match.end, match.text, match.hits) for match in matcher.scan(block).matches]
    expected = [hit for *_, text, hits in at_once for hit in hits if re.search(rules[hit.rule], text)]

    cuts = [each.end() for each in re.finditer(b"\n", block) if data.draw(st.booleans())]
    found, first = [], 0
    for stop in [*cuts, len(block)]:
        scan = matcher.scan(block[first:stop], is_end=stop == len(block))
        found += [(first + each.start, first + each.end, each.text, each.hits) for each in scan.matches]
        first += scan.consumed
    assert (found, first) == (at_once, len(block))
    assert expected == [hit for *_, hits in at_once for hit in hits]
