"""Rules from a file or from the command line, for `opsbot tail`."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opsbot.core.errors import ConfigError, Problem
from opsbot.core.log import Rule

if TYPE_CHECKING:
    import yaml

YAML = (".yaml", ".yml")
COMMAND_LINE = "-e"

Written = tuple[int, str, str]
"""A rule as somebody wrote it: the line, the name ("" for none), the regular expression."""


def rules_of(expressions: Sequence[str], files: Sequence[Path]) -> tuple[Rule, ...]:
    """Compile the rules of the command line, then those of the files. Blocking.

    Raises:
        ConfigError: with every expression that cannot be compiled, by file and line; those of the command line are counted.
    """
    written = {COMMAND_LINE: [(number, "", pattern) for number, pattern in enumerate(expressions, 1)]}
    for path in files:
        written[str(path)] = _read(path)
    rules: list[Rule] = []
    problems: list[Problem] = []
    for file, of_file in written.items():
        for line, name, pattern in of_file:
            try:
                rules.append(Rule(pattern, name))
            except (re.error, RecursionError, OverflowError) as exc:
                problems.append(Problem(file, line, repr(pattern), f"no regular expression: {exc}"))
    if problems:
        raise ConfigError(*problems)
    return tuple(rules)


def _read(path: Path) -> list[Written]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        raise ConfigError(Problem(str(path), 0, "rules", exc.strerror or str(exc))) from exc
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        raise ConfigError(Problem(str(path), line, "rules", "no UTF-8")) from exc
    written = list(_named(path, text) if path.suffix in YAML else _plain(text))
    if not written:
        raise ConfigError(Problem(str(path), 1, "rules", "there is none", "one regular expression per line"))
    return written


def _plain(text: str) -> Iterator[Written]:
    # Not splitlines: only a newline ends a line here, as in grep; others may be meant.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if line.strip():
            yield number, "", line


def _named(path: Path, text: str) -> Iterator[Written]:
    import yaml  # noqa: PLC0415 most rules come without it

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        reason = getattr(exc, "problem", None) or str(exc)
        raise ConfigError(Problem(str(path), mark.line + 1 if mark else 1, "rules", reason)) from exc
    known: set[str] = set()
    for key, value in _pairs(path, node):
        line = key.start_mark.line + 1
        if not isinstance(value, yaml.ScalarNode) or not isinstance(key, yaml.ScalarNode) or not key.value:
            raise ConfigError(Problem(str(path), line, "rules", "no name with a regular expression", "NAME: 'REGEX'"))
        if key.value in known:
            raise ConfigError(Problem(str(path), line, key.value, "a second rule of this name"))
        known.add(key.value)
        yield line, key.value, value.value


def _pairs(path: Path, node: object) -> "list[tuple[yaml.Node, yaml.Node]]":
    import yaml  # noqa: PLC0415

    if node is None:
        return []
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(Problem(str(path), 1, "rules", "no mapping", "a NAME: 'REGEX' per line"))
    return list(node.value)
