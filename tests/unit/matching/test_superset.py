"""Engines for bytes are asked for at least what a rule for decoded records means."""

import re

import pytest

from opsbot.adapters.matching.superset import FOLDED, TooWideError, superset_of

ASKED = {
    "a literal is itself": ("ERROR", "ERROR"),
    "what only may follow is left out": ("ERROR.*", "ERROR"),
    "what only may precede is left out, and its anchor with it": (r"^.*ERROR\d+$", r"ERROR[0-9\x80-\xff]+\r?$"),
    "a repetition at the end is asked for once": (r"ERROR\d+", r"ERROR[0-9\x80-\xff]"),
    "beyond ASCII a character is its bytes": ("错误", r"\xe9\x94\x99\xe8\xaf\xaf"),
    "a case that can be ignored is two letters": ("(?i)abc", "[Aa][Bb][Cc]"),
    r"\Z stands before either line end": (r"abc\Z", r"abc\r?$"),
    r"\A is the beginning of any line": (r"\Aabc", "^abc"),
    "a boundary stays beside an ASCII word": (r"\babc\b", r"\babc\b"),
    "a boundary beside Chinese is left out": (r"码abc码\b", r"\xe7\xa0\x81abc\xe7\xa0\x81"),
    "looking behind from the beginning is matching": ("(?<=abc)def", "(?:abc)def"),
    "looking ahead is left out": ("abc(?!d)", "abc"),
    "what is only looked ahead for is asked for": ("^(?=.*abcd)(?=.*efgh)", r"^(?:[\x00-\x09\x0b-\xff]*abcd)"),
    "a reference back may be anything": (r"(abc)x\1y", r"abcx[\x00-\x09\x0b-\xff]*y"),
    "an atomic group gives back": ("abc(?>d|e)f", "abc[d-e]f"),
    "a possessive repetition gives back": ("abc++d", "abc+d"),
    "long counts are widened": ("[ab]c{500}d", "c{64}"),
    "a character of unknown bytes is some": ("abc\ufffdd", r"abc[\x80-\xff]{1,4}d"),
    "of a long rule a rare part is asked for": (r"user logged in from (\S+) as id-20471 again", r" id\x2d20471"),
}


@pytest.mark.parametrize("case", ASKED)
def test_engine_is_asked_for(case: str) -> None:
    pattern, asked = ASKED[case]

    found = superset_of(pattern).pattern.decode()

    assert found == f"(?:{asked.replace(' ', chr(92) + 'x20')})"


@pytest.mark.parametrize("pattern", ["", "x*", "a?", "(?!a)", "^$", "a|", "(a*)*"])
def test_rule_that_may_match_nothing_at_all_is_no_question_for_an_engine(pattern: str) -> None:
    with pytest.raises(TooWideError, match="empty"):
        superset_of(pattern)


@pytest.mark.parametrize("pattern", [".", r"\S+", r"\d", "[a-z]{3}", "(.)\\1", "e"])
def test_rule_that_is_found_everywhere_is_no_question_for_an_engine(pattern: str) -> None:
    with pytest.raises(TooWideError, match="everywhere"):
        superset_of(pattern)


def test_letters_that_others_stand_for_are_known() -> None:
    folded = [chr(code) for code in range(128, 0x3000) if re.search("(?i)[a-z]", chr(code))]

    assert len(folded) == len([letter for letter in folded if re.search(FOLDED, letter.encode())]) == 4
    assert (superset_of("(?i)disk").is_folded, superset_of("(?i)loop").is_folded) == (True, False)


def test_records_of_several_lines_may_be_crossed() -> None:
    assert superset_of(r"abc\nxyz", spans_lines=True).pattern == rb"(?:abc[\x0a\x0d]{1,2}xyz)"


def test_whole_rule_is_asked_for_on_demand() -> None:
    pattern = r"user logged in from (\S+) as id-20471 again"

    assert b"user" in superset_of(pattern, is_whole=True).pattern
