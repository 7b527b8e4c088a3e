"""A rule that floods is capped, and how much was left out is told."""

# ruff: noqa: ARG002 - a hook takes what the surface says, whether it needs it or not

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import pytest

from opsbot.api import Context, LogEvent, Notification, Operation, Rule, Severity
from opsbot.core.dispatch import merge
from opsbot.core.flood import BURST
from opsbot.core.log import Batch, Checkpoint, Hit, Record
from opsbot.pipeline import watch as watch_module
from opsbot.testing import NOON, Bot, Harness
from tests.pipeline.watching import a_watch

CAP = 3


class Alert(Operation):
    """Count what arrives, in memory: a test of floods should be quick."""

    def rules(self) -> Iterable[Rule]:
        return [Rule("ERROR", "error", per_minute=CAP), Rule("WARN", "warn", per_minute=CAP), Rule("fatal", per_minute=0)]

    async def on_log(self, ctx: Context, event: LogEvent) -> Notification:
        return Notification(event.text, key=event.rule.name)


class Default(Operation):
    """Let the default limit hold."""

    def rules(self) -> Iterable[Rule]:
        return [Rule("ERROR")]

    async def on_log(self, ctx: Context, event: LogEvent) -> None:
        ctx.state["seen"] = int(str(ctx.state.get("seen", 0))) + 1


class Everything(Operation):
    """Ask for every line."""

    def rules(self) -> Iterable[Rule]:
        return [Rule.every_line()]

    async def on_log(self, ctx: Context, event: LogEvent) -> None:
        ctx.state["seen"] = int(str(ctx.state.get("seen", 0))) + 1


def numbers_told(bot: Bot) -> list[str]:
    return [str(told.output) for told in bot.told if "suppressed" in str(told.output)]


async def test_what_is_over_the_cap_does_not_reach_the_operation(harness: Harness) -> None:
    bot = harness(Alert())

    assert await bot.reads(*[f"ERROR {n}" for n in range(10)]) == ["ERROR 0", "ERROR 1", "ERROR 2"]


async def test_the_number_of_the_others_is_told_when_the_flood_is_over_though_nothing_else_happens(harness: Harness) -> None:
    bot = harness(Alert())
    await bot.reads(*["ERROR"] * 10)

    assert await bot.passes(seconds=6) == ["Rule error on alert_log: 7 more matches suppressed in the last 5 s."]
    assert await bot.passes(hours=2) == []


async def test_the_number_goes_where_the_scene_tells_and_its_fallback(harness: Harness) -> None:
    bot = harness(Alert(), tell=["room:ops"], fallback=["carol"])
    await bot.reads(*["ERROR"] * 10)
    await bot.passes(seconds=6)

    number = bot.told[-1]
    assert (number.to, number.fallback, number.scene, number.severity) == (
        ("room:ops",),
        ("carol",),
        "alert",
        Severity.IMPORTANT,
    )


async def test_the_number_is_told_in_chinese(harness: Harness) -> None:
    bot = harness(Alert(), language="zh")
    await bot.reads(*["ERROR"] * 10)

    assert await bot.passes(seconds=6) == ["日志 alert_log 的规则 error：最近 5 秒内另有 7 条匹配未发送。"]


async def test_a_flood_that_lasts_is_told_once_a_minute(harness: Harness) -> None:
    bot = harness(Alert())
    for _ in range(150):
        await bot.reads(*["ERROR"] * 2)
        await bot.clock.advance(1)

    assert len(numbers_told(bot)) == 2


async def test_all_matches_are_either_told_or_counted(harness: Harness) -> None:
    bot = harness(Alert())
    for _ in range(100):
        await bot.reads(*["ERROR"] * 3)
        await bot.clock.advance(1)
    await bot.passes(minutes=5)

    counted = sum(int(said.partition(": ")[2].split()[0]) for said in numbers_told(bot))
    assert counted + sum(told.output == "ERROR" for told in bot.told) == 300


async def test_each_rule_has_its_own_cap_and_its_own_number(harness: Harness) -> None:
    bot = harness(Alert())
    told = await bot.reads(*["ERROR", "WARN"] * 5, "fatal")

    assert sorted(map(str, told)) == sorted(["ERROR", "WARN"] * CAP + ["fatal"])
    assert sorted(map(str, await bot.passes(seconds=6))) == [
        "Rule error on alert_log: 2 more matches suppressed in the last 5 s.",
        "Rule warn on alert_log: 2 more matches suppressed in the last 5 s.",
    ]


async def test_a_rule_with_0_per_minute_is_never_capped(harness: Harness) -> None:
    bot = harness(Alert())

    assert await bot.reads(*["fatal"] * 50) == ["fatal"] * 50


async def test_without_a_word_a_rule_is_capped_at_a_thousand_at_once(harness: Harness) -> None:
    bot = harness(Default())
    await bot.reads(*["ERROR"] * (BURST + 5))

    assert bot.state["seen"] == BURST
    assert await bot.passes(seconds=6) == ["Rule ERROR on default_log: 5 more matches suppressed in the last 5 s."]


async def test_every_line_means_every_line(harness: Harness) -> None:
    bot = harness(Everything())
    await bot.reads(*["x"] * (BURST + 5))

    assert bot.state["seen"] == BURST + 5


async def test_what_is_left_out_is_consumed_all_the_same(harness: Harness) -> None:
    bot = harness(Alert())
    await bot.reads(*["ERROR"] * 10)

    assert await bot.restarts(killed=True) == []
    assert [one.offset for one in await bot.store.checkpoints("alert_log")] == [60]


async def test_an_end_does_not_take_the_number_with_it(harness: Harness) -> None:
    bot = harness(Alert())
    await bot.reads(*["ERROR"] * 10)
    await bot.restarts()

    assert numbers_told(bot) == ["Rule error on alert_log: 7 more matches suppressed in the last 1 s."]


async def test_a_source_that_breaks_does_not_lift_the_cap(harness: Harness) -> None:
    bot = harness(Alert())
    await bot.reads(*["ERROR"] * 10)
    bot.log.breaks("gone")
    await bot.clock.advance(1)

    assert await bot.reads("ERROR") == []


# --- many, by themselves


def a_batch(count: int) -> Batch:
    record = Record(
        path="/log",
        offset=0,
        text='{"ERROR": 1}',
        hits=(Hit(0),),
        checkpoint=Checkpoint(source="log", path="/log", device=1, inode=1, offset=13),
    )
    return Batch(source="log", records=tuple(replace(record, offset=13 * n) for n in range(count)), observed_at=NOON)


async def test_nothing_is_capped_where_an_old_log_is_looked_at() -> None:
    change = await a_watch(Alert(), is_capped=False).change_from(a_batch(200))

    assert len(change.deliveries) == 200


async def test_what_is_only_counted_is_neither_verified_nor_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    monkeypatch.setattr(watch_module, "verify", lambda text, *_: looked_at.append(text))
    monkeypatch.setattr("opsbot.pipeline.watch.json.loads", looked_at.append)
    await a_watch(Alert()).change_from(a_batch(1000))

    assert len(looked_at) == 2 * CAP


@pytest.fixture
async def ticks() -> AsyncIterator[list[int]]:
    """Count how often the loop comes round to somebody else."""
    counted: list[int] = []

    async def tick() -> None:
        while True:
            counted.append(1)
            await asyncio.sleep(0)

    # No TaskGroup: a fixture is set up and torn down outside of the test's task.
    task = asyncio.get_running_loop().create_task(tick())
    yield counted
    task.cancel()


async def test_others_have_their_turn_while_thousands_of_matches_are_counted(ticks: list[int]) -> None:
    await a_watch(Alert()).change_from(a_batch(20_000))

    assert len(ticks) >= 19


async def test_others_have_their_turn_after_some_quick_hooks(ticks: list[int]) -> None:
    await a_watch(Alert(), is_capped=False).change_from(a_batch(200))

    assert len(ticks) >= 20


async def test_a_change_of_many_counted_matches_is_small() -> None:
    change = await a_watch(Alert()).change_from(a_batch(10_000))

    assert len(merge(change).deliveries) == CAP
