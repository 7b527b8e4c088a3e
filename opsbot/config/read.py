"""From a file on the disk to a Document: YAML, `${ENV}`, `*_file`."""

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic_core import PydanticCustomError

from opsbot.config.channel import SECRET_KEYS
from opsbot.config.document import Document, KeyPath, key_of
from opsbot.config.refusal import words_of
from opsbot.config.scalar import resolve
from opsbot.config.secret import read_file, read_secret_file
from opsbot.config.tree import Flaw, TooLargeError, Tree
from opsbot.core.errors import ConfigError, Problem

MAX_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Reading:
    """A document and what is already known to be wrong with it."""

    document: Document
    problems: tuple[Problem, ...]


def read(path: Path, environ: Mapping[str, str]) -> Reading:
    """Read a configuration file and fetch its secrets.

    Raises:
        ConfigError: there is no such file, it cannot be read, or it is no YAML mapping at all.
    """
    text, mode = _content_of(path)
    tree = Tree(environ)
    values = _values_of(path, text, tree)
    if mode & stat.S_IWOTH:
        tree.flaws.append(Flaw(("file",), 0, "can be changed by anybody on this machine", f"chmod o-w {path}"))
    for parent, mapping, key in list(_secret_places(values)):
        _fetch(tree, path.parent.absolute(), parent, mapping, key)
        _note_literal(tree, (*parent, key), mapping.get(key), is_public=bool(mode & stat.S_IROTH))
    document = Document(
        file=str(path),
        folder=path.parent.absolute(),
        values=values,
        lines=tree.lines,
        secrets=frozenset(tree.secrets),
        tainted=frozenset(tree.tainted),
        broken=frozenset(tree.broken),
    )
    problems = tuple(Problem(str(path), flaw.line, key_of(flaw.path) or "yaml", flaw.reason, flaw.allowed) for flaw in tree.flaws)
    return Reading(document, problems)


def _failure(path: Path, line: int, key: str, reason: str, allowed: str = "") -> ConfigError:
    return ConfigError(Problem(str(path), line, key, reason, allowed))


def _content_of(path: Path) -> tuple[str, int]:
    try:
        content, mode = read_file(path, MAX_BYTES)
    except FileNotFoundError:
        mend = "-c FILE, a copy of config.example.yaml, or `opsbot demo` to look around"
        raise _failure(path, 0, "file", "there is no such file", mend) from None
    except OSError as exc:
        raise _failure(path, 0, "file", f"cannot be read ({exc.strerror})", "a file that opsbot may read") from exc
    except PydanticCustomError as refused:
        raise _failure(path, 0, "file", *words_of(refused)) from None
    try:
        return content.decode("utf-8-sig"), mode
    except UnicodeDecodeError as exc:
        raise _failure(path, content.count(b"\n", 0, exc.start) + 1, "file", "is not UTF-8", "UTF-8 text") from None


def _values_of(path: Path, text: str, tree: Tree) -> dict[str, object]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = {} if node is None else tree.grow(node)
    except yaml.YAMLError as exc:
        raise _failure(path, _line_of_error(exc, text), "yaml", _plain_words(exc)) from None
    except (RecursionError, TooLargeError):
        raise _failure(
            path, 1, "yaml", "is nested too deeply or repeats itself without end", "lists and mappings as in config.example.yaml"
        ) from None
    except (ValueError, LookupError, ArithmeticError):
        # PyYAML lets some of its own slips through: "\U99999999", or a %YAML version of 5000 digits.
        raise _failure(path, 1, "yaml", "holds an escape or a directive that YAML does not have") from None
    if not isinstance(values, dict):
        raise _failure(path, 1, "yaml", "is no mapping", "KEY: value on each line, as in config.example.yaml")
    return values


def _line_of_error(error: yaml.YAMLError, text: str) -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        return int(mark.line) + 1
    return text.count("\n", 0, getattr(error, "position", 0)) + 1


def _plain_words(error: yaml.YAMLError) -> str:
    """Say what YAML says, without the words of the file that it quotes: they may be a secret."""
    if isinstance(error, yaml.reader.ReaderError):
        return "holds a control character"
    parts = [part for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part]
    return re.sub(r"'(?!<)[^' ]{2,}'", "…", ": ".join(parts)) or "is no YAML"


def _secret_places(values: dict[str, object]) -> Iterator[tuple[KeyPath, dict[str, object], str]]:
    """Give every mapping that may hold a secret, and the key it stands under."""
    yield (), values, "pair_key"
    channels = values.get("channels")
    for name, channel in channels.items() if isinstance(channels, dict) else ():
        if isinstance(channel, dict) and (key := SECRET_KEYS.get(str(channel.get("kind")))):
            yield ("channels", name), channel, key


def _fetch(tree: Tree, folder: Path, parent: KeyPath, mapping: dict[str, object], key: str) -> None:
    """Put the content of a `KEY_file` under `KEY`, as if it stood in the configuration."""
    twin = (*parent, f"{key}_file")
    file = mapping.get(f"{key}_file")
    if not isinstance(file, str):
        return
    if key in mapping:
        tree.flaws.append(Flaw(twin, tree.lines[twin], f"stands beside {key}", f"{key} or {key}_file, not both"))
        return
    path = (*parent, key)
    tree.lines[path] = tree.lines[twin]
    tree.tainted.add(path)
    mapping[key] = None
    try:
        mapping[key] = secret = read_secret_file(resolve(folder, file))
        tree.secrets.add(secret)
    except PydanticCustomError as refused:
        tree.flaws.append(Flaw(twin, tree.lines[twin], *words_of(refused)))
        tree.broken.add(path)


def _note_literal(tree: Tree, path: KeyPath, value: object, *, is_public: bool) -> None:
    """Treat a secret that stands in the file itself as one, and refuse it where others can read it."""
    if not isinstance(value, str) or not value:
        return
    tree.secrets.add(value)
    if is_public and path not in tree.tainted:
        reason = "stands in a file that others can read"
        tree.flaws.append(
            Flaw(path, tree.lines[path], reason, f"${{VARIABLE}}, {path[-1]}_file: PATH, or mode 600 for this file")
        )
