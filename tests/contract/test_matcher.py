"""What every engine promises (`opsbot.core.ports.Matcher`): as if `re.search` were asked about every line."""

import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.core.log import Hit, Rule
from opsbot.core.ports import Matcher

Engine = Callable[[Sequence[Rule]], Matcher]
ENGINES: dict[str, Engine] = {"regex": RegexMatcher}


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
