"""How bytes become lines."""

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.adapters.process.stream import LINE_CHARS, LineStream


def lines_of(*chunks: bytes) -> list[str]:
    stream = LineStream()
    lines = [line for chunk in chunks for line in stream.feed(chunk)]
    return lines + stream.end()


def split(content: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(content)) for cut in cuts} | {0, len(content)})
    return [content[start:end] for start, end in itertools.pairwise(places)]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"a\nb", ["a", "b"]),
        (b"a\n\n", ["a", ""]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"10%\r50%\r100%\ndone\n", ["100%", "done"]),
        (b"10%\r100%\r", ["100%"]),
        (b"\r\x1b[K10%\r\x1b[K100%\r\x1b[K\n", ["100%"]),
        (b"|\x08/\x08-\x08done\n", ["done"]),
        (b"\x1b[1;31mred\x1b[0m \x1b[38;2;1;2;3mtrue\x1b[m\n", ["red true"]),
        (b"\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", ["link"]),
        (b"\x1bP1$r0m\x1b\\dcs \x1b_apc\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\end\n", ["dcs end"]),
        ("\x9b31mred\x9d0;t\x9c\n".encode(), ["red"]),
        (b"\x1b(B\x1b=\x1b7\x1bMplain\n", ["plain"]),
        (b"\x1b]0;no end\nshown\n", ["0;no end", "shown"]),
        (b"\x1b[31\nshown\n", ["31", "shown"]),
        (b"a\tb\x00\x07\x7f\x0b\x0c\x1b\n", ["a\tb"]),
        ("safe\u202egnp.exe \u2066x\u2069 \u200f\u061c\n".encode(), ["safegnp.exe x "]),
        ("a\u200bb\u200d\u2060\ufeff\u00adc\u2028d\U000e0041\n".encode(), ["abcd"]),
        ("重启 ✓ ｑｒ\n".encode(), ["重启 ✓ ｑｒ"]),
        (b"caf\xe9 \xff\n", ["caf\ufffd \ufffd"]),
        (b"\xe9\x87", ["\ufffd"]),
    ],
)
def test_output_becomes_lines_that_show_only_what_is_seen(content: bytes, lines: list[str]) -> None:
    assert lines_of(content) == lines


PIECES = st.sampled_from(
    [
        b"a",
        "重".encode(),
        b"\n",
        b"\r",
        b"\r\n",
        b"\x1b[31m",
        b"\x1b]0;t\x07",
        b"\x1b]8;;u\x1b\\",
        b"\x1b",
        b"\x08",
        b"\xff",
        b"\x1b(B",
    ]
)


@given(st.lists(PIECES).map(b"".join), st.lists(st.integers(0, 60)))
def test_lines_do_not_depend_on_how_the_bytes_arrive(content: bytes, cuts: list[int]) -> None:
    assert lines_of(*split(content, cuts)) == lines_of(content)


@given(st.lists(st.binary(max_size=40)))
def test_no_line_holds_a_control_character(chunks: list[bytes]) -> None:
    text = "".join(lines_of(*chunks))

    assert {char for char in text if unicodedata.category(char) == "Cc"} <= {"\t"}


@pytest.mark.parametrize("length", [LINE_CHARS - 1, LINE_CHARS, LINE_CHARS + 1, 3 * LINE_CHARS, 3 * LINE_CHARS + 5])
@pytest.mark.parametrize("chunk_bytes", [100, 4096, 10**6])
def test_long_line_is_cut_into_pieces_and_nothing_is_lost(length: int, chunk_bytes: int) -> None:
    content = ("重" * length).encode() + b"\nnext\n"

    lines = lines_of(*(content[at : at + chunk_bytes] for at in range(0, len(content), chunk_bytes)))

    assert [len(line) for line in lines[:-2]] == [LINE_CHARS] * (len(lines) - 2)
    assert ("".join(lines[:-1]), lines[-1]) == ("重" * length, "next")


@pytest.mark.parametrize(
    "chunk",
    [b"x" * 1000, b"\x1b[31m" * 200, b"\x1b]" + b"x" * 1000, b"\x1b[" + b"1" * 1000, b"55%\r" * 250, b"\x1b" * 1000],
    ids=["text", "colours", "endless-osc", "endless-csi", "progress", "escapes"],
)
def test_line_without_end_does_not_pile_up(chunk: bytes) -> None:
    stream = LineStream()

    for _ in range(200):
        stream.feed(chunk)

    assert sum(len(line) for line in stream.end()) <= 2 * LINE_CHARS


def test_progress_without_a_newline_keeps_its_last_state() -> None:
    chunks = [b"%d%%\r" % n for n in range(10_000)]

    assert lines_of(*chunks) == ["9999%"]


def test_what_follows_a_long_progress_replaces_it() -> None:
    assert lines_of(b"55%\r" * 3000, b"done\n") == ["done"]


def test_escape_sequence_across_the_cut_of_a_long_line_is_removed() -> None:
    lines = lines_of(b"x" * LINE_CHARS + b"\x1b[3", b"1mred\n")

    assert lines == ["x" * LINE_CHARS, "red"]
