"""Matching in other encodings promises the same as matching in UTF-8 (`opsbot.core.ports.Matcher`)."""

import re
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.adapters.matching.encoded import EncodedMatcher
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.core.log import Multiline, Rule
from tests.contract.test_matcher import TABLE, TRACEBACK, block_of

Encoding = Literal["gb18030", "utf-16"]
CODECS: dict[Encoding, str] = {"gb18030": "gb18030", "utf-16": "utf-16-le"}
DECODABLE = [case for case, (_, block, _) in TABLE.items() if block == block.decode("utf-8", "replace").encode()]


def a_matcher(encoding: Encoding, *patterns: str, multiline: Multiline | None = None) -> EncodedMatcher:
    rules = [Rule(pattern, str(number)) for number, pattern in enumerate(patterns)]
    return EncodedMatcher(RegexMatcher(rules, multiline), encoding)


@pytest.mark.parametrize("case", DECODABLE)
@pytest.mark.parametrize("encoding", CODECS)
def test_match_means_search_in_the_decoded_line_whatever_the_encoding(encoding: Encoding, case: str) -> None:
    pattern, utf_8, lines = TABLE[case]
    block = utf_8.decode().encode(CODECS[encoding])

    scan = a_matcher(encoding, pattern).scan(memoryview(block))
    assert [block[match.start : match.end].decode(CODECS[encoding]).encode() for match in scan.matches] == lines
    assert scan.consumed == len(block)


@pytest.mark.parametrize("encoding", CODECS)
def test_record_of_several_lines_is_found_and_the_open_one_is_left(encoding: Encoding) -> None:
    text = block_of("错误", *TRACEBACK, "下一行", "ERROR last").decode()
    block = text.encode(CODECS[encoding])
    scan = a_matcher(encoding, "ERROR", multiline=Multiline(kind="python")).scan(block, is_end=False)

    (match,) = scan.matches
    assert block[match.start : match.end].decode(CODECS[encoding]) == match.text == "\n".join(TRACEBACK)
    assert block[scan.consumed :].decode(CODECS[encoding]) == "ERROR last\n"


@pytest.mark.parametrize("encoding", CODECS)
def test_nothing_is_consumed_of_one_open_record(encoding: Encoding) -> None:
    block = block_of("1 a", "b").decode().encode(CODECS[encoding])

    assert a_matcher(encoding, "a", multiline=Multiline(kind="start", start="^1")).scan(block, is_end=False).consumed == 0


def test_half_a_character_does_not_take_the_line_end_along() -> None:
    block = b"one\x951\nERROR two\n"

    (match,) = a_matcher("gb18030", "ERROR").scan(block).matches
    assert block[match.start : match.end] == b"ERROR two"


def test_half_a_character_is_the_same_in_every_block() -> None:
    lines = [match.text for match in a_matcher("gb18030", "").scan(b"\x800\n\x800\n\n").matches]

    assert lines == [b"\x800".decode("gb18030", "replace")] * 2 + [""]


def test_newline_between_two_units_is_none() -> None:
    block = "ਊ\u0a0a\u000aĀ\u0a00\u0100 ERROR\n".encode("utf-16-le")

    (match,) = a_matcher("utf-16", "ERROR").scan(block).matches
    assert block[match.start : match.end].decode("utf-16-le") == "Ā\u0a00\u0100 ERROR"


BYTES = [0x0A, 0x0D, 0x00, 0x30, 0x39, 0x41, 0x80, 0x81, 0x84, 0x95, 0xB4, 0xED, 0xD8, 0xDC, 0xFE, 0xFF]


@given(data=st.lists(st.sampled_from(BYTES), max_size=40).map(bytes))
@pytest.mark.parametrize("encoding", CODECS)
def test_any_bytes_give_the_lines_that_stand_in_them(encoding: Encoding, data: bytes) -> None:
    if encoding == "utf-16":
        data = data[: len(data) // 2 * 2]
        lines = re.findall(rb"((?s:(?!\n\0)..)*?)(\r\0\n\0|\n\0|(?:\r\0)?\Z)", data)
    else:
        lines = re.findall(rb"([^\n]*?)(\r\n|\n|\r?\Z)", data)
    expected = [line.decode(CODECS[encoding], "replace") for line, end in lines if line or end]

    scan = a_matcher(encoding, "").scan(data)
    assert [match.text for match in scan.matches] == expected
    assert [data[match.start : match.end].decode(CODECS[encoding], "replace") for match in scan.matches] == expected
    assert [match.start for match in scan.matches] == sorted({match.start for match in scan.matches})
