"""From pydantic's errors to the plain words an operator reads."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from typing import cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from opsbot.config.channel import KINDS
from opsbot.config.document import Document, KeyPath
from opsbot.config.model import Configuration, LogSettings, NotificationSettings
from opsbot.config.people import GrantSettings, PersonSettings, RoleSettings
from opsbot.config.refusal import REFUSED, did_you_mean
from opsbot.config.scene import SceneSettings
from opsbot.config.source import SourceSettings, StartSettings
from opsbot.core.errors import Problem

_MODELS: dict[tuple[str, ...], type[BaseModel]] = {
    (): Configuration,
    ("log",): LogSettings,
    ("notifications",): NotificationSettings,
    ("people", "*"): PersonSettings,
    ("roles", "*"): RoleSettings,
    ("roles", "*", "grants", "*"): GrantSettings,
    ("sources", "*"): SourceSettings,
    ("sources", "*", "multiline"): StartSettings,
    ("operations", "*"): SceneSettings,
}
_UNKNOWN_KEY = {"extra_forbidden", "unexpected_keyword_argument"}
_NO_KIND = {"union_tag_invalid", "union_tag_not_found"}
_MISSING = {"missing", "missing_argument", "missing_keyword_only_argument"}
_MUST_BE = {
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "list_type": "a list",
    "tuple_type": "a list",
    "iterable_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
}
_BOUNDS = {
    "greater_than": ("is too small", "more than {gt}"),
    "greater_than_equal": ("is too small", "{ge} or more"),
    "less_than": ("is too large", "less than {lt}"),
    "less_than_equal": ("is too large", "{le} or less"),
    "too_short": ("has too few entries", "{min_length} or more"),
    "too_long": ("has too many entries", "{max_length} or fewer"),
    "string_too_short": ("is too short", "{min_length} characters or more"),
    "string_too_long": ("is too long", "{max_length} characters or fewer"),
    "string_pattern_mismatch": ("does not have the right form", "text that matches {pattern}"),
}
_SHAPES = {"a mapping": "KEY: value lines below it", "a list": "[ONE, TWO]"}


def configuration_problems(document: Document, error: ValidationError) -> list[Problem]:
    """Say in plain words what does not fit the models."""
    problems = []
    for detail in error.errors(include_url=False):
        path = _path_in(document, detail["loc"], detail["type"])
        if detail["type"] in _NO_KIND:
            path = (*path, "kind")
        if path not in document.broken or detail["type"] in _UNKNOWN_KEY:
            model = _model_of(document, path[:-1])
            problems.append(document.problem(path, *_words(detail, path, _keys_of(model))))
    return problems


def operation_problems(document: Document, scene: str, error: ValidationError, keys: Collection[str] = ()) -> list[Problem]:
    """Say in plain words what an operation's class has against its settings.

    `keys` are the settings that the class has: with them an unknown one gets "did you mean", opsbot's own keys included.
    """
    problems = []
    every_key = [*keys, *SceneSettings.model_fields]
    for detail in error.errors(include_url=False):
        path = _path_in(document, ("operations", scene, *detail["loc"]), detail["type"])
        known = dict.fromkeys(every_key if keys and len(path) == 3 else (), "")  # noqa: PLR2004 operations, scene, key
        reason, allowed = _words(detail, path, known)
        problems.append(document.problem(path, document.masked(reason), document.masked(allowed)))
    return problems


def _path_in(document: Document, loc: Sequence[str | int], error_type: str) -> KeyPath:
    """Keep of pydantic's location what is in the file; it also names members of unions, and `[key]`."""
    path: KeyPath = ()
    for position, step in enumerate(loc):
        is_missing = error_type in _MISSING and position == len(loc) - 1
        if is_missing or document.has(*path, step):
            path = (*path, step)
    return path


def _model_of(document: Document, parent: KeyPath) -> type[BaseModel] | None:
    if len(parent) == 2 and parent[0] == "channels":  # noqa: PLR2004 channels, name
        channels = cast("Mapping[str, Mapping[str, object]]", document.values["channels"])
        return KINDS.get(str(channels[str(parent[1])].get("kind")))
    return next((model for form, model in _MODELS.items() if _fits(parent, form)), None)


def _fits(path: KeyPath, form: tuple[str, ...]) -> bool:
    return len(path) == len(form) and all(wanted in ("*", step) for step, wanted in zip(path, form, strict=True))


def _keys_of(model: type[BaseModel] | None) -> dict[str, str]:
    """Give the keys of a part of the configuration, each with its description."""
    fields = model.model_fields if model else {}
    return {info.alias or name: info.description or "" for name, info in fields.items()}


def _words(detail: ErrorDetails, path: KeyPath, keys: Mapping[str, str]) -> tuple[str, str]:
    kind, context, last = detail["type"], detail.get("ctx", {}), str(path[-1]) if path else ""
    if kind == REFUSED:
        return context["reason"], context["allowed"]
    if kind in _UNKNOWN_KEY:
        return _unknown_key(last, keys)
    if kind in _MISSING:
        return "is missing", keys.get(last, "")
    if kind in _MUST_BE:
        return f"must be {_MUST_BE[kind]}, not {_kind_of(detail['input'])}", _mend(_MUST_BE[kind], detail["input"])
    if kind in _BOUNDS:
        reason, allowed = _BOUNDS[kind]
        return reason, allowed.format(**{name: _number(bound) for name, bound in context.items()})
    return _choice(detail) or (_own_words(detail), "")


def _unknown_key(last: str, keys: Mapping[str, str]) -> tuple[str, str]:
    nearest = get_close_matches(last, keys, n=1, cutoff=0.7)
    return f"unknown key{did_you_mean(nearest)}", ", ".join(keys)


def _choice(detail: ErrorDetails) -> tuple[str, str] | None:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "literal_error" | "enum":
            return "has a value that is not allowed", context["expected"].replace("'", "")
        case "union_tag_invalid":
            return "is no kind of channel", ", ".join(KINDS)
        case "union_tag_not_found":
            return "is missing", ", ".join(KINDS)
    return None


def _own_words(detail: ErrorDetails) -> str:
    """Give what a validator said (of an operation, perhaps), or pydantic itself."""
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return " ".join(message.split()) or "is not allowed"


def _kind_of(value: object) -> str:
    names: dict[type, str] = {
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a mapping",
    }
    if value is None:
        return "empty"
    return "a date" if isinstance(value, date) else names.get(type(value), "this")


def _number(bound: object) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _mend(wanted: str, value: object) -> str:
    if wanted == "text" and isinstance(value, (bool, int, float, date)):
        return "put it in quotes"
    return _SHAPES.get(wanted, "")
