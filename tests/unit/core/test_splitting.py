"""Texts are cut to what a channel takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.core.splitting import split_text


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        ("", 5, [""]),
        ("abc", 3, ["abc"]),
        ("abcd", 3, ["abc", "d"]),
        ("one\ntwo\nthree", 8, ["one\ntwo", "three"]),
        ("one\ntwo", 3, ["one", "two"]),
        ("one\n\ntwo", 4, ["one\n", "two"]),
        ("\nabcdef", 3, ["\nab", "cde", "f"]),
    ],
)
def test_text_is_cut_at_line_ends_where_possible(text: str, limit: int, pieces: list[str]) -> None:
    assert split_text(text, limit) == pieces


@given(st.text(st.sampled_from("ab\n界")), st.integers(1, 20))
def test_no_piece_is_too_long_and_only_line_ends_are_lost(text: str, limit: int) -> None:
    pieces = split_text(text, limit)

    assert all(len(piece) <= limit for piece in pieces)
    assert "".join(pieces).replace("\n", "") == text.replace("\n", "")
