"""What people type on phones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.core.folding import QUOTATION_RULE, fold_name, own_words, split_words


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("restart", "restart"),
        ("Restart", "restart"),
        ("RESTART!", "restart"),
        ("ｒｅｓｔａｒｔ", "restart"),
        ("ＱＲ。", "qr"),
        ("qr。。。", "qr"),
        ("qr?！", "qr"),
        ("重启！", "重启"),
        ("重启～", "重启"),
        ("STRASSE", "strasse"),
        ("straße", "strasse"),
        ("a.b", "a.b"),
        (".a", ".a"),
        ("enable-qrRescue", "enable-qrrescue"),
        ("。", ""),
        ("", ""),
    ],
)
def test_names_are_folded(typed: str, name: str) -> None:
    assert fold_name(typed) == name


@given(st.text())
def test_folded_name_ends_in_no_punctuation(typed: str) -> None:
    assert not fold_name(typed).endswith((".", "。", "!", "！", "?", "？"))


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("  qr \n", "qr"),
        ("qr\u2005", "qr"),
        ("\u2005qr", "qr"),
        (f"「Bob: restart」\n{QUOTATION_RULE}\nqr", "qr"),
        (f"「Bob: 「x」\n{QUOTATION_RULE}\ny」\n{QUOTATION_RULE}\nqr now", "qr now"),
        (f"「Bob: restart」\n{QUOTATION_RULE}\n", ""),
        (f"no quotation\n{QUOTATION_RULE}\nqr", f"no quotation\n{QUOTATION_RULE}\nqr"),
        ("「restart」", "「restart」"),
        ("", ""),
    ],
)
def test_only_the_senders_own_words_count(text: str, own: str) -> None:
    assert own_words(text) == own


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tail bob", ["tail", "bob"]),
        ("tail　bob", ["tail", "bob"]),
        ("  tail \t bob\n", ["tail", "bob"]),
        ("tail 'my file.log' x", ["tail", "my file.log", "x"]),
        ("tail “my file.log”", ["tail", "my file.log"]),
        ("tail ”my file.log”", ["tail", "my file.log"]),
        ("tail ‘a b’ 「c d」 《e f》 ＂g h＂", ["tail", "a b", "c d", "e f", "g h"]),
        ('say ""', ["say", ""]),
        ("it's fine", ["it's", "fine"]),
        ("'tis fine", ["'tis", "fine"]),
        ('"open end', ['"open', "end"]),
        ('"a"b c', ['"a"b', "c"]),
        ("－－lines 5", ["--lines", "5"]),
        ("—lines 5", ["--lines", "5"]),
        ("–lines", ["--lines"]),
        ("——lines", ["--lines"]),
        ("−n", ["-n"]),
        ("---x", ["---x"]),
        ("a－b a—b", ["a－b", "a—b"]),
        ("--", ["--"]),
        ("", []),
        (" ", []),
    ],
)
def test_lines_are_split_into_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1)))
def test_plain_words_come_out_as_they_went_in(words: list[str]) -> None:
    assert split_words(" ".join(words)) == words


@given(st.text())
def test_no_text_makes_it_fail_or_gives_a_word_with_a_space_at_its_end(text: str) -> None:
    assert all(word == word.strip() or word in text for word in split_words(own_words(text)))
