"""The table of nasty cases names all of them, and tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?P<number>\d+) \|.*\| (?P<tests>`[^|]*) \|$", re.MULTILINE)
PAGE = (ROOT / "docs" / "tailing.md").read_text("utf-8")
SECTION = PAGE.partition("\n## The nasty cases\n")[2].partition("\n## ")[0]
ROWS = {int(row["number"]): re.findall(r"`([^`]+)`", row["tests"]) for row in ROW.finditer(SECTION)}


@cache
def names_in(file: Path) -> set[str]:
    return {each.name for each in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(each, FUNCTIONS)}


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def test_every_nasty_case_has_its_row() -> None:
    assert list(ROWS) == list(range(1, 46))


@pytest.mark.parametrize("number", ROWS)
def test_every_nasty_case_names_tests_that_exist(number: int) -> None:
    for named in ROWS[number]:
        path, _, name = named.partition("::")
        file = ROOT / path if "/" in path else ROOT / "tests" / "integration" / path
        assert name in names_in(file), named
