"""What is scraped is Prometheus text, whatever stands in a label."""

import re

from hypothesis import given
from hypothesis import strategies as st

from opsbot.app.exposition import Family, exposition

SERIES = re.compile(r'(?P<name>[a-z_]+)(?:\{(?P<labels>(?:[a-z_]+="(?:\\["\\n]|[^"\\\n])*",?)*)\})? (?P<value>\S+)')
LABEL = re.compile(r'(?P<name>[a-z_]+)="(?P<value>(?:\\["\\n]|[^"\\\n])*)"')
MEANS = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def series_of(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read the format strictly; a line that is none of it fails."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# "):
            continue
        one = SERIES.fullmatch(line)
        assert one, line
        labels = tuple(
            (label["name"], re.sub(r"\\.", lambda escape: MEANS[escape[0]], label["value"]))
            for label in LABEL.finditer(one["labels"] or "")
        )
        assert (one["name"], labels) not in found, line
        found[one["name"], labels] = float(one["value"])
    return found


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_label_comes_through(value: str) -> None:
    family = Family("opsbot_rule_matches_total", "counter", "Matches.")
    family.add(3, rule=value, scene="b")

    assert series_of(exposition([family])) == {("opsbot_rule_matches_total", (("rule", value), ("scene", "b"))): 3}


def test_half_a_surrogate_pair_does_not_void_the_answer() -> None:
    family = Family("a", "gauge", "A.")
    family.add(1, rule="\ud800")

    assert exposition([family]).encode().endswith(b'a{rule="?"} 1\n')


def test_each_family_says_what_it_is() -> None:
    family = Family("opsbot_source_lag_seconds", "gauge", "How late.")
    family.add(1.25, source="bob")

    assert exposition([family]).splitlines() == [
        "# HELP opsbot_source_lag_seconds How late.",
        "# TYPE opsbot_source_lag_seconds gauge",
        'opsbot_source_lag_seconds{source="bob"} 1.25',
    ]


def test_series_with_the_same_labels_are_one() -> None:
    family = Family("a_total", "counter", "A.")
    for _ in range(3):
        family.add(2, rule="x")

    assert series_of(exposition([family])) == {("a_total", (("rule", "x"),)): 6}


def test_family_without_series_is_left_out() -> None:
    assert exposition([Family("a", "gauge", "A.")]) == ""
