"""Rules that somebody wrote into a file, and what is said about wrong ones."""

from pathlib import Path

import pytest

from opsbot.app.rule_file import rules_of
from opsbot.core.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rules.txt", "fine\n\n(\n", "{}:3: '(': no regular expression: "),
        ("rules.yaml", "a: fine\nb: '('\n", "{}:2: '(': no regular expression: "),
        ("rules.yml", "- a\n", "{}:1: rules: no mapping"),
        ("rules.yaml", "a: [b]\n", "{}:1: rules: no name with a regular expression"),
        ("rules.yaml", "a: [\n", "{}:2: rules: "),
        ("rules.yaml", "a: x\na: y\n", "{}:2: a: a second rule of this name"),
        ("rules.yaml", "", "{}:1: rules: there is none"),
        ("rules.txt", "\n", "{}:1: rules: there is none"),
        ("rules.txt", "a\n\udcff\n", "{}:2: rules: no UTF-8"),
    ],
)
def test_wrong_rule_is_named_with_file_and_line(tmp_path: Path, name: str, content: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(content, "utf-8", "surrogateescape")
    with pytest.raises(ConfigError) as refused:
        rules_of([], [path])

    assert str(refused.value).startswith(said.format(path))


def test_everything_that_is_wrong_is_listed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "rules.txt"
    path.write_text("(\nfine\n*\n")
    with pytest.raises(ConfigError) as refused:
        rules_of(["+"], [path])

    assert [(problem.file, problem.line) for problem in refused.value.problems] == [("-e", 1), (str(path), 1), (str(path), 3)]


def test_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        rules_of([], [tmp_path / "none.txt"])


def test_only_blank_lines_are_special(tmp_path: Path) -> None:
    path = tmp_path / "rules.txt"
    path.write_bytes("\ufeff# no comment\r\n\r\n  \n a b \nx\x0by\u2028z".encode())

    assert [rule.pattern for rule in rules_of([], [path])] == ["# no comment", " a b ", "x\x0by\u2028z"]


def test_names_and_texts_of_a_yaml_file_are_taken_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("no: 404\nscan: '扫码'\n", "utf-8")

    assert [(rule.name, rule.pattern) for rule in rules_of([], [path])] == [("no", "404"), ("scan", "扫码")]
