"""`help`."""

import pytest

from operations.help import Help
from operations.pm2_restart import Pm2Restart
from operations.shell_exec import ShellExec
from opsbot.testing import Bot, Harness

RESTART = "Restart the process, show what PM2 says, and watch for some seconds whether it stays up."
HELP = "help [scene] [name]: List what you may run, or explain a scene or a command."
MORE = "More: help SCENE COMMAND"


@pytest.fixture
def bot(harness: Harness) -> Bot:
    return harness(
        Help(),
        also={
            "bob": Pm2Restart(process="bob"),
            "eve": Pm2Restart(process="eve"),
            "shell": ShellExec(commands={"disk": ("df", "-h")}),
        },
        grants={"oncall": ["bob restart"], "guest": [], "everyone": ["shell *"]},
    )


async def lines(bot: Bot, text: str, by: str = "owner") -> list[str]:
    return "\n".join(str(output) for output in await bot.says(text, by=by)).splitlines()


@pytest.mark.parametrize("text", ["help", "帮助", "Ｈelp。"])
async def test_help_lists_every_command_and_the_scene_where_it_is_needed(bot: Bot, text: str) -> None:
    assert await lines(bot, text) == [
        HELP,
        f"bob restart [name]: {RESTART}",
        f"eve restart [name]: {RESTART}",
        "disk: df -h",
        MORE,
    ]


async def test_help_lists_only_what_the_asker_may_run(bot: Bot) -> None:
    assert await lines(bot, "help", by="oncall") == [HELP, f"restart [name]: {RESTART}", MORE]


async def test_person_without_a_grant_gets_no_help(harness: Harness) -> None:
    bot = harness(Help(), also={"bob": Pm2Restart(process="bob")}, grants={"guest": []})

    assert await lines(bot, "help", by="guest") == []


async def test_stranger_gets_no_help(harness: Harness) -> None:
    bot = harness(Help(), also={"bob": Pm2Restart(process="bob")}, grants={"oncall": ["bob *"]})

    assert await lines(bot, "help", by="mallory") == []


@pytest.mark.parametrize("text", ["help bob", "help BOB。", "help bob restart", "help bob 重启"])
async def test_single_command_is_explained_with_its_aliases(bot: Bot, text: str) -> None:
    assert await lines(bot, text) == ["bob restart [name]", RESTART, "Also: 重启"]


async def test_word_that_is_no_scene_is_taken_for_a_command(bot: Bot) -> None:
    assert await lines(bot, "help restart", by="oncall") == ["bob restart [name]", RESTART, "Also: 重启"]


async def test_details_are_part_of_the_explanation(bot: Bot) -> None:
    assert (await lines(bot, "help help help"))[2] == (
        "help: everything. help SCENE: the commands of one scene. help SCENE COMMAND: one command with all its details."
    )


@pytest.mark.parametrize("text", ["help nothing", "help bob nothing"])
async def test_what_is_not_there_is_named(bot: Bot, text: str) -> None:
    assert await lines(bot, text) == [f"Nothing is called {text.removeprefix('help ')}"]


async def test_what_may_not_be_run_looks_like_what_is_not_there(bot: Bot) -> None:
    assert await lines(bot, "help eve restart", by="oncall") == ["Nothing is called eve restart"]


async def test_own_words_are_chinese_where_the_daemon_is(harness: Harness) -> None:
    bot = harness(Help(), language="zh")

    assert (await lines(bot, "帮助"))[-1] == "详情：help 场景 命令"
