"""What an operation's class has against its settings is said like every other problem."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from opsbot.api import Operation, Pattern, ProcessName
from opsbot.config.load import load
from opsbot.config.problem import operation_problems

TEXT = "name: a\nchannels:\n  page: {kind: local}\noperations:\n  x:\n    use: x\n"
KEYS = "process, patterns, limit, use, source, tell, fallback, confirm"


class Watch(Operation):
    """An operation with settings of several types."""

    process: ProcessName
    patterns: tuple[Pattern, ...] = ()
    limit: int | bool = 3


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("    patterns: []\n", ["5: operations.x.process: is missing"]),
        (
            "    process: bob\n    patterns:\n      - fine\n      - '['\n",
            ["10: operations.x.patterns[1]: no regular expression: "],
        ),
        ("    process: -f\n", ["7: operations.x.process: does not have the right form; text that matches "]),
        (
            "    proces: bob\n    process: b\n",
            [f"7: operations.x.proces: unknown key, did you mean process?; {KEYS}"],
        ),
        ("    tel: []\n    process: b\n", [f"7: operations.x.tel: unknown key, did you mean tell?; {KEYS}"]),
        (
            "    process: bob\n    limit: many\n",
            ["8: operations.x.limit: must be a whole number, not text", "8: operations.x.limit: must be true or false, not text"],
        ),
        ("    process: ${SECRET}\n    patterns: ['(?P<${SECRET}>)', ok]\n", ["8: operations.x.patterns[0]: ", "!"]),
    ],
)
def test_each_problem_of_a_setting_has_its_line(tmp_path: Path, own: str, expected: list[str]) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(TEXT + own)
    configuration = load(file, {"SECRET": "zeta secret"})

    with pytest.raises(ValidationError) as caught:
        Watch(**configuration.operations["x"].settings)  # type: ignore[arg-type] # what stands in a file has any type
    problems = operation_problems(configuration.document, "x", caught.value, ("process", "patterns", "limit"))

    found = [str(problem).removeprefix(f"{file}:") for problem in problems]
    if expected[-1] == "!":
        assert "zeta secret" not in "".join(found)
    else:
        assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected
