"""`shell_exec`."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from operations.shell_exec import Hole, ShellExec
from opsbot.testing import Harness

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "disk": ("df", "-h"),
    "tail": ("tail", "-n", "{lines:int}", "/var/log/{which:syslog|auth}.log"),
    "greet": ("echo", "--", "{who:str}"),
    "unit": ("systemctl", "status", "{name:str}.service"),
    "ps": ("docker", "ps", "--format", "{{.Names}} {}"),
}


async def test_command_runs_under_its_name_and_streams(harness: Harness) -> None:
    bot = harness(ShellExec(commands=COMMANDS))
    bot.runs("df", "-h").prints("Filesystem", "/dev/sda1 82%")

    assert await bot.says("disk") == ["Filesystem", "/dev/sda1 82%"]


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("tail 50 syslog", ("tail", "-n", "50", "/var/log/syslog.log")),
        ("Tail ５０ auth", ("tail", "-n", "50", "/var/log/auth.log")),
        ("shell_exec tail 007 auth", ("tail", "-n", "7", "/var/log/auth.log")),
        ('greet "a  b; rm -rf /"', ("echo", "--", "a  b; rm -rf /")),
        ("greet $(id)", ("echo", "--", "$(id)")),
        ("greet {lines:int}", ("echo", "--", "{lines:int}")),
        ("unit ssh", ("systemctl", "status", "ssh.service")),
        ("ps", ("docker", "ps", "--format", "{{.Names}} {}")),
    ],
)
async def test_holes_are_filled_and_all_else_stands_as_it_is(harness: Harness, text: str, argv: tuple[str, ...]) -> None:
    bot = harness(ShellExec(commands=COMMANDS))
    bot.runs(*argv).prints("ok")

    assert await bot.says(text) == ["ok"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("tail x syslog", "lines: 'x' is no int\ntail <lines> <syslog|auth>"),
        ("tail -5 syslog", "lines: '-5' is no int\ntail <lines> <syslog|auth>"),
        ("tail 5 kern", "which: 'kern' is no syslog|auth\ntail <lines> <syslog|auth>"),
        ("tail 5", "2 arguments, please, not 1\ntail <lines> <syslog|auth>"),
        ("disk /", "0 arguments, please, not 1\ndisk"),
        ("greet --help", "who: '--help' is no str\ngreet <who>"),
        ("unit ../../etc/x", "name: '../../etc/x' is no str\nunit <name>"),
    ],
)
async def test_what_does_not_fit_is_refused_with_the_usage(harness: Harness, text: str, answer: str) -> None:
    bot = harness(ShellExec(commands=COMMANDS))

    assert await bot.says(text) == [answer]


async def test_exit_status_is_shown(harness: Harness) -> None:
    bot = harness(ShellExec(commands=COMMANDS))
    bot.runs("df", "-h").prints("broken").exits(3)

    assert await bot.says("disk") == ["broken", "exit 3"]


async def test_only_named_commands_are_understood(harness: Harness) -> None:
    bot = harness(ShellExec(commands=COMMANDS))

    assert (bot.understands("shell_exec rm -rf /"), bot.understands("rm")) == (None, None)


async def test_commands_are_write_unless_said_to_only_read(harness: Harness) -> None:
    bot = harness(ShellExec(commands=COMMANDS, read_only=("disk",)), grants={"everyone": ["*"], "guest": []})

    assert (bot.understands("disk", role="guest"), bot.understands("ps", role="guest")) == ("shell_exec disk", None)


async def test_single_commands_can_be_granted(harness: Harness) -> None:
    bot = harness(ShellExec(commands=COMMANDS), grants={"oncall": ["ps"]})

    assert (bot.understands("ps", role="oncall"), bot.understands("disk", role="oncall")) == ("shell_exec ps", None)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"commands": {}}, "at least 1"),
        ({"commands": {"x": []}}, "at least 1"),
        ({"commands": {"x": [""]}}, "program itself must be fixed"),
        ({"commands": {"x": ["{program:str}", "-h"]}}, "program itself must be fixed"),
        ({"commands": {"x": ["ls", "{lines}"]}}, r"\{lines\} has no type; write \{NAME:int\}"),
        ({"commands": {"x": ["ls", "{lines:number}"]}}, "'number' is no type; write int, str or a|b"),
        ({"commands": {"x": ["ls", "{lines:a||b}"]}}, "is no type"),
        ({"commands": {"x": ["ls", "{lines:}"]}}, "is no type"),
        ({"commands": {"x": ["ls", "{a:int}", "{a:str}"]}}, "a has two types: int and str"),
        ({"commands": {"x": ["ls"]}, "read_only": ["y"]}, "'y' is none of the commands: x"),
        ({"commands": {"x": ["ls"]}, "free_form": True}, "second factor, which this version does not have"),
        ({"commands": {"x": ["ls"]}, "shell": True}, "shell"),
    ],
)
def test_wrong_settings_say_what_is_wrong(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ShellExec(**settings)


@given(st.text())
def test_text_for_a_hole_never_becomes_an_option_or_a_second_line(word: str) -> None:
    fitting = Hole("x", "str", is_whole=True).fit(word)

    assert fitting is None or (fitting == word and not word.startswith("-") and word.isprintable())


@given(st.text())
def test_number_for_a_hole_is_digits_only(word: str) -> None:
    fitting = Hole("x", "int", is_whole=True).fit(word)

    assert fitting is None or (fitting.isascii() and fitting.isdigit() and int(fitting) == int(word))
