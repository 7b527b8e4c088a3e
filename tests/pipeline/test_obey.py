"""A message becomes a command only when nothing speaks against it, runs at most once, and is answered to its end."""

# ruff: noqa: ARG002 - a hook takes what the surface says, whether it needs it or not

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from opsbot.api import Context, Operation, Output, Risk, command
from opsbot.core.change import JobState
from opsbot.core.chat import Chat
from opsbot.testing import CAPABILITIES, Bot, Harness, a_message, settled

UNKNOWN = "I do not know that command. Try: help"
DONE = "Done."


class Tool(Operation):
    """What a test needs."""

    partner: str = ""

    @command("look", risk=Risk.READ)
    async def look(self, ctx: Context) -> str:
        """Look."""
        return f"{ctx.person.name} in {ctx.chat.chat_id}"

    @command("change")
    async def change(self, ctx: Context) -> None:
        """Change."""
        ctx.state["changed"] = int(str(ctx.state.get("changed", 0))) + 1

    @command("slow", exclusive=True, timeout_s=30)
    async def slow(self, ctx: Context) -> AsyncIterator[str]:
        """Run a program."""
        async for line in ctx.run("slow"):
            yield line

    @command("fail")
    async def fail(self, ctx: Context) -> AsyncIterator[str]:
        """Fail."""
        yield "begun"
        raise KeyError("oops")

    @command("nonsense")
    async def nonsense(self, ctx: Context) -> Output:
        """Answer with what is no output."""
        return 7  # type: ignore[return-value]

    @command("impatient")
    async def impatient(self, ctx: Context) -> str:
        """Raise a TimeoutError of its own."""
        raise TimeoutError

    @command("ask")
    async def ask(self, ctx: Context, again: str = "") -> str:
        """Ask."""
        return f"got {await ctx.ask('What?', as_=str, timeout_s=20)}"

    @command("age")
    async def age(self, ctx: Context) -> str:
        """Ask for a number."""
        return f"got {await ctx.ask('How old?', as_=int)}"

    async def on_partner_message(self, ctx: Context, text: str) -> Output | None:
        return "pong" if text == "#ping" else None


def a_tool(harness: Harness, **options: object) -> Bot:
    return harness(Tool(), scene="tool", grants={"oncall": ["look"], "guest": []}, **options)  # type: ignore[arg-type]


async def asks(bot: Bot, text: str, *, by: str = "owner", room: str = "") -> None:
    """Let somebody give a command that asks back, and leave it there."""
    await bot.starts()
    bot.channel.says(text, by=by, room=room)
    await settled()


def replies(bot: Bot) -> list[Output]:
    return [told.output for told in bot.told if told.is_reply]


# Who


async def test_person_is_answered_in_the_chat_where_they_asked(harness: Harness) -> None:
    bot = a_tool(harness)

    assert (await bot.says("look"), await bot.says("look", room="ops")) == (["owner in owner"], ["owner in ops"])


@pytest.mark.parametrize("text", ["look", "change", "tool look", "nothing", "help", "#ping", ""])
async def test_stranger_gets_silence_whatever_they_say(harness: Harness, text: str) -> None:
    bot = a_tool(harness)

    assert (await bot.says(text, by="mallory"), bot.sent, bot.store.jobs) == ([], [], {})


async def test_namesake_of_the_owner_is_a_stranger(harness: Harness) -> None:
    bot = a_tool(harness)
    await bot.starts()
    bot.channel.hears(a_message("look", sender_id="wxid_mallory", sender_name="owner", chat=Chat("chat", "wxid_mallory")))
    await settled()

    assert bot.sent == []


@pytest.mark.parametrize("text", ["look", "nothing", "change"])
async def test_person_without_any_grant_gets_silence(harness: Harness, text: str) -> None:
    bot = a_tool(harness)

    assert await bot.says(text, by="guest") == []


async def test_unknown_and_forbidden_look_alike(harness: Harness) -> None:
    bot = a_tool(harness)

    assert (await bot.says("nothing", by="oncall"), await bot.says("change", by="oncall")) == ([UNKNOWN], [UNKNOWN])


async def test_forbidden_command_leaves_no_job(harness: Harness) -> None:
    bot = a_tool(harness)

    await bot.says("change", by="oncall")

    assert (bot.store.jobs, bot.state) == ({}, {})


async def test_everyone_may_be_shown_what_only_reads(harness: Harness) -> None:
    bot = harness(Tool(), scene="tool", grants={"everyone": ["*"]})

    assert (await bot.says("look", by="mallory"), await bot.says("change", by="mallory")) == ([" in mallory"], [])


# Which


async def test_command_of_several_scenes_is_asked_back_with_the_choices(harness: Harness) -> None:
    bot = a_tool(harness, also={"other": Tool()})

    assert await bot.says("look") == ["Which one? Say:\ntool look\nother look"]


async def test_wrong_argument_is_answered_with_the_usage(harness: Harness) -> None:
    bot = a_tool(harness)

    assert await bot.says("look twice") == ["'twice': one argument too many\nlook"]


async def test_command_without_an_output_says_that_it_is_done(harness: Harness) -> None:
    bot = a_tool(harness)

    assert (await bot.says("change"), bot.state) == ([DONE], {"changed": 1})


# The gate


async def test_own_echo_is_ignored(harness: Harness) -> None:
    bot = a_tool(harness)
    await bot.starts()
    bot.channel.hears(a_message("look", is_own=True))
    await settled()

    assert bot.sent == []


async def test_room_is_heard_only_when_the_bot_is_mentioned(harness: Harness) -> None:
    bot = a_tool(harness)

    assert await bot.says("look", room="ops", mentions_bot=False) == []


async def test_message_runs_once_however_often_it_comes(harness: Harness) -> None:
    bot = a_tool(harness)
    said = [await bot.says("change", message_id="m1") for _ in range(3)]

    assert (said, bot.state) == ([[DONE], [], []], {"changed": 1})


async def test_message_runs_once_over_a_restart(harness: Harness) -> None:
    bot = a_tool(harness)
    await bot.says("change", message_id="m1")
    await bot.restarts(killed=True)

    assert (await bot.says("change", message_id="m1"), bot.state) == ([], {"changed": 1})


async def test_repeated_message_that_means_nothing_is_answered_once(harness: Harness) -> None:
    bot = a_tool(harness)

    assert [await bot.says("nothing", message_id="m1") for _ in range(2)] == [[UNKNOWN], []]


@pytest.mark.parametrize("age_s", [61, 86400, -61])
async def test_message_of_another_time_is_not_run_and_the_difference_is_told(harness: Harness, age_s: int) -> None:
    bot = a_tool(harness)

    said = await bot.says("change", age_s=age_s)

    assert (said, bot.state) == ([f"Too old, not run: the clocks differ by {abs(age_s)} s. Send it again."], {})


@pytest.mark.parametrize(("text", "by"), [("look", "mallory"), ("look", "guest"), ("change", "oncall"), ("just talk", "owner")])
async def test_old_message_that_would_not_have_run_is_not_answered(harness: Harness, text: str, by: str) -> None:
    bot = a_tool(harness)

    assert await bot.says(text, by=by, age_s=3600) == []


ACCOUNT = replace(CAPABILITIES, has_account=True)


async def test_message_before_the_login_settled_is_not_run_and_is_told(harness: Harness) -> None:
    bot = a_tool(harness, capabilities=ACCOUNT)
    await bot.starts()
    bot.channel.logs_in("wxid_alice")
    await settled()
    early = await bot.says("change")
    await bot.passes(seconds=1)

    assert (early, await bot.says("change"), bot.state) == (
        ["I have just logged in; send that again, please."],
        [DONE],
        {"changed": 1},
    )


async def test_nothing_is_run_while_nobody_is_logged_in(harness: Harness) -> None:
    bot = a_tool(harness, capabilities=ACCOUNT)

    await bot.says("change")

    assert (bot.state, bot.sent) == ({}, [])


async def test_flood_is_told_once_and_the_rest_is_left_out(harness: Harness) -> None:
    bot = a_tool(harness)
    said = [await bot.says("look") for _ in range(30)]

    assert said[19:22] == [["owner in owner"], ["Too many messages; I leave some out. Wait a little."], []]


async def test_after_a_flood_the_sender_is_heard_again(harness: Harness) -> None:
    bot = a_tool(harness)
    for _ in range(30):
        await bot.says("look")
    await bot.passes(seconds=5)

    assert await bot.says("look") == ["owner in owner"]


# Running


async def test_exclusive_command_runs_one_at_a_time(harness: Harness) -> None:
    bot = a_tool(harness)
    bot.runs("slow").hangs()
    await bot.says("slow")

    assert await bot.says("slow") == ["That is still running; wait for it to end."]


async def test_exclusive_command_may_run_again_after_its_end(harness: Harness) -> None:
    bot = a_tool(harness)
    bot.runs("slow").prints("ok")

    assert [await bot.says("slow") for _ in range(2)] == [["ok"], ["ok"]]


async def test_other_commands_go_on_while_one_hangs(harness: Harness) -> None:
    bot = a_tool(harness)
    bot.runs("slow").hangs()
    await bot.says("slow")

    assert await bot.says("look") == ["owner in owner"]


async def test_command_that_takes_too_long_is_ended_and_told(harness: Harness) -> None:
    bot = a_tool(harness)
    bot.runs("slow").prints("begun").hangs()
    await bot.says("slow")

    assert await bot.passes(seconds=29) == []
    assert await bot.passes(seconds=2) == ["Stopped: it ran longer than 30 s."]
    assert [job.state for job in bot.store.jobs.values()] == [JobState.FAILED]


async def test_bug_is_told_to_the_person_and_the_daemon_lives(harness: Harness) -> None:
    bot = a_tool(harness)

    said = await bot.says("fail")

    assert said == ["begun", "That failed with a bug in the operation (KeyError); the host's log has it (job job-1)."]
    assert await bot.says("look") == ["owner in owner"]


async def test_output_that_is_none_is_told_as_a_bug(harness: Harness) -> None:
    bot = a_tool(harness)

    assert await bot.says("nonsense") == [
        "That failed with a bug in the operation (TypeError); the host's log has it (job job-1)."
    ]


async def test_time_out_of_the_operation_s_own_is_not_called_the_command_s(harness: Harness) -> None:
    bot = a_tool(harness)

    assert await bot.says("impatient") == [
        "That failed with a bug in the operation (TimeoutError); the host's log has it (job job-1)."
    ]


@pytest.mark.parametrize(("text", "state"), [("look", JobState.DONE), ("fail", JobState.FAILED), ("look twice", JobState.FAILED)])
async def test_job_is_kept_with_its_end(harness: Harness, text: str, state: JobState) -> None:
    bot = a_tool(harness)

    await bot.says(text)

    [job] = bot.store.jobs.values()
    assert (job.person, job.scene, job.text, job.state, job.ended_at) == ("owner", "tool", text, state, bot.clock.now())


async def test_interrupted_command_is_told_after_the_restart_and_not_run_again(harness: Harness) -> None:
    bot = a_tool(harness)
    bot.runs("slow").hangs()
    await bot.says("slow", room="ops")

    told = await bot.restarts(killed=True)

    assert told == ["I was restarted while “slow” was running. It was interrupted and is not run again."]
    assert (bot.told[-1].to, bot.ran) == (("room:ops",), [("slow",)])


async def test_interrupted_command_is_told_once(harness: Harness) -> None:
    bot = a_tool(harness)
    bot.runs("slow").hangs()
    await bot.says("slow")
    await bot.restarts(killed=True)

    assert await bot.restarts(killed=True) == []


async def test_command_outlives_the_connection_over_which_it_came(harness: Harness) -> None:
    bot = a_tool(harness)
    program = bot.runs("slow").hangs().prints("ended")
    await bot.says("slow")
    bot.channel.goes_away()
    await settled()
    bot.channel.comes_back()
    program.release()
    await bot.passes(seconds=5)

    assert [message.text for message in bot.sent] == ["ended"]


# Questions


async def test_answer_of_the_same_person_in_the_same_chat_counts(harness: Harness) -> None:
    bot = a_tool(harness)
    await asks(bot, "ask")
    await bot.says("  Bob。 ")

    assert replies(bot) == ["What?", "got Bob。"]


@pytest.mark.parametrize(
    ("by", "room"), [("oncall", ""), ("mallory", ""), ("owner", "ops")], ids=["other person", "stranger", "other chat"]
)
async def test_nobody_else_s_answer_counts(harness: Harness, by: str, room: str) -> None:
    bot = a_tool(harness)
    await asks(bot, "ask")
    await bot.says("Eve", by=by, room=room)

    assert not any("got" in str(reply) for reply in replies(bot))


async def test_somebody_else_in_the_same_room_does_not_answer_for_the_asker(harness: Harness) -> None:
    bot = a_tool(harness)
    await asks(bot, "ask", room="ops")
    await bot.says("Eve", by="oncall", room="ops")
    await bot.says("Bob", room="ops")

    assert replies(bot)[-1] == "got Bob"


async def test_question_that_stays_unanswered_ends_the_command(harness: Harness) -> None:
    bot = a_tool(harness)
    await asks(bot, "ask")

    assert await bot.passes(seconds=20) == ["No answer in time; nothing was done."]


async def test_answer_that_comes_too_late_is_read_as_a_command(harness: Harness) -> None:
    bot = a_tool(harness)
    await asks(bot, "ask")
    await bot.passes(seconds=20)

    assert await bot.says("look") == ["owner in owner"]


async def test_answer_that_is_none_is_refused(harness: Harness) -> None:
    bot = a_tool(harness)
    bot.answers("old")

    assert await bot.says("age") == ["How old?", "That is no such answer; nothing was done."]


async def test_answer_is_not_run_as_a_command(harness: Harness) -> None:
    bot = a_tool(harness)
    bot.answers("change")

    assert (await bot.says("ask"), bot.state) == (["What?", "got change"], {})


async def test_command_that_comes_again_is_no_answer_to_its_own_question(harness: Harness) -> None:
    bot = a_tool(harness)
    await bot.starts()
    for _ in range(2):
        bot.channel.says("ask", by="owner", message_id="m1")
        await settled()
    await bot.says("Bob")

    assert replies(bot) == ["What?", "got Bob"]


async def test_answer_that_comes_again_answers_nothing_else(harness: Harness) -> None:
    bot = a_tool(harness)
    await asks(bot, "ask")
    bot.channel.says("Bob", by="owner", message_id="m2")
    await settled()
    await asks(bot, "ask")
    bot.channel.says("Bob", by="owner", message_id="m2")
    await settled()

    assert replies(bot) == ["What?", "got Bob", "What?"]


async def test_question_that_follows_an_answer_at_once_gets_its_own(harness: Harness) -> None:
    bot = a_tool(harness, also={"other": Tool()})
    await asks(bot, "tool ask")
    bot.channel.says("Bob", by="owner")
    bot.channel.says("other ask", by="owner")
    await settled()
    await bot.says("Carol")

    assert sorted(map(str, replies(bot))) == ["What?", "What?", "got Bob", "got Carol"]


# Bots


async def test_partner_may_use_what_names_it_and_nothing_else(harness: Harness) -> None:
    bot = harness(Tool(partner="bob@wechat"), scene="tool")

    assert (await bot.hears_partner("#ping"), await bot.hears_partner("change"), bot.state) == (["pong"], [], {})


async def test_partner_s_talk_is_not_taken_for_its_in_a_room(harness: Harness) -> None:
    bot = harness(Tool(partner="bob@wechat"), scene="tool")

    assert await bot.says("#ping", by="bob", room="ops") == []


async def test_two_bots_that_answer_each_other_come_to_an_end(harness: Harness) -> None:
    alice, bob = (harness(Tool(), scene="tool", grants={"oncall": ["look"]}) for _ in range(2))
    said: list[Output] = ["hello"]
    turns = 0
    while said and turns < 200:
        for listener in (alice, bob):
            said = [answer for text in said for answer in await listener.says(str(text), by="oncall")]
            await listener.passes(seconds=2)
        turns += 1

    assert turns < 20


async def test_bug_in_the_partner_hook_is_told_to_the_owner_and_the_message_is_read_on(harness: Harness) -> None:
    class Broken(Tool):
        """Fail."""

        async def on_partner_message(self, ctx: Context, text: str) -> Output | None:
            raise KeyError(text)

    bot = harness(Broken(partner="bob@wechat"), scene="tool")
    await bot.hears_partner("#ping")

    assert [(told.to, told.output) for told in bot.told] == [
        (("owner",), "Scene tool: on_partner_message failed with a bug (KeyError); the host's log has it.")
    ]


async def test_next_message_is_heard_though_one_fails(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    bot = a_tool(harness)
    await bot.starts()

    async def fails(*_: object) -> bool:
        await asyncio.sleep(0)
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(bot.store, "claim", fails)
        await bot.says("look")

    assert await bot.says("look") == ["owner in owner"]


async def test_grant_ends_with_its_last_day(harness: Harness) -> None:
    bot = a_tool(harness)
    grant = replace(bot.access.grants["oncall"][0], ends_on=bot.clock.now().date())
    bot.access.grants["oncall"] = (grant,)  # type: ignore[index]
    today = bot.understands("look", role="oncall")
    await bot.clock.advance(timedelta(days=2).total_seconds())

    assert (today, bot.understands("look", role="oncall")) == ("tool look", None)
