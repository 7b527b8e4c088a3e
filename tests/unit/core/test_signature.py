"""Words become arguments."""

# ruff: noqa: FBT001, FBT002 - the signatures are the test

import enum
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from opsbot.core.errors import OperationLoadError, UsageError
from opsbot.core.signature import signature_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


async def nothing(self: object, ctx: object) -> None: ...
async def required(self: object, ctx: object, name: str, count: int) -> None: ...
async def optional(self: object, ctx: object, name: str = "bob", count: int | None = None) -> None: ...
async def flags(self: object, ctx: object, path: Path, full: bool = False, dry_run: bool = False) -> None: ...
async def choices(self: object, ctx: object, switch: Literal["on", "off"], colour: Colour = Colour.RED) -> None: ...
async def period(self: object, ctx: object, delay: timedelta, again: timedelta | None = None) -> None: ...
async def patterned(self: object, ctx: object, name: Annotated[str, Field(pattern="^[a-z]+$")]) -> None: ...
async def rest(self: object, ctx: object, first: str, *more: str) -> None: ...
async def numbers(self: object, ctx: object, *more: int) -> None: ...
async def flag_and_rest(self: object, ctx: object, loud: bool = False, *more: str) -> None: ...
async def rest_and_named(self: object, ctx: object, *more: str, times: int = 1, loud: bool = False) -> None: ...


Bound = tuple[list[object], dict[str, object]]


@pytest.mark.parametrize(
    ("method", "words", "bound"),
    [
        (nothing, [], ([], {})),
        (required, ["a", "3"], ([], {"name": "a", "count": 3})),
        (required, ["--count", "3", "a"], ([], {"name": "a", "count": 3})),
        (required, ["--COUNT=3", "a"], ([], {"name": "a", "count": 3})),
        (required, ["--", "--a", "3"], ([], {"name": "--a", "count": 3})),
        (required, ["a", "-3"], ([], {"name": "a", "count": -3})),
        (optional, [], ([], {})),
        (optional, ["x"], ([], {"name": "x"})),
        (optional, ["--count", "2"], ([], {"count": 2})),
        (optional, ["--name=", "2"], ([], {"name": "", "count": 2})),
        (flags, ["/tmp/x"], ([], {"path": Path("/tmp/x")})),
        (flags, ["--full", "/tmp/x", "--dry-run"], ([], {"path": Path("/tmp/x"), "full": True, "dry_run": True})),
        (choices, ["on", "blue"], ([], {"switch": "on", "colour": Colour.BLUE})),
        (period, ["90s", "1d"], ([], {"delay": timedelta(seconds=90), "again": timedelta(days=1)})),
        (patterned, ["abc"], ([], {"name": "abc"})),
        (rest, ["a"], ([], {"first": "a"})),
        (rest, ["a", "b", "c"], (["a", "b", "c"], {})),
        (rest, ["--first", "a", "b"], (["a", "b"], {})),
        (rest, ["a", "--unknown", "c"], (["a", "--unknown", "c"], {})),
        (rest, ["a", "--", "--first"], (["a", "--first"], {})),
        (numbers, ["1", "2"], ([1, 2], {})),
        (numbers, [], ([], {})),
        (flag_and_rest, ["a", "b"], ([False, "a", "b"], {})),
        (flag_and_rest, ["--loud", "a"], ([True, "a"], {})),
        (flag_and_rest, ["--loud"], ([], {"loud": True})),
        (rest_and_named, ["a", "--times", "2", "b"], (["a", "b"], {"times": 2})),
        (rest_and_named, ["a", "--loud"], (["a"], {"loud": True})),
    ],
)
def test_words_are_bound(method: Callable[..., object], words: Sequence[str], bound: Bound) -> None:
    assert signature_of(method, "here").bind("x", words) == bound


@pytest.mark.parametrize(
    ("method", "words", "reason", "usage"),
    [
        (nothing, ["x"], "'x': one argument too many", "x"),
        (required, [], "name: missing", "x <name> <count>"),
        (required, ["a"], "count: missing", "x <name> <count>"),
        (required, ["a", "b"], "count: 'b': Input should be a valid integer", "x <name> <count>"),
        (required, ["a", "1", "2"], "'2': one argument too many", "x <name> <count>"),
        (required, ["a", "1", "--what"], "--what: no such option", "x <name> <count>"),
        (required, ["a", "--count"], "--count: a value is missing", "x <name> <count>"),
        (flags, ["a", "--full=no"], "--full: takes no value", "x <path> [--full] [--dry-run]"),
        (choices, ["maybe"], "switch: 'maybe': Input should be 'on' or 'off'", "x <on|off> [red|blue]"),
        (period, ["5"], "delay: '5' is no period", "x <delay> [again]"),
        (period, ["-5m"], "delay: '-5m' is not a positive period", "x <delay> [again]"),
        (patterned, ["A"], "name: 'A': String should match pattern", "x <name>"),
        (rest, [], "first: missing", "x <first> [more…]"),
        (numbers, ["1", "b"], "more: 'b': Input should be a valid integer", "x [more…]"),
    ],
)
def test_what_does_not_fit_names_the_argument_and_shows_the_usage(
    method: Callable[..., object], words: Sequence[str], reason: str, usage: str
) -> None:
    with pytest.raises(UsageError) as caught:
        signature_of(method, "here").bind("x", words)

    first, last = str(caught.value).rsplit("\n", 1)
    assert (first.startswith(reason), last) == (True, usage)


async def no_type(self: object, ctx: object, name) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
async def any_named(self: object, ctx: object, **names: str) -> None: ...
async def odd_type(self: object, ctx: object, name: Callable[..., Any]) -> None: ...
async def no_context(self: object) -> None: ...


class NotReadable:
    pass


async def own_class(self: object, ctx: object, name: NotReadable) -> None: ...


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        (no_type, "here: parameter 'name' has no type"),
        (any_named, r"here: \*\*names cannot be typed in a chat"),
        (own_class, "here: parameter 'name'.*cannot be read from text"),
        (no_context, r"here: a command takes \(self, ctx"),
    ],
)
def test_parameter_that_cannot_be_typed_is_refused_at_load(method: Callable[..., object], reason: str) -> None:
    with pytest.raises(OperationLoadError, match=reason):
        signature_of(method, "here")


@given(st.lists(st.text()))
def test_any_words_are_bound_or_refused_with_the_usage(words: list[str]) -> None:
    signature = signature_of(flags, "here")
    refusal = ""
    positional: list[object] = []
    try:
        positional, _ = signature.bind("x", words)
    except UsageError as exc:
        refusal = str(exc)

    assert positional == []
    assert refusal == "" or refusal.endswith(signature.usage("x"))
