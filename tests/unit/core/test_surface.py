"""What a class of operations offers, and what is refused when it is loaded."""

# ruff: noqa: ARG002 - a hook takes what the surface says, whether it needs it or not

from collections.abc import Iterable
from typing import Any

import pytest
from pydantic import ValidationError

from opsbot.core.context import Context
from opsbot.core.errors import OperationLoadError
from opsbot.core.log import LogEvent, Rule
from opsbot.core.operation import NamedCommand, Operation, Risk, command, every, parse_period, prefix
from opsbot.core.surface import surface_of, with_named


class Good(Operation):
    """Good."""

    name: str = "x"

    def rules(self) -> Iterable[Rule]:
        return [Rule("a")]

    async def on_log(self, ctx: Context, event: LogEvent) -> None: ...

    @command("Tail", aliases=("尾",), risk=Risk.READ)
    async def tail(self, ctx: Context, lines: int = 10) -> str:
        """Show the end.

        As much of it as is asked for.
        """
        return ""

    @prefix("#")
    async def ask(self, ctx: Context, line: str) -> str:
        """Ask."""
        return ""

    @every("5m")
    async def look(self, ctx: Context) -> None: ...


def test_commands_are_found_by_folded_name_and_alias() -> None:
    surface = surface_of(Good)

    assert {name: spec.method for name, spec in surface.commands.items()} == {"tail": "tail", "尾": "tail"}


def test_docstring_is_the_help() -> None:
    spec = surface_of(Good).commands["tail"]

    assert (spec.summary, spec.details, spec.usage) == ("Show the end.", "As much of it as is asked for.", "Tail [lines]")


def test_hooks_prefixes_and_periods_are_found() -> None:
    surface = surface_of(Good)

    assert (set(surface.hooks), list(surface.prefixes), dict(surface.periodic)) == (
        {"on_log"},
        ["#"],
        {"look": parse_period("5m")},
    )


def test_each_command_is_listed_once() -> None:
    assert [spec.mark.name for spec in surface_of(Good).specs] == ["Tail"]


@pytest.mark.parametrize("settings", [{"name": []}, {"other": 1}])
def test_settings_are_validated_and_unknown_ones_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Good(**settings)


def test_operation_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Good().name = "y"  # type: ignore[misc]


class LogWithoutRules(Operation):
    """Bad."""

    async def on_log(self, ctx: Context, event: LogEvent) -> None: ...


class RulesWithoutLog(Operation):
    """Bad."""

    def rules(self) -> Iterable[Rule]:
        return ()


class NotAsync(Operation):
    """Bad."""

    def on_start(self, ctx: Context) -> None: ...  # type: ignore[override]


class WrongParameters(Operation):
    """Bad."""

    async def on_timer(self, ctx: Context) -> None: ...  # type: ignore[override]


class NoHelp(Operation):
    """Bad."""

    @command("x")
    async def x(self, ctx: Context) -> str:
        return ""


class CommandNotAsync(Operation):
    """Bad."""

    @command("x")
    def x(self, ctx: Context) -> str:
        """Do."""
        return ""


class Twice(Operation):
    """Bad."""

    @command("x")
    async def x(self, ctx: Context) -> str:
        """Do."""
        return ""

    @command("y", aliases=("Ｘ。",))
    async def y(self, ctx: Context) -> str:
        """Do."""
        return ""


class TwoWords(Operation):
    """Bad."""

    @command("x y")
    async def x(self, ctx: Context) -> str:
        """Do."""
        return ""


class NoName(Operation):
    """Bad."""

    @command("。")
    async def x(self, ctx: Context) -> str:
        """Do."""
        return ""


@pytest.mark.parametrize(
    ("cls", "reason"),
    [
        (LogWithoutRules, "on_log and rules"),
        (RulesWithoutLog, "on_log and rules"),
        (NotAsync, "NotAsync.on_start: write `async def`"),
        (WrongParameters, "WrongParameters.on_timer: takes self, ctx, key"),
        (NoHelp, "NoHelp.x: the docstring is the command's help"),
        (CommandNotAsync, "CommandNotAsync.x: write `async def`"),
        (Twice, "Twice.y: the name 'Ｘ。' is taken by x"),
        (TwoWords, "'x y' is no name of a command"),
        (NoName, "'。' is no name of a command"),
    ],
)
def test_wrong_class_is_refused_with_the_reason(cls: type[Operation], reason: str) -> None:
    with pytest.raises(OperationLoadError, match=reason):
        surface_of(cls)


def test_commands_of_the_settings_join_those_of_the_class() -> None:
    surface = with_named(surface_of(Good), [NamedCommand("Disk", "Disk", "df -h", Risk.READ)], "here")

    spec = surface.commands["disk"]
    assert (spec.method, spec.mark.risk, spec.summary) == ("on_command", Risk.READ, "df -h")


@pytest.mark.parametrize("name", ["tail", "尾", "TAIL!", "two words", ""])
def test_command_of_the_settings_needs_a_free_name(name: str) -> None:
    with pytest.raises(OperationLoadError, match="here"):
        with_named(surface_of(Good), [NamedCommand(name, name, "")], "here")


@pytest.mark.parametrize("text", ["", "5", "m", "5x", "-5m", "0s", "1e400d", "five m"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="period"):
        parse_period(text)
