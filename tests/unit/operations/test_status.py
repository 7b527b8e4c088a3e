"""`status`."""

# ruff: noqa: ARG002 - a hook takes what the surface says, whether it needs it or not

from typing import cast

from operations.log_alert import LogAlert
from operations.status import Status
from opsbot.api import Context, LogEvent, Notification, Operation, Rule
from opsbot.testing import NOON, Harness


class Alarm(Operation):
    """Open an alert."""

    def rules(self) -> list[Rule]:
        return [Rule.every_line()]

    async def on_log(self, ctx: Context, event: LogEvent) -> Notification:
        return Notification(event.text, key="fire", reminder="still burning")


async def test_parts_are_shown_with_their_state_and_since_when(harness: Harness) -> None:
    bot = harness(Status(), also={"errors": LogAlert(patterns=("E",))})

    assert await bot.says("status") == [
        "channel chat: RUNNING since 12:00:00Z\nsource errors_log: RUNNING since 12:00:00Z",
    ]


async def test_part_that_is_away_says_why(harness: Harness) -> None:
    bot = harness(Status(), tell=["owner@phone"])
    await bot.starts()
    bot.channels["phone"].goes_away("kicked")
    await bot.passes(seconds=0)

    assert "channel phone: BACKOFF since 12:00:00Z (kicked)" in cast("str", (await bot.says("状态"))[0]).splitlines()


async def test_older_times_carry_their_day(harness: Harness) -> None:
    bot = harness(Status(), now=NOON.replace(hour=23, minute=59))
    await bot.passes(minutes=2)

    assert await bot.says("status") == ["channel chat: RUNNING since 2026-11-20 23:59Z"]


async def test_open_alerts_are_shown(harness: Harness) -> None:
    bot = harness(Alarm(), scene="alarm", also={"status": Status()})
    await bot.reads("fire")

    assert cast("str", (await bot.says("status"))[0]).splitlines()[-1] == "open alert: alarm fire"


async def test_status_needs_a_grant(harness: Harness) -> None:
    bot = harness(Status(), grants={"oncall": ["status"], "guest": []})

    assert (bot.understands("status", role="oncall"), bot.understands("status", role="guest")) == ("status status", None)


async def test_status_is_chinese_where_the_daemon_is(harness: Harness) -> None:
    bot = harness(Status(), language="zh")

    assert await bot.says("状态") == ["channel chat：RUNNING，自 12:00:00Z"]
