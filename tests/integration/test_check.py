"""`opsbot check` lists everything that is wrong with a file at once, wherever it is wrong."""

from pathlib import Path

from click.testing import CliRunner

from opsbot.cli.check import check
from opsbot.core.errors import ConfigError

WRONG = """
name: alice
channels:
  page: {kind: local, listn: 127.0.0.1:8124}
people:
  archy: {roles: [ownr], ids: {page: archy}}
operations:
  errors: {use: log_alert, patterns: ['('], severty: urgent}
  shell: {use: shell_exec, commands: {tail: [tail, "{n:integer}"]}}
  x: {use: log_alart}
"""


def test_problems_of_the_document_and_of_the_operations_are_listed_together(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(WRONG)

    outcome = CliRunner().invoke(check, ["-c", str(file)])

    assert isinstance(outcome.exception, ConfigError)
    found = [(problem.line, problem.key) for problem in outcome.exception.problems]
    assert found == [
        (4, "channels.page.listn"),
        (6, "people.archy.roles[0]"),
        (8, "operations.errors.patterns"),
        (8, "operations.errors.patterns[0]"),
        (8, "operations.errors.severty"),
        (9, "operations.shell"),
        (10, "operations.x.use"),
    ]


def test_folder_of_operations_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("name: a\nchannels: {page: {kind: local}}\noperation_dirs: [nowhere]\n")

    outcome = CliRunner().invoke(check, ["-c", str(file)])

    assert isinstance(outcome.exception, ConfigError)
    assert [problem.key for problem in outcome.exception.problems] == ["operation_dirs[0]"]


def test_right_file_is_all_right(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("name: a\nchannels: {page: {kind: local}}\n")

    outcome = CliRunner().invoke(check, ["-c", str(file)])

    assert (outcome.exit_code, outcome.output) == (0, f"{file}: all right\n")
