"""A newer word on the same matter does not begin the wait for a fallback anew."""

import itertools

from opsbot.core.chat import Chat
from opsbot.core.delivery import DeliveryState
from opsbot.core.errors import ChannelUnavailableError
from opsbot.core.notification import Severity
from opsbot.testing import settled
from tests.pipeline.post import PHONE, A, Post, posting

AWAY = ChannelUnavailableError("away")
MAIL = Chat("mail", "")
NOTICES = itertools.count(1)


async def refresh(post: Post, text: str) -> None:
    """Commit a newer word, which takes the place of the one before: to A, then to the phone, then by mail."""
    notice_id = f"n{next(NOTICES)}"
    states = [DeliveryState.PENDING, DeliveryState.WAITING, DeliveryState.WAITING]
    await post.takes(
        *(
            post.a_notice(
                text, to=chat, rank=rank, state=state, notice_id=notice_id, key="k", severity=Severity.URGENT, supersedes=True
            )
            for rank, (chat, state) in enumerate(zip((A, PHONE, MAIL), states, strict=True))
        )
    )


async def test_word_that_is_renewed_again_and_again_reaches_a_fallback() -> None:
    async with posting("chat", "phone", "mail") as post:
        post.channel.goes_away()
        for number in range(7):
            await refresh(post, f"code {number}")
            await post.clock.advance(10)

        assert post.texts(channel=1)[-1:] == ["code 6"]


async def test_newer_word_goes_to_the_fallback_at_once_while_the_first_one_stays_away() -> None:
    async with posting("chat", "phone", "mail") as post:
        post.channel.goes_away()
        await refresh(post, "code 0")
        await post.clock.advance(61)
        await refresh(post, "code 1")

        assert post.texts(channel=1) == ["code 0", "code 1"]


async def test_fallback_that_fails_as_well_is_passed_over() -> None:
    async with posting("chat", "phone", "mail") as post:
        post.channel.goes_away()
        post.channels[1].goes_away()
        for number in range(7):
            await refresh(post, f"code {number}")
            await post.clock.advance(20)

        assert post.texts(channel=2)


async def test_one_that_is_reached_again_has_its_time_again() -> None:
    async with posting("chat", "phone", "mail") as post:
        post.channel.fails(*[AWAY] * 3)
        await refresh(post, "code 0")
        await post.clock.advance(30)
        arrived = post.texts()
        post.channel.fails(AWAY)
        await refresh(post, "code 1")
        await post.clock.advance(40)
        await settled()

        assert (arrived, post.texts(), post.texts(channel=1)) == (["code 0"], ["code 0", "code 1"], [])
