"""A command's outputs reach the chat: the first at once, the next ones once a second, in place where the channel can edit."""

# ruff: noqa: ARG002 - a hook takes what the surface says, whether it needs it or not

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from opsbot.api import Context, Image, Operation, Output, command
from opsbot.core.output import File
from opsbot.testing import CAPABILITIES, Bot, Harness, settled

EDITS = replace(CAPABILITIES, edits=True)


class Talk(Operation):
    """Say things."""

    @command("count")
    async def count(self, ctx: Context, n: int, pause: float = 0) -> AsyncIterator[str]:
        """Count."""
        for number in range(n):
            if number:
                await ctx.sleep(pause)
            yield f"{number}"

    @command("show")
    async def show(self, ctx: Context) -> AsyncIterator[Output]:
        """Show pictures between lines."""
        yield "a"
        yield "b"
        yield Image(b"png", "picture")
        yield "c"
        yield File("f", b"f")

    @command("ask")
    async def ask(self, ctx: Context) -> AsyncIterator[str]:
        """Ask between lines."""
        yield "before"
        yield f"got {await ctx.ask('Sure?', as_=str)}"

    @command("write")
    async def write(self, ctx: Context) -> AsyncIterator[str]:
        """Write state between lines."""
        yield "a"
        ctx.state["x"] = 1
        yield "b"
        ctx.state["x"] = 2


def texts(bot: Bot) -> list[str]:
    return [message.text for message in bot.sent]


async def test_first_line_leaves_at_once(harness: Harness) -> None:
    bot = harness(Talk())
    bot.channel.holds()
    await bot.starts()
    bot.channel.says("count 2 30", by="owner")
    bot.channel.releases()
    await settled()

    assert texts(bot) == ["0"]


async def test_last_lines_do_not_wait(harness: Harness) -> None:
    bot = harness(Talk())

    await bot.says("count 3 0.1")

    assert (texts(bot), bot.clock.monotonic_s()) == (["0", "1\n2"], 0.2)


async def test_slow_lines_leave_once_a_second(harness: Harness) -> None:
    bot = harness(Talk())

    await bot.says("count 7 0.3")

    assert texts(bot) == ["0", "1\n2\n3", "4\n5\n6"]


async def test_message_grows_in_place_where_the_channel_can_edit(harness: Harness) -> None:
    bot = harness(Talk(), capabilities=EDITS)

    await bot.says("count 4 1")

    assert (texts(bot), [text.text for _, text in bot.channel.edited][-1]) == (["0"], "0\n1\n2\n3")


async def test_new_message_begins_before_the_old_one_is_full(harness: Harness) -> None:
    bot = harness(Talk(), capabilities=replace(EDITS, text_limit_chars=10))

    await bot.says("count 9 1")

    assert all(len(text) <= 10 for text in texts(bot))
    assert len(texts(bot)) > 1


async def test_flood_keeps_its_head_and_tail(harness: Harness) -> None:
    bot = harness(Talk())

    await bot.says("count 5000")

    *shown, whole = bot.sent
    lines = "\n".join(message.text for message in shown).splitlines()
    assert (lines[0], lines[-1], len(lines) < 500) == ("0", "4999", True)
    assert any(line.endswith("lines left out]") for line in lines)
    assert whole.attachment is not None
    assert whole.attachment.content.splitlines() == [str(number).encode() for number in range(5000)]


async def test_pictures_and_files_keep_their_place_between_lines(harness: Harness) -> None:
    bot = harness(Talk())

    await bot.says("show")

    shown = [(message.text, message.attachment.name if message.attachment else "") for message in bot.sent]
    assert shown == [("a\nb", ""), ("picture", "image.png"), ("c", ""), ("", "f")]


async def test_what_a_command_writes_is_durable_at_its_end(harness: Harness) -> None:
    bot = harness(Talk())

    await bot.says("write")

    assert bot.state == {"x": 2}


async def test_answer_reaches_a_chat_that_was_away_once_it_is_back(harness: Harness) -> None:
    bot = harness(Talk())
    await bot.starts()
    bot.channel.says("count 3", by="owner")
    bot.channel.goes_away()
    await bot.passes(seconds=5)
    before = texts(bot)
    bot.channel.comes_back()
    await bot.passes(seconds=30)

    assert (before, texts(bot)) == ([], ["0", "1\n2"])


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_lines_that_were_left_out_are_counted(harness: Harness, language: str) -> None:
    bot = harness(Talk(), language="zh" if language == "zh" else "en", capabilities=replace(EDITS, text_limit_chars=5000))

    await bot.says("count 301")

    last = bot.channel.edited[-1][1].text
    assert {"en": "[101 lines left out]", "zh": "[省略 101 行]"}[language] in last
