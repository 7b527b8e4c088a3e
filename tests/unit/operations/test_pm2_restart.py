"""`pm2_restart`, with the lines that pm2 7.0.4 prints."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from operations.pm2_restart import Pm2Restart
from opsbot.testing import Bot, Harness

TABLE = ("┌────┬────────┐", "│ id │ name   │", "└────┴────────┘", "host metrics | cpu: 0%")
SAID = ("[PM2] Applying action restartProcessId on app [3](ids: [ '3' ])", "[PM2] [bob](3) ✓")


def listed(
    name: str = "bob", *, number: int = 3, pid: int = 100, status: str = "online", restarts: int = 0, namespace: str = "default"
) -> dict[str, Any]:
    env = {
        "status": status,
        "restart_time": restarts,
        "unstable_restarts": 0,
        "namespace": namespace,
        "env": {"API_TOKEN": "s3cret-token"},
        "API_TOKEN": "s3cret-token",
    }
    return {"pm_id": number, "name": name, "pid": pid, "pm2_env": env}


def lists(bot: Bot, *processes: dict[str, Any]) -> None:
    """Let the next look at PM2's list show these."""
    bot.runs("pm2", "jlist", "-s").prints(json.dumps(processes))


def restarts(bot: Bot, *numbers: str) -> None:
    bot.runs("pm2", "restart", *(numbers or ("3",))).prints("Use --update-env to update environment variables", *SAID, *TABLE)


async def test_process_that_stays_up_is_said_to_be_online(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob"))
    lists(bot, listed(restarts=4), listed("eve", number=1))
    lists(bot, listed(restarts=5, pid=200))
    restarts(bot)

    assert await bot.says("restart") == [*SAID, "bob: online, pid 200, restart count 5"]


async def test_pm2_is_given_the_number_and_never_the_name(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="all", watch_s=0))
    lists(bot, listed("all", number=7), listed("bob"))
    restarts(bot, "7")

    await bot.says("重启")

    assert [argv for argv in bot.ran if "restart" in argv] == [("pm2", "restart", "7")]


async def test_all_processes_of_the_name_are_restarted(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob", watch_s=0))
    lists(bot, listed(number=3), listed(number=4, pid=101))
    lists(bot, listed(number=3, pid=200, restarts=1), listed(number=4, pid=201, restarts=1))
    restarts(bot, "3", "4")

    assert (await bot.says("restart"))[-1] == "bob: online, pid 200, 201, restart count 2"


async def test_process_is_watched_for_the_configured_time(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob", watch_s=2.5))
    lists(bot, listed())
    lists(bot, listed(restarts=1))
    restarts(bot)

    await bot.says("restart")

    assert bot.ran.count(("pm2", "jlist", "-s")) == 5
    assert bot.clock.monotonic_s() >= 2.5


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (listed(restarts=1), listed(restarts=2)),
        (listed(restarts=3), listed(restarts=3)),
        (listed(restarts=1), listed(restarts=1, status="errored", pid=0)),
        (listed(restarts=1), listed(restarts=1, status="waiting restart", pid=0)),
    ],
    ids=["grows", "grew at once", "given up", "waits"],
)
async def test_process_that_does_not_stay_up_is_said_to_loop(
    harness: Harness, first: dict[str, Any], later: dict[str, Any]
) -> None:
    bot = harness(Pm2Restart(process="bob"))
    lists(bot, listed())
    lists(bot, first)
    lists(bot, later)
    restarts(bot)

    assert "crash-looping" in str((await bot.says("restart"))[-1])


async def test_process_that_was_stopped_is_online_again(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob"))
    lists(bot, listed(status="stopped", pid=0, restarts=3))
    lists(bot, listed(restarts=3, pid=9))
    restarts(bot)

    assert (await bot.says("restart"))[-1] == "bob: online, pid 9, restart count 3"


async def test_list_is_read_behind_a_banner_and_across_pieces(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob", watch_s=0))
    text = json.dumps([listed()])
    bot.runs("pm2", "jlist", "-s").prints("[PM2] Spawning PM2 daemon", "__/\\\\[ banner", text[:40], text[40:])
    restarts(bot)

    assert (await bot.says("restart"))[-1] == "bob: online, pid 100, restart count 0"


async def test_environment_of_a_process_is_never_said(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob", watch_s=1))
    lists(bot, listed())
    lists(bot, listed(restarts=9))
    restarts(bot)

    await bot.says("restart")

    assert "s3cret" not in repr(bot.told)


@pytest.mark.parametrize("text", ["", "no list", '[{"pm_id": 1', '[{"name": "s3cret-token"}]'])
async def test_list_that_cannot_be_read_is_an_error_without_the_list(harness: Harness, text: str) -> None:
    bot = harness(Pm2Restart(process="bob"))
    bot.runs("pm2", "jlist", "-s").prints(text)

    assert await bot.says("restart") == ["pm2 jlist failed (exit 0)"]


async def test_pm2_that_fails_to_list_is_an_error_without_its_output(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob"))
    bot.runs("pm2", "jlist", "-s").prints("s3cret-token").exits(1)

    assert await bot.says("restart") == ["pm2 jlist failed (exit 1)"]


async def test_unknown_process_is_named_with_those_that_are_there(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob"))
    lists(bot, listed("eve"), listed("carol", number=4))

    assert await bot.says("restart") == ["PM2 has no process bob; it has: carol, eve"]


@pytest.mark.parametrize("other", [listed("3", number=5), listed("eve", number=5, namespace="3")], ids=["name", "namespace"])
async def test_number_that_pm2_would_take_for_a_name_is_not_used(harness: Harness, other: dict[str, Any]) -> None:
    bot = harness(Pm2Restart(process="bob"))
    lists(bot, listed(), other)

    assert await bot.says("restart") == ["A process is named like PM2's number of bob; rename it."]


async def test_failed_restart_is_shown_and_not_watched(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob"))
    lists(bot, listed())
    bot.runs("pm2", "restart", "3").prints("[PM2][ERROR] Process 3 not found", *TABLE).exits(1)

    assert await bot.says("restart") == ["[PM2][ERROR] Process 3 not found", "exit 1"]


async def test_missing_pm2_is_what_the_person_reads(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob", program="/opt/pm2"))
    bot.runs("/opt/pm2", "jlist", "-s").fails_to_start("/opt/pm2: not found; install pm2")

    assert await bot.says("restart") == ["/opt/pm2: not found; install pm2"]


async def test_pm2_runs_as_its_user_with_its_home(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob", pm2_home="/home/git/.pm2", run_as="git", watch_s=0))
    lists(bot, listed())
    restarts(bot)

    await bot.says("restart")

    assert {(run.run_as, tuple(run.env.items())) for run in bot.runner.ran} == {("git", (("PM2_HOME", "/home/git/.pm2"),))}


async def test_other_process_can_be_named_when_it_is_allowed(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob", others=("eve",), watch_s=0))
    lists(bot, listed("eve", number=1))
    restarts(bot, "1")

    assert (await bot.says("restart eve"))[-1] == "eve: online, pid 100, restart count 0"


async def test_process_that_is_not_allowed_is_refused_before_anything_runs(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob", others=("carol",)))

    assert await bot.says("restart eve") == ["eve is not mine to restart; I restart: bob, carol"]


@pytest.mark.parametrize("name", ["--all", "-1", "a b", "/x/", "", "x" * 200, "bob;rm"])
def test_process_name_that_pm2_could_read_otherwise_is_a_wrong_setting(name: str) -> None:
    with pytest.raises(ValidationError):
        Pm2Restart(process=name)


async def test_name_that_looks_like_an_option_is_a_usage_error(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob", others=("eve",)))

    said = await bot.says("restart -x")

    assert [str(one).splitlines()[-1] for one in said] == ["restart [name]"]


async def test_second_restart_waits_for_the_end_of_the_first(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob"))
    bot.runs("pm2", "jlist", "-s").hangs()
    await bot.says("restart")

    assert await bot.says("restart") == ["That is still running; wait for it to end."]


async def test_own_restart_is_announced_and_told_where_it_was_asked_for(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="opsbot"), own_pid=77, bot_name="alice")
    lists(bot, listed("opsbot", pid=77))
    bot.runs("pm2", "restart", "3").hangs()
    said = await bot.says("restart", room="ops")

    back = await bot.restarts(killed=True)

    assert said == ["That is myself: I restart and say so here when I am back."]
    assert (back, bot.told[-1].to) == (["alice is back, pid 77."], ("room:ops",))


async def test_own_restart_is_announced_before_pm2_is_asked(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="opsbot"), own_pid=77)
    lists(bot, listed("opsbot", pid=77))
    bot.runs("pm2", "restart", "3").hangs()

    await bot.says("restart")

    assert [message.text for message in bot.sent] == ["That is myself: I restart and say so here when I am back."]


async def test_own_restart_is_told_once(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="opsbot"), own_pid=77)
    lists(bot, listed("opsbot", pid=77))
    bot.runs("pm2", "restart", "3").hangs()
    await bot.says("restart")
    await bot.restarts(killed=True)

    assert await bot.restarts() == []


async def test_own_restart_that_fails_is_not_told_at_the_next_start(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="opsbot"), own_pid=77)
    lists(bot, listed("opsbot", pid=77))
    bot.runs("pm2", "restart", "3").exits(1)
    await bot.says("restart")

    assert await bot.restarts() == []


async def test_answers_are_chinese_where_the_daemon_is(harness: Harness) -> None:
    bot = harness(Pm2Restart(process="bob", watch_s=0), language="zh")
    lists(bot, listed(restarts=1))
    lists(bot, listed(restarts=2, pid=8))
    restarts(bot)

    assert (await bot.says("重启"))[-1] == "bob：online，pid 8，重启次数 2"
