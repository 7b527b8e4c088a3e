"""From YAML nodes to plain values, keeping the line of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import yaml
from pydantic_core import PydanticCustomError
from yaml.constructor import SafeConstructor

from opsbot.config.document import KeyPath
from opsbot.config.refusal import words_of
from opsbot.config.secret import expand

MAX_DEPTH = 32
MAX_VALUES = 20_000
"""Far more than anybody writes; an alias inside an alias can mean billions."""

_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = {_TAG + "str", _TAG + "value", _TAG + "merge"}
_MERGE = _TAG + "merge"
_OTHER_TAG = ("has a YAML tag that means nothing here", "no !tag; quote a text that begins with !")
_CONSTRUCTORS: dict[str, Callable[[yaml.ScalarNode], object]] = {
    _TAG + "null": SafeConstructor().construct_yaml_null,
    _TAG + "bool": SafeConstructor().construct_yaml_bool,
    _TAG + "int": SafeConstructor().construct_yaml_int,
    _TAG + "float": SafeConstructor().construct_yaml_float,
    _TAG + "timestamp": SafeConstructor().construct_yaml_timestamp,
}


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with the value at a path, before it has a document to belong to."""

    path: KeyPath
    line: int
    reason: str
    allowed: str = ""


class TooLargeError(Exception):
    """The document stands for more values than a configuration can need."""


@dataclass(slots=True)
class Tree:
    """Walks a composed document once and collects values, lines, secrets and flaws.

    `broken` are the values that are None because of a flaw.
    """

    environ: Mapping[str, str]
    lines: dict[KeyPath, int] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    tainted: set[KeyPath] = field(default_factory=set)
    flaws: list[Flaw] = field(default_factory=list)
    broken: set[KeyPath] = field(default_factory=set)

    def grow(self, node: yaml.Node, path: KeyPath = (), line: int = 1) -> object:
        """Give the plain value of a node.

        Raises:
            TooLargeError: too deep or too many values, as with an alias that contains itself.
        """
        if len(path) > MAX_DEPTH or len(self.lines) > MAX_VALUES:
            raise TooLargeError
        if path:
            self.lines[path] = line
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.grow(item, (*path, position), _line_of(item)) for position, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._broken(path, line, *_OTHER_TAG)
        return None

    def _flawed(self, path: KeyPath, line: int, reason: str, allowed: str = "") -> None:
        self.flaws.append(Flaw(path, line, reason, allowed))

    def _broken(self, path: KeyPath, line: int, reason: str, allowed: str = "") -> None:
        """Note a flaw that leaves no value."""
        self.broken.add(path)
        self._flawed(path, line, reason, allowed)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        inherited: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            line = _line_of(key)
            if key.tag == _MERGE:
                inherited = self._inherited(value, path, line) | inherited
            elif not isinstance(key, yaml.ScalarNode):
                self._flawed(path, line, "a key is no text", "KEY: value")
            elif not key.value.isprintable():
                self._flawed(path, line, "a key holds a control character", "printable text")
            elif key.value in own:
                first = _line_of(own[key.value][0])
                self._flawed((*path, key.value), line, f"stands here twice, first on line {first}", "each key once")
            else:
                own[key.value] = (key, value)
        return {name: self.grow(value, (*path, name), _line_of(key)) for name, (key, value) in {**inherited, **own}.items()}

    def _inherited(self, value: yaml.Node, path: KeyPath, line: int) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Give what `<<: *other` or `<<: [*first, *second]` brings in; the first one wins."""
        found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for base in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if not isinstance(base, yaml.MappingNode) or any(key.tag == _MERGE for key, _ in base.value):
                self._flawed(
                    (*path, "<<"), line, "merges what is no plain mapping", "<<: *NAME of a mapping that merges nothing itself"
                )
                continue
            found = {key.value: (key, item) for key, item in base.value if _is_name(key)} | found
        return found

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> object:
        line = self.lines.get(path, _line_of(node))
        if _is_text(node):
            return self._text(node.value, path, line)
        if node.tag not in _CONSTRUCTORS:
            self._broken(path, line, *_OTHER_TAG)
            return None
        try:
            return _CONSTRUCTORS[node.tag](node)
        except (ValueError, LookupError, ArithmeticError, AttributeError):
            # What PyYAML's constructors raise for `2026-02-31`, `!!int ""` or a number of 5000 digits.
            self._broken(path, line, "is no valid date or number", "quote it if it is meant as text")
            return None

    def _text(self, text: str, path: KeyPath, line: int) -> str | None:
        try:
            text.encode()
            expansion = expand(text, self.environ)
        except UnicodeEncodeError:
            self._broken(path, line, "holds half a character (a lone surrogate)", "whole characters")
            return None
        except PydanticCustomError as refused:
            self._broken(path, line, *words_of(refused))
            return None
        if expansion.values:
            self.secrets |= expansion.values
            self.tainted.add(path)
        return expansion.text


def _line_of(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _is_name(key: yaml.Node) -> bool:
    return isinstance(key, yaml.ScalarNode) and key.value.isprintable()


def _is_text(node: yaml.ScalarNode) -> bool:
    """Say whether a scalar is meant as text; `12:30` is, as in YAML 1.2, and not 750."""
    return node.tag in _TEXT_TAGS or (node.tag in {_TAG + "int", _TAG + "float"} and ":" in node.value)
