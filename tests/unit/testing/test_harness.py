"""The harness itself: what it promises to authors of operations."""

# ruff: noqa: ARG002 - a hook takes what the surface says, whether it needs it or not

from collections.abc import AsyncIterator, Iterable
from datetime import timedelta

import pytest

from opsbot.api import (
    CommandError,
    Context,
    LogEvent,
    Notification,
    Operation,
    Output,
    ProcessName,
    QrCode,
    Risk,
    Rule,
    Severity,
    command,
    every,
)
from opsbot.core.errors import ChannelUnavailableError
from opsbot.testing import Harness, UnexpectedRunError


class RestartPm2(Operation):
    """Restart a PM2 process from chat."""

    process: ProcessName

    @command("restart", aliases=("重启",), risk=Risk.WRITE, timeout_s=60)
    async def restart(self, ctx: Context) -> AsyncIterator[str]:
        """Restart the process and show what PM2 says."""
        async for line in ctx.run("pm2", "restart", "--", self.process):
            yield line


class Everything(Operation):
    """Use every part of the surface."""

    partner: str = "bob@wechat"

    def rules(self) -> Iterable[Rule]:
        return [Rule("ERROR (?P<what>.*)", "error")]

    async def on_log(self, ctx: Context, event: LogEvent) -> Notification:
        ctx.state["seen"] = event.groups["what"]
        ctx.after("later", timedelta(minutes=5))
        return Notification(event.text, key="error", severity=Severity.URGENT, reminder="still broken")

    async def on_timer(self, ctx: Context, key: str) -> Notification:
        return Notification(f"timer {key}", severity=Severity.URGENT)

    async def on_start(self, ctx: Context) -> Notification | None:
        return Notification(f"back after {ctx.state['seen']}", severity=Severity.URGENT) if "seen" in ctx.state else None

    async def on_partner_message(self, ctx: Context, text: str) -> Output | None:
        return "pong" if text == "#ping" else None

    @every("2h")
    async def look(self, ctx: Context) -> Notification:
        return Notification("looked", severity=Severity.URGENT)

    @command("ask", risk=Risk.READ)
    async def ask(self, ctx: Context) -> str:
        """Ask for a number."""
        return f"got {await ctx.ask('How many?', as_=int)}"

    @command("drop")
    async def drop(self, ctx: Context) -> str:
        """Ask for confirmation."""
        await ctx.confirm("Drop all?")
        return "dropped"

    @command("lines", risk=Risk.READ)
    async def lines(self, ctx: Context, n: int) -> AsyncIterator[str]:
        """Say lines, slowly."""
        for number in range(n):
            await ctx.sleep(1)
            yield f"line {number}"

    @command("qr", risk=Risk.READ)
    async def qr(self, ctx: Context) -> QrCode:
        """Show a code."""
        return QrCode("http://weixin.qq.com/x/1", "scan")

    @command("refuse", risk=Risk.READ)
    async def refuse(self, ctx: Context) -> str:
        """Refuse."""
        raise CommandError("not today")

    @command("slow", timeout_s=30)
    async def slow(self, ctx: Context) -> AsyncIterator[str]:
        """Run something slow."""
        async for line in ctx.run("slow"):
            yield line


async def test_command_runs_what_the_test_foresees(harness: Harness) -> None:
    bot = harness(RestartPm2(process="bob"))
    bot.runs("pm2", "restart", "--", "bob").prints("[PM2] done")

    assert await bot.says("restart") == ["[PM2] done"]


async def test_unforeseen_run_fails_the_test(harness: Harness) -> None:
    bot = harness(RestartPm2(process="bob"))

    with pytest.raises(UnexpectedRunError, match="'pm2', 'restart', '--', 'bob'"):
        await bot.says("restart")


async def test_exit_status_is_part_of_the_answer(harness: Harness) -> None:
    bot = harness(RestartPm2(process="bob"))
    bot.runs("pm2", "restart", "--", "bob").prints("no such process").exits(1)

    assert await bot.says("重启。") == ["no such process", "exit 1"]


async def test_stranger_gets_nothing(harness: Harness) -> None:
    bot = harness(RestartPm2(process="bob"))

    assert await bot.says("restart", by="mallory") == []


async def test_role_may_do_what_it_was_granted(harness: Harness) -> None:
    bot = harness(Everything(), grants={"oncall": ["qr"]})

    assert await bot.says("qr", by="oncall") == [QrCode("http://weixin.qq.com/x/1", "scan")]


async def test_role_may_not_do_what_it_was_not_granted(harness: Harness) -> None:
    bot = harness(Everything(), grants={"oncall": ["qr"]})

    assert (bot.understands("qr", role="oncall"), bot.understands("drop", role="oncall")) == ("everything qr", None)


async def test_command_of_several_scenes_is_shown_with_all_of_them(harness: Harness) -> None:
    bot = harness(RestartPm2(process="bob"), scene="bob", also={"eve": RestartPm2(process="eve")})

    assert bot.understands("restart") == "bob restart | eve restart"


async def test_outputs_come_one_by_one_though_the_chat_gets_them_gathered(harness: Harness) -> None:
    bot = harness(Everything())

    assert await bot.says("lines 4") == ["line 0", "line 1", "line 2", "line 3"]


async def test_code_is_drawn_for_the_channel(harness: Harness) -> None:
    bot = harness(Everything())

    await bot.says("qr")

    assert [message.attachment.content for message in bot.sent if message.attachment] == [b"PNG of http://weixin.qq.com/x/1"]


async def test_error_for_the_person_is_an_answer(harness: Harness) -> None:
    bot = harness(Everything())

    assert await bot.says("refuse") == ["not today"]


async def test_question_is_answered_by_the_test(harness: Harness) -> None:
    bot = harness(Everything())
    bot.answers("7")

    assert await bot.says("ask") == ["How many?", "got 7"]


async def test_question_without_an_answer_fails_the_test(harness: Harness) -> None:
    bot = harness(Everything())

    with pytest.raises(AssertionError, match=r"How many.*bot\.answers"):
        await bot.says("ask")


async def test_answer_can_be_withheld(harness: Harness) -> None:
    bot = harness(Everything())
    bot.answers(None)

    assert await bot.says("ask") == ["How many?", "No answer in time; nothing was done."]


async def test_confirmation_is_given_by_the_harness(harness: Harness) -> None:
    bot = harness(Everything())

    assert (await bot.says("drop"))[-1] == "dropped"


async def test_confirmation_can_be_withheld(harness: Harness) -> None:
    bot = harness(Everything())
    bot.withholds_confirmation()

    assert (await bot.says("drop"))[-1] == "Not confirmed; nothing was done."


async def test_log_lines_are_told_to_the_owner(harness: Harness) -> None:
    bot = harness(Everything())

    assert await bot.reads("nothing", "ERROR disk", "more") == ["ERROR disk"]
    assert [(told.to, told.key, told.severity) for told in bot.told] == [(("owner",), "error", Severity.URGENT)]


async def test_recipients_of_the_scene_can_be_chosen(harness: Harness) -> None:
    bot = harness(Everything(), tell=["bob", "room:ops"], fallback=["owner@phone"])

    await bot.reads("ERROR disk")

    assert [(told.to, told.fallback) for told in bot.told] == [(("bob", "room:ops"), ("owner@phone",))]


async def test_fallback_gets_what_nobody_else_could_be_sent(harness: Harness) -> None:
    bot = harness(Everything(), tell=["bob"], fallback=["owner@phone"])
    await bot.starts()
    bot.channel.goes_away()
    await bot.reads("ERROR disk")

    await bot.passes(seconds=61)

    assert [message.text for message in bot.channels["phone"].sent] == ["ERROR disk"]


async def test_state_is_what_became_durable(harness: Harness) -> None:
    bot = harness(Everything(), state={"old": 1})

    await bot.reads("ERROR disk")

    assert bot.state == {"old": 1, "seen": "disk"}


async def test_time_fires_timers_periods_and_reminders(harness: Harness) -> None:
    bot = harness(Everything())
    await bot.reads("ERROR disk")

    told = [await bot.passes(minutes=minutes) for minutes in (4, 2, 10, 105)]

    assert told == [[], ["timer later"], ["still broken"], ["still broken", "still broken", "looked"]]


async def test_partner_is_heard_in_its_direct_chat(harness: Harness) -> None:
    bot = harness(Everything())

    assert (await bot.hears_partner("#ping"), await bot.hears_partner("lines 2")) == (["pong"], [])


async def test_restart_keeps_the_state_and_tells_what_on_start_tells(harness: Harness) -> None:
    bot = harness(Everything())
    await bot.reads("ERROR disk")

    assert await bot.restarts() == ["back after disk"]
    assert await bot.passes(minutes=6) == ["timer later"]


async def test_log_is_read_on_from_its_checkpoint_after_a_restart(harness: Harness) -> None:
    bot = harness(Everything())
    await bot.reads("ERROR one")
    await bot.restarts(killed=True)

    assert await bot.reads("ERROR two") == ["ERROR two"]


async def test_program_that_hangs_is_cut_off_when_its_time_is_over(harness: Harness) -> None:
    bot = harness(Everything())
    bot.runs("slow").prints("begun").hangs()

    assert await bot.says("slow") == ["begun"]
    assert await bot.passes(minutes=1) == ["Stopped: it ran longer than 30 s."]


async def test_program_that_hangs_goes_on_when_the_test_releases_it(harness: Harness) -> None:
    bot = harness(Everything())
    program = bot.runs("slow").prints("begun").hangs().prints("ended")
    await bot.says("slow")
    program.release()

    assert await bot.passes(seconds=2) == ["ended"]


async def test_command_that_a_crash_interrupts_is_told(harness: Harness) -> None:
    bot = harness(Everything())
    bot.runs("slow").hangs()
    await bot.says("slow")

    assert await bot.restarts(killed=True) == [
        "I was restarted while “slow” was running. It was interrupted and is not run again."
    ]


async def test_failing_channel_is_tried_again(harness: Harness) -> None:
    bot = harness(Everything())
    bot.channel.fails(ChannelUnavailableError("busy"))

    await bot.says("refuse")
    await bot.passes(seconds=1)

    assert [message.text for message in bot.sent] == ["not today"]


async def test_daemon_speaks_the_language_of_the_test(harness: Harness) -> None:
    bot = harness(Everything(), language="zh")
    bot.answers(None)

    assert (await bot.says("ask"))[-1] == "没有及时回答，什么也没做。"


async def test_failure_of_the_daemon_itself_fails_the_test(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    bot = harness(Everything())
    await bot.starts()

    async def broken(_: object) -> list[int]:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(bot.store, "commit", broken)
        with pytest.RaisesGroup(MemoryError, flatten_subgroups=True):
            await bot.reads("ERROR disk")
    await bot.restarts(killed=True)


async def test_secrets_are_masked_on_the_way_out_and_not_in_what_the_operation_said(harness: Harness) -> None:
    bot = harness(RestartPm2(process="bob"), secrets=["hunter2hunter2"])
    bot.runs("pm2", "restart", "--", "bob").prints("token hunter2hunter2")

    said = await bot.says("restart")

    assert (said, [message.text for message in bot.sent]) == (["token hunter2hunter2"], ["token [masked]"])


async def test_requests_to_the_runner_can_be_looked_at(harness: Harness) -> None:
    bot = harness(RestartPm2(process="bob"))
    bot.runs("pm2", "restart", "--", "bob")
    await bot.says("restart")

    assert (bot.ran, bot.last_run.timeout_s, bot.last_run.job_id) == ([("pm2", "restart", "--", "bob")], 60, "job-1")


async def test_same_program_can_do_something_else_the_next_time(harness: Harness) -> None:
    bot = harness(RestartPm2(process="bob"))
    bot.runs("pm2", "restart", "--", "bob").prints("first")
    bot.runs("pm2", "restart", "--", "bob").prints("later")

    assert [await bot.says("restart") for _ in range(3)] == [["first"], ["later"], ["later"]]


async def test_wrong_use_of_the_harness_says_what_is_missing(harness: Harness) -> None:
    bot = harness(RestartPm2(process="bob"))

    with pytest.raises(ValueError, match="no partner"):
        await bot.hears_partner("hello")
    with pytest.raises(ValueError, match="no on_log"):
        await bot.reads("line")
