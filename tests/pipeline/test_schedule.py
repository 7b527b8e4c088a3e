"""What happens by itself happens at its time, also over a restart."""

# ruff: noqa: ARG002 - a hook takes what the surface says, whether it needs it or not

from collections.abc import Iterable
from datetime import timedelta

import pytest

from opsbot.api import Context, LogEvent, Notification, Operation, Rule, Severity, command, every
from opsbot.core.change import Alert, Change, Timer
from opsbot.pipeline.hooks import Manners
from opsbot.testing import NOON, Harness


class Alarm(Operation):
    """Set timers and open alerts."""

    def rules(self) -> Iterable[Rule]:
        return [Rule("fire", "fire"), Rule("out", "out")]

    async def on_log(self, ctx: Context, event: LogEvent) -> Notification:
        is_fire = event.rule.name == "fire"
        return Notification(
            event.text, key="fire", severity=Severity.URGENT, reminder="still burning" if is_fire else "", resolves=not is_fire
        )

    async def on_timer(self, ctx: Context, key: str) -> Notification:
        if key == "bad":
            raise KeyError(key)
        if key == "again":
            ctx.after("again", timedelta(minutes=1))
        if key == "clears":
            ctx.after("other", None)
        ctx.state[key] = f"{ctx.now:%H:%M:%S}"
        return Notification(f"{key} {ctx.now:%H:%M:%S}", severity=Severity.URGENT)

    @command("set")
    async def set(self, ctx: Context, key: str, delay: timedelta) -> None:
        """Set a timer."""
        ctx.after(key, delay)

    @command("clear")
    async def clear(self, ctx: Context, key: str) -> None:
        """Clear a timer."""
        ctx.after(key, None)


class Periodic(Operation):
    """Look every now and then."""

    @every("10m")
    async def look(self, ctx: Context) -> Notification:
        lines = await ctx.run("look").lines()
        return Notification(f"{ctx.person.name}: {' '.join(lines)}", severity=Severity.URGENT)


# Timers


async def test_timer_fires_at_its_time(harness: Harness) -> None:
    bot = harness(Alarm())
    await bot.says("set tea 3m")

    assert (await bot.passes(seconds=179), await bot.passes(seconds=1)) == ([], ["tea 12:03:00"])


async def test_timer_fires_once(harness: Harness) -> None:
    bot = harness(Alarm())
    await bot.says("set tea 3m")
    await bot.passes(minutes=3)

    assert (await bot.passes(hours=2), await bot.restarts(), await bot.store.timers()) == ([], [], [])


async def test_timer_that_is_set_again_is_moved(harness: Harness) -> None:
    bot = harness(Alarm())
    await bot.says("set tea 3m")
    await bot.says("set tea 5m")

    assert await bot.passes(minutes=10) == ["tea 12:05:00"]


async def test_timer_that_is_cleared_does_not_fire(harness: Harness) -> None:
    bot = harness(Alarm())
    await bot.says("set tea 3m")
    await bot.says("clear tea")

    assert await bot.passes(minutes=10) == []


async def test_timers_fire_in_the_order_of_their_times(harness: Harness) -> None:
    bot = harness(Alarm())
    for text in ("set b 2m", "set a 1m", "set c 3m"):
        await bot.says(text)

    assert await bot.passes(minutes=3) == ["a 12:01:00", "b 12:02:00", "c 12:03:00"]


async def test_timer_survives_a_restart(harness: Harness) -> None:
    bot = harness(Alarm())
    await bot.says("set tea 3m")
    await bot.passes(minutes=1)
    await bot.restarts(killed=True)

    assert await bot.passes(minutes=2) == ["tea 12:03:00"]


async def test_timer_whose_time_passed_while_the_daemon_was_away_fires_at_the_start(harness: Harness) -> None:
    bot = harness(Alarm())
    await bot.starts()
    await bot.store.commit(Change(timers=(Timer("alarm", "tea", NOON - timedelta(hours=1)),)))

    assert await bot.restarts(killed=True) == ["tea 12:00:00"]


async def test_timer_that_sets_itself_again_goes_on(harness: Harness) -> None:
    bot = harness(Alarm())
    await bot.says("set again 1m")

    assert await bot.passes(minutes=3) == ["again 12:01:00", "again 12:02:00", "again 12:03:00"]


async def test_timer_that_another_one_has_just_cleared_does_not_fire(harness: Harness) -> None:
    bot = harness(Alarm())
    await bot.says("set clears 1m")
    await bot.says("set other 1m")

    assert await bot.passes(minutes=2) == ["clears 12:01:00"]


async def test_timer_whose_hook_fails_is_reported_and_gone(harness: Harness) -> None:
    bot = harness(Alarm())
    await bot.says("set bad 1m")

    assert await bot.passes(minutes=5) == ["Scene alarm: on_timer failed with a bug (KeyError); the host's log has it."]
    assert await bot.store.timers() == []


async def test_timer_of_a_scene_that_is_gone_is_forgotten(harness: Harness) -> None:
    bot = harness(Alarm())
    await bot.store.commit(Change(timers=(Timer("gone", "tea", NOON),)))

    assert (await bot.starts(), await bot.store.timers()) == ([], [])


async def test_writes_of_a_timer_hook_are_durable(harness: Harness) -> None:
    bot = harness(Alarm())
    await bot.says("set tea 1m")
    await bot.passes(minutes=1)

    assert bot.state == {"tea": "12:01:00"}


# Reminders


async def reminders(harness: Harness, minutes: int, *, manners: Manners | None = None) -> list[float]:
    """Give after how many minutes an open alert was repeated."""
    bot = harness(Alarm(), manners=manners or Manners())
    await bot.reads("fire")
    heard = [minute for minute in range(1, minutes + 1) if await bot.passes(minutes=1)]
    assert {told.output for told in bot.told[1:]} == {"still burning"}
    return [float(minute) for minute in heard]


async def test_open_alert_is_repeated_at_growing_intervals_and_then_at_the_last(harness: Harness) -> None:
    assert await reminders(harness, 240) == [15, 45, 105, 165, 225]


async def test_intervals_can_be_configured(harness: Harness) -> None:
    assert await reminders(harness, 10, manners=Manners(repeat_minutes=(1, 4))) == [1, 5, 9]


async def test_resolved_alert_is_repeated_no_more(harness: Harness) -> None:
    bot = harness(Alarm())
    await bot.reads("fire")
    await bot.passes(minutes=16)
    await bot.reads("out")

    assert (await bot.passes(hours=5), await bot.store.alerts()) == ([], [])


async def test_reminders_go_on_after_a_restart(harness: Harness) -> None:
    bot = harness(Alarm())
    await bot.reads("fire")
    await bot.passes(minutes=20)
    await bot.restarts(killed=True)

    assert (await bot.passes(minutes=24), await bot.passes(minutes=1)) == ([], ["still burning"])


async def test_reminder_goes_to_those_the_scene_tells(harness: Harness) -> None:
    bot = harness(Alarm(), tell=["room:ops"], fallback=["owner@phone"])
    await bot.reads("fire")
    await bot.passes(minutes=15)

    assert (bot.told[-1].to, bot.told[-1].fallback, bot.told[-1].key) == (("room:ops",), ("owner@phone",), "fire:reminder")


async def test_alert_of_a_scene_that_is_gone_keeps_nobody_busy(harness: Harness) -> None:
    bot = harness(Alarm())
    old = NOON - timedelta(days=1)
    await bot.store.commit(Change(alerts=(Alert(scene="gone", key="k", reminder="r", opened_at=old, next_at=old),)))

    assert await bot.passes(hours=1) == []


# Periods


async def test_periodic_method_runs_as_the_system_every_period(harness: Harness) -> None:
    bot = harness(Periodic())
    bot.runs("look").prints("all", "well")

    assert await bot.passes(minutes=25) == ["system: all well"] * 2


@pytest.mark.parametrize("status", [1])
async def test_periodic_method_that_runs_a_program_sees_its_exit(harness: Harness, status: int) -> None:
    bot = harness(Periodic())
    bot.runs("look").exits(status)

    assert await bot.passes(minutes=10) == ["system: exit 1"]


class Hanging(Operation):
    """Never comes to an end."""

    def rules(self) -> Iterable[Rule]:
        return (Rule("hang"),)

    async def on_log(self, ctx: Context, event: LogEvent) -> Notification | None:
        await ctx.sleep(10_000)
        return None


async def test_hook_that_hangs_is_ended_and_told(harness: Harness) -> None:
    bot = harness(Hanging())
    await bot.reads("hang")

    assert "TimeLimitError" in str(await bot.passes(seconds=31))
