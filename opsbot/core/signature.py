"""A method's signature as the schema of a command's arguments."""

import enum
import inspect
import itertools
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from opsbot.core.errors import OperationLoadError, UsageError
from opsbot.core.operation import parse_period

QUOTED_CHARS = 60
"""So much of what somebody typed is repeated in an error."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a command."""

    name: str
    adapter: TypeAdapter[Any]
    shown: str
    required: bool
    is_flag: bool = False
    takes_rest: bool = False
    is_period: bool = False

    def read(self, word: str) -> object:
        """Turn a word into a value.

        Raises:
            ValueError: it is none; pydantic's ValidationError is one.
        """
        return self.adapter.validate_python(parse_period(word) if self.is_period else word)


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments of one command."""

    parameters: tuple[Parameter, ...]

    def usage(self, name: str) -> str:
        """Write the command with its arguments, `<so>` if required and `[so]` if not."""
        return " ".join([name, *(_shown(parameter) for parameter in self.parameters)])

    def bind(self, name: str, words: Sequence[str]) -> tuple[list[object], dict[str, object]]:
        """Read words into positional and named arguments for the method.

        Raises:
            UsageError: something is missing, left over, or of the wrong type; the text names it.
        """
        try:
            return self._bind(words)
        except ValueError as exc:
            raise UsageError(f"{exc}\n{self.usage(name)}") from None

    def _bind(self, words: Sequence[str]) -> tuple[list[object], dict[str, object]]:
        named: dict[str, object] = {}
        plain = self._take_options(list(words), named)
        rest: list[object] = []
        for parameter in self.parameters:
            if parameter.takes_rest:
                rest = [_read(parameter, word) for word in plain]
                plain = []
            elif parameter.name not in named and not parameter.is_flag and plain:
                named[parameter.name] = _read(parameter, plain.pop(0))
            elif parameter.name not in named and parameter.required:
                raise ValueError(f"{parameter.name}: missing")
        if plain:
            raise ValueError(f"{_quoted(plain[0])}: one argument too many")
        if not rest:
            return [], named
        # Python wants what stands before *rest by position; of that, only a flag can be missing when there is a rest.
        before = itertools.takewhile(lambda parameter: not parameter.takes_rest, self.parameters)
        ahead = [named.pop(parameter.name, False) for parameter in before]
        return [*ahead, *rest], named

    def _take_options(self, words: list[str], named: dict[str, object]) -> list[str]:
        options = {
            f"--{parameter.name.replace('_', '-')}": parameter for parameter in self.parameters if not parameter.takes_rest
        }
        takes_rest = any(parameter.takes_rest for parameter in self.parameters)
        plain: list[str] = []
        while words:
            word = words.pop(0)
            key, equals, value = word.partition("=")
            parameter = options.get(key.casefold())
            if word == "--":
                return plain + words
            if parameter is None and word.startswith("--") and not takes_rest:
                raise ValueError(f"{key}: no such option")
            if parameter is None:
                plain.append(word)
            elif parameter.is_flag and equals:
                raise ValueError(f"{key}: takes no value")
            elif parameter.is_flag:
                named[parameter.name] = True
            else:
                named[parameter.name] = _read(parameter, value if equals else _next(words, key))
        return plain


def _next(words: list[str], key: str) -> str:
    if not words:
        raise ValueError(f"{key}: a value is missing")
    return words.pop(0)


def _quoted(word: str) -> str:
    return repr(word if len(word) <= QUOTED_CHARS else f"{word[:QUOTED_CHARS]}…")


def _read(parameter: Parameter, word: str) -> object:
    try:
        return parameter.read(word)
    except ValidationError as exc:
        raise ValueError(f"{parameter.name}: {_quoted(word)}: {exc.errors()[0]['msg']}") from None
    except ValueError as exc:
        raise ValueError(f"{parameter.name}: {exc}") from None


def _shown(parameter: Parameter) -> str:
    if parameter.takes_rest:
        return f"[{parameter.name}…]"
    if parameter.is_flag:
        return f"[--{parameter.name.replace('_', '-')}]"
    return f"<{parameter.shown}>" if parameter.required else f"[{parameter.shown}]"


def signature_of(method: Callable[..., object], where: str) -> Signature:
    """Read the parameters after `self` and `ctx`.

    Raises:
        OperationLoadError: one has no annotation, or a kind or type that cannot be typed in a chat.
    """
    hints = get_type_hints(method, include_extras=True)
    declared = list(inspect.signature(method).parameters.values())
    if len(declared) < 2:  # noqa: PLR2004 - self and ctx
        raise OperationLoadError(f"{where}: a command takes (self, ctx, …)")
    return Signature(tuple(_parameter(parameter, hints, where) for parameter in declared[2:]))


def _parameter(parameter: inspect.Parameter, hints: Mapping[str, Any], where: str) -> Parameter:
    if parameter.name not in hints:
        raise OperationLoadError(f"{where}: parameter {parameter.name!r} has no type; its annotation is the command's schema")
    if parameter.kind is inspect.Parameter.VAR_KEYWORD:
        raise OperationLoadError(f"{where}: **{parameter.name} cannot be typed in a chat; name the arguments")
    annotation = hints[parameter.name]
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    except Exception as exc:  # pydantic raises many kinds for a type it does not know
        raise OperationLoadError(
            f"{where}: parameter {parameter.name!r}: {annotation!r} cannot be read from text: {exc}"
        ) from exc
    bare = _bare(annotation)
    return Parameter(
        name=parameter.name,
        adapter=adapter,
        shown=_choices(bare) or parameter.name,
        required=parameter.default is inspect.Parameter.empty and bare is not bool,
        is_flag=bare is bool,
        takes_rest=parameter.kind is inspect.Parameter.VAR_POSITIONAL,
        is_period=bare is timedelta,
    )


def _bare(annotation: object) -> object:
    """Strip Annotated and Optional, which say nothing about the kind of argument."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _bare(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        inner = [arg for arg in get_args(annotation) if arg is not types.NoneType]
        return _bare(inner[0]) if len(inner) == 1 else annotation
    return annotation


def _choices(annotation: object) -> str:
    if get_origin(annotation) is Literal:
        return "|".join(str(choice) for choice in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return "|".join(str(choice.value) for choice in annotation)
    return ""
