"""How long a text may be before `re` could take long over it."""

import pytest

from opsbot.adapters.matching.backtracking import longest_safe_text

ANY_LENGTH = 1 << 40


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$",
        "(a*)*$",
        "(a|a)*b",
        r"(\w+\s?)*$",
        "(x+x+)+y",
        "((ab)?)+c",
        r"^(\d+)*x",
        "(a|ab)*c",
        r"(?:.*,)*x",
        r"(.)+\1b(?:\1+)+",
    ],
)
def test_no_text_is_safe_from_repetitions_within_repetitions(pattern: str) -> None:
    assert longest_safe_text(pattern) == 0


@pytest.mark.parametrize("pattern", ["ERROR", "a|b", "(?i)disk", r"\bOOM\b", "[0-9]{3}", "(?:ab)?c", "^x$"])
def test_every_text_is_safe_without_long_repetitions(pattern: str) -> None:
    assert longest_safe_text(pattern) == ANY_LENGTH


@pytest.mark.parametrize("pattern", ["ERROR .*x", r"(\S+) (\S+) \[([^\]]*)\] x", r"(?:\d+\.)+x", "a.*b", "[^,]*,x", r"(?>a+)b"])
def test_repetition_that_cannot_share_what_it_takes_is_safe_in_lines_of_some_thousand_characters(pattern: str) -> None:
    assert 4000 < longest_safe_text(pattern) < 10_000


def test_more_ways_to_divide_a_text_make_shorter_texts_safe() -> None:
    lengths = [longest_safe_text("a" + ".*b" * count) for count in range(1, 5)]

    assert lengths == sorted(set(lengths), reverse=True)


@pytest.mark.parametrize("pattern", [r".*\d+c", r"\w+\d+:", "[ab]*a*c", r".*x\w+:", r"(\w+)\1b", r"(?:(?!.*foo).)*x"])
def test_what_runs_in_vain_from_every_place_of_another_repetition_counts_as_much(pattern: str) -> None:
    assert 0 < longest_safe_text(pattern) < 1000


@pytest.mark.parametrize(
    "pattern",
    [r"user (\w+) failed (\d+) times", r"took (\d+) ?ms", "^.* ERROR", "^(?!.*debug).*error", "ERROR (.*)", r"Error: .+"],
)
def test_every_text_is_safe_where_each_repetition_has_a_beginning_or_end_of_its_own(pattern: str) -> None:
    assert longest_safe_text(pattern) == ANY_LENGTH


@pytest.mark.parametrize("pattern", [r"\S+\s+\S+x", r"\w+\W+x", r"\d+\D+x", r"[^\s]+\s+x", r"(?i)[^\W\d]+\d+x"])
def test_sets_that_are_each_others_opposites_share_nothing_beyond_ascii_either(pattern: str) -> None:
    assert 4000 < longest_safe_text(pattern) < 10_000


@pytest.mark.parametrize("pattern", [r"\S+[^a]+x", r"\W*(?a:\W)+x", r"(?i)k+[^\x00-\x7f]+x", "[^é]+é+x", r"\w+[日月]+x"])
def test_sets_that_may_share_something_beyond_ascii_are_counted_as_such(pattern: str) -> None:
    assert 0 < longest_safe_text(pattern) < 1000
