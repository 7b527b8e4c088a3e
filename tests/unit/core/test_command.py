"""Which command a line means."""

# ruff: noqa: ARG002 - a hook takes what the surface says, whether it needs it or not

from collections.abc import Mapping

import pytest

from opsbot.core.command import Ambiguous, Command, resolve
from opsbot.core.context import Context
from opsbot.core.operation import Operation, command, prefix
from opsbot.core.scene import Scene
from opsbot.core.surface import CommandSpec, surface_of


class Restart(Operation):
    """Restart."""

    @command("restart", aliases=("重启", "bounce"))
    async def restart(self, ctx: Context, name: str = "") -> str:
        """Restart."""
        return ""


class Database(Operation):
    """Much."""

    @command("backup")
    async def backup(self, ctx: Context) -> str:
        """Back up."""
        return ""

    @command("status")
    async def status(self, ctx: Context) -> str:
        """Say."""
        return ""

    @prefix("#")
    async def ask(self, ctx: Context, line: str) -> str:
        """Ask."""
        return ""


class Anything(Operation):
    """Take all."""

    async def on_command(self, ctx: Context, words: tuple[str, ...]) -> str:
        return ""


class Status(Operation):
    """Built in."""

    @command("status")
    async def status(self, ctx: Context) -> str:
        """Say."""
        return ""


def scene(name: str, operation: Operation) -> Scene:
    return Scene(name=name, operation=operation, surface=surface_of(type(operation)))


SCENES = {
    one.name: one
    for one in (
        scene("restart_bob", Restart()),
        scene("restart_eve", Restart()),
        scene("db", Database()),
        scene("any", Anything()),
        scene("重启机器", Restart()),
        scene("status", Status()),
    )
}


def shown(
    text: str, *, without: tuple[str, ...] = (), scenes: Mapping[str, Scene] = SCENES
) -> tuple[str, str, tuple[str, ...], str] | tuple[str, ...] | None:
    def may_run(one: Scene, spec: CommandSpec) -> bool:
        return one.name not in without and f"{one.name} {spec.mark.name}" not in without

    found = resolve(text, scenes, may_run)
    if isinstance(found, Command):
        return found.scene.name, found.spec.mark.name if found.spec else "*", found.words, found.raw
    return found.choices if isinstance(found, Ambiguous) else None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("backup", ("db", "backup", (), "")),
        ("Backup!", ("db", "backup", (), "")),
        ("db backup --full", ("db", "backup", ("--full",), "")),
        ("ＤＢ　ｂａｃｋｕｐ。 x", ("db", "backup", ("x",), "")),
        ("restart_bob restart", ("restart_bob", "restart", (), "")),
        ("restart_bob 重启 now", ("restart_bob", "restart", ("now",), "")),
        ("重启机器 bounce", ("重启机器", "restart", (), "")),
        ("any thing at all", ("any", "*", ("thing", "at", "all"), "")),
        ("# what is up? ", ("db", "#", (), "# what is up?")),
        ("status", ("db", "status", (), "")),
        ("status status", ("status", "status", (), "")),
        ("db status", ("db", "status", (), "")),
        ("「x」\n- - - - - - - - - - - - - - -\nbackup", ("db", "backup", (), "")),
    ],
)
def test_line_means_a_command(text: str, found: tuple[object, ...]) -> None:
    assert shown(text) == found


@pytest.mark.parametrize("text", ["", "  ", "nothing", "db", "any", "restart_bob", "restart_bob nothing", "db restart", "。"])
def test_line_means_no_command(text: str) -> None:
    assert shown(text) is None


def test_bare_command_of_several_scenes_gives_the_full_ways_to_say_it() -> None:
    assert shown("restart now") == ("restart_bob restart now", "restart_eve restart now", "重启机器 restart now")


def test_scenes_somebody_may_not_use_make_nothing_ambiguous() -> None:
    assert shown("restart", without=("restart_eve", "重启机器")) == ("restart_bob", "restart", (), "")


@pytest.mark.parametrize("text", ["restart_bob restart", "backup", "db backup", "any thing", "# x"])
def test_what_somebody_may_not_run_does_not_exist_for_them(text: str) -> None:
    assert shown(text, without=tuple(SCENES)) is None


def test_configured_command_wins_over_a_built_in_one() -> None:
    assert shown("status", without=("db status",)) == ("status", "status", (), "")


def test_single_forbidden_command_falls_back_to_nothing_else_of_its_scene() -> None:
    assert shown("db backup", without=("db backup",)) is None
