"""What the outbox holds leaves: in order, once where that can be known, and never blocked by what cannot be sent."""

import itertools
from dataclasses import replace

import pytest

from opsbot.core.change import Change
from opsbot.core.chat import Attachment
from opsbot.core.delivery import DeliveryState
from opsbot.core.errors import ChannelUnavailableError, MessageRejectedError
from opsbot.core.notification import Severity
from opsbot.core.output import File, Image, Markdown, QrCode
from opsbot.pipeline.hooks import Manners
from opsbot.pipeline.notify import LOOK_AGAIN_S
from opsbot.testing import CAPABILITIES, FakeClock, FakeStore, settled
from tests.pipeline.post import PHONE, SECRET, A, B, Post, posting

AWAY = ChannelUnavailableError("away")
PERHAPS = ChannelUnavailableError("no answer", maybe_sent=True)
REFUSED = MessageRejectedError("forbidden")
REPEATED = "(repeated: I cannot tell whether this arrived before)\n"
PENDING, WAITING, SENT, FAILED, DROPPED = (
    DeliveryState.PENDING,
    DeliveryState.WAITING,
    DeliveryState.SENT,
    DeliveryState.FAILED,
    DeliveryState.DROPPED,
)


# Order


async def test_deliveries_of_a_chat_leave_in_their_order() -> None:
    async with posting() as post:
        await post.takes(*(post.a_delivery(f"{n}") for n in range(5)))

        assert post.texts() == ["0", "1", "2", "3", "4"]
        assert set(post.states()) == {SENT}


async def test_failed_delivery_holds_up_its_chat_until_it_was_sent() -> None:
    async with posting() as post:
        post.channel.fails(AWAY)
        await post.takes(post.a_delivery("first"), post.a_delivery("second"))

        before = post.texts()
        await post.clock.advance(0.5)

        assert (before, post.texts()) == ([], ["first", "second"])


async def test_failed_delivery_holds_up_no_other_chat() -> None:
    async with posting() as post:
        post.channel.fails(AWAY)
        await post.takes(post.a_delivery("first"), post.a_delivery("second", to=B))

        assert post.texts() == ["second"]


async def test_channel_that_hangs_holds_up_no_other_channel() -> None:
    async with posting("chat", "phone") as post:
        post.channel.holds()
        await post.takes(post.a_delivery("first"), post.a_delivery("second", to=PHONE))

        assert (post.texts(), post.texts(channel=1)) == ([], ["second"])


async def test_delivery_waits_for_its_time() -> None:
    async with posting() as post:
        await post.takes(post.a_delivery(wait_s=5))

        await post.clock.advance(4.9)
        before = post.texts()
        await post.clock.advance(0.1)

        assert (before, post.texts()) == ([], ["hello"])


async def test_outbox_is_looked_at_again_though_nobody_says_so() -> None:
    async with posting() as post:
        await post.store.commit(Change(deliveries=(post.a_delivery(),)))

        await post.clock.advance(LOOK_AGAIN_S)

        assert post.texts() == ["hello"]


# Failures


async def test_pauses_between_attempts_double() -> None:
    async with posting() as post:
        post.channel.fails(*[AWAY] * 4)
        await post.takes(post.a_delivery())
        attempts = []
        for _ in range(4):
            attempts.append(post.store.outbox.deliveries[0].not_before)
            await post.clock.jump()
            await settled()

        waits = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(attempts)]
        assert (waits, post.texts()) == ([1, 2, 4], ["hello"])


async def test_platform_that_says_when_is_asked_no_earlier() -> None:
    async with posting() as post:
        post.channel.fails(ChannelUnavailableError("busy", retry_after_s=40))
        await post.takes(post.a_delivery())

        await post.clock.advance(39)
        before = post.texts()
        await post.clock.advance(1)

        assert (before, post.texts()) == ([], ["hello"])


async def test_rejected_message_does_not_block_the_next() -> None:
    async with posting() as post:
        post.channel.fails(REFUSED)
        await post.takes(post.a_delivery("first"), post.a_delivery("second"))

        assert (post.texts(), post.states()) == (["second"], [FAILED, SENT])


async def test_reason_of_a_rejection_is_kept() -> None:
    async with posting() as post:
        post.channel.fails(REFUSED)
        await post.takes(post.a_delivery())

        assert post.store.outbox.deliveries[0].reason == "forbidden"


async def test_message_that_was_surely_not_sent_is_not_called_repeated() -> None:
    async with posting() as post:
        post.channel.fails(AWAY)
        await post.takes(post.a_delivery())

        await post.clock.advance(1)

        assert post.texts() == ["hello"]


async def test_message_that_may_have_arrived_is_repeated_and_says_so() -> None:
    async with posting() as post:
        post.channel.fails(PERHAPS)
        await post.takes(post.a_delivery())

        await post.clock.advance(1)

        assert post.texts() == [f"{REPEATED}hello"]


async def test_doubt_stays_over_attempts_that_surely_failed() -> None:
    async with posting() as post:
        post.channel.fails(PERHAPS, AWAY)
        await post.takes(post.a_delivery())

        await post.clock.advance(5)

        assert post.texts() == [f"{REPEATED}hello"]


async def test_message_that_a_crash_cut_off_is_repeated_and_says_so() -> None:
    store, clock = FakeStore(), FakeClock()
    async with posting(store=store, clock=clock) as post:
        post.channel.holds()
        await post.takes(post.a_delivery())
    await store.recover(clock.now())

    async with posting(store=store, clock=clock) as post:
        assert post.texts() == [f"{REPEATED}hello"]


async def test_message_whose_first_piece_was_sent_says_that_it_is_repeated() -> None:
    async with posting(capabilities=replace(CAPABILITIES, text_limit_chars=60)) as post:
        post.channel.fails(None, AWAY)
        await post.takes(post.a_delivery("x" * 60 + "\n" + "y" * 60))

        await post.clock.advance(1)

        assert post.texts() == ["x" * 60, REPEATED.strip(), "x" * 60, "y" * 60]


async def test_retry_carries_the_same_key() -> None:
    async with posting() as post:
        post.channel.fails(PERHAPS)
        [delivery_id] = await post.takes(post.a_delivery())
        await post.clock.advance(1)

        assert [message.key for message in post.channel.sent] == [f"{delivery_id}.0"]


# The account


async def test_nothing_leaves_while_nobody_is_logged_in() -> None:
    async with posting(capabilities=replace(CAPABILITIES, has_account=True)) as post:
        await post.takes(post.a_delivery())
        before = post.texts()
        post.links[0].logged_in("wxid", "Alice", post.clock.now())
        await settled()

        assert (before, post.texts(), post.store.outbox.deliveries[0].attempts) == ([], ["hello"], 1)


async def test_logout_stops_the_sending_and_login_resumes_it() -> None:
    async with posting(capabilities=replace(CAPABILITIES, has_account=True)) as post:
        post.links[0].logged_in("wxid", "Alice", post.clock.now())
        await settled()
        post.links[0].logged_out()
        await post.takes(post.a_delivery())
        await post.clock.advance(LOOK_AGAIN_S)
        before = post.texts()
        post.links[0].logged_in("wxid", "Alice", post.clock.now())
        await settled()

        assert (before, post.texts()) == ([], ["hello"])


# Superseding


async def test_older_word_that_has_not_left_is_not_sent() -> None:
    async with posting() as post:
        await post.takes(post.a_notice("old", key="k", wait_s=5))
        await post.takes(post.a_notice("new", key="k", supersedes=True, wait_s=5))

        await post.clock.advance(5)

        assert post.texts() == ["new"]


async def test_word_that_is_superseded_while_another_message_leaves_is_not_sent() -> None:
    async with posting() as post:
        post.channel.holds()
        await post.takes(post.a_delivery("slow"), post.a_notice("old", key="k", severity=Severity.URGENT))
        await post.takes(post.a_notice("new", key="k", severity=Severity.URGENT, supersedes=True))
        post.channel.releases()
        await settled()

        assert post.texts() == ["slow", "new"]


# Fallbacks


async def with_fallbacks(post: Post) -> None:
    await post.takes(
        *(
            post.a_notice("help", to=chat, rank=rank, state=state, notice_id="n", severity=Severity.URGENT)
            for rank, (chat, state) in enumerate([(A, PENDING), (PHONE, WAITING), (B, WAITING)])
        )
    )


async def test_fallback_is_not_used_when_the_first_one_is_reached() -> None:
    async with posting("chat", "phone") as post:
        await with_fallbacks(post)
        await post.clock.advance(minutes=10)

        assert (post.texts(), post.texts(channel=1), post.states()) == (["help"], [], [SENT, DROPPED, DROPPED])


async def test_fallback_starts_at_once_when_the_first_one_is_refused() -> None:
    async with posting("chat", "phone") as post:
        post.channel.fails(REFUSED)
        await with_fallbacks(post)

        assert (post.texts(), post.texts(channel=1)) == ([], ["help"])


async def test_fallback_starts_when_the_first_one_cannot_be_reached_for_a_minute() -> None:
    async with posting("chat", "phone") as post:
        post.channel.goes_away()
        await with_fallbacks(post)
        await post.clock.advance(59)
        before = post.texts(channel=1)
        await post.clock.advance(2)

        assert (before, post.texts(channel=1)) == ([], ["help"])


async def test_fallback_starts_when_nobody_is_logged_in_for_a_minute() -> None:
    async with posting("chat", "phone", capabilities=replace(CAPABILITIES, has_account=True)) as post:
        post.links[1].logged_in("wxid", "Alice", post.clock.now())
        await with_fallbacks(post)
        await post.clock.advance(61)

        assert (post.texts(), post.texts(channel=1)) == ([], ["help"])


async def test_fallbacks_are_tried_in_their_order() -> None:
    async with posting("chat", "phone") as post:
        post.channel.fails(REFUSED)
        post.channels[1].fails(REFUSED)
        await with_fallbacks(post)

        assert (post.texts(), post.states()) == (["help"], [FAILED, FAILED, SENT])


async def test_first_one_still_gets_the_message_after_a_fallback_was_used() -> None:
    async with posting("chat", "phone") as post:
        post.channel.fails(*[AWAY] * 8)
        await with_fallbacks(post)
        await post.clock.advance(minutes=3)

        assert (post.texts(), post.texts(channel=1)) == (["help"], ["help"])


# Groups and rate


async def test_what_comes_together_leaves_as_one_message_that_counts_the_rest() -> None:
    async with posting() as post:
        await post.takes(*(post.a_notice(f"error {n}", wait_s=5) for n in range(8)))

        await post.clock.advance(5)

        assert post.texts() == ["error 0\nerror 1\nerror 2\nerror 3\nerror 4\n… and 3 more"]
        assert set(post.states()) == {SENT}


async def test_what_is_urgent_or_of_another_scene_travels_alone() -> None:
    async with posting() as post:
        await post.takes(
            post.a_notice("one"),
            post.a_notice("two"),
            post.a_notice("urgent", severity=Severity.URGENT),
            post.a_notice("x", scene="y"),
        )

        assert post.texts() == ["urgent", "one\ntwo", "x"]


async def test_chat_gets_no_more_than_its_messages_per_minute() -> None:
    async with posting(manners=Manners(per_chat_per_minute=3)) as post:
        for n in range(10):
            await post.takes(post.a_notice(f"{n}"))
            await post.clock.advance(1)
        before = post.texts()
        await post.clock.advance(minutes=1)

        assert (before, post.texts()[3:]) == (["0", "1", "2"], ["3\n4\n5\n6\n7\n… and 2 more"])


async def test_urgent_messages_and_replies_are_not_held_back_by_the_rate() -> None:
    async with posting(manners=Manners(per_chat_per_minute=1)) as post:
        await post.takes(post.a_notice("one"))
        await post.takes(post.a_notice("two"))
        await post.takes(post.a_notice("urgent", severity=Severity.URGENT), post.a_delivery("reply"))

        assert post.texts() == ["one", "urgent", "reply"]


async def test_rate_of_one_chat_is_not_that_of_another() -> None:
    async with posting(manners=Manners(per_chat_per_minute=1)) as post:
        await post.takes(post.a_notice("one"))
        await post.takes(post.a_notice("two", to=B))

        assert post.texts() == ["one", "two"]


# Rendering


async def test_code_is_drawn_and_its_payload_is_not_in_the_text() -> None:
    async with posting() as post:
        await post.takes(post.a_delivery(QrCode("http://weixin.qq.com/x/1", "Scan http://weixin.qq.com/x/1")))

        [message] = post.channel.sent
        assert message.attachment == Attachment("qr.png", "image/png", b"PNG of http://weixin.qq.com/x/1")
        assert message.text == "Scan [masked]"


async def test_picture_that_has_expired_leaves_as_its_caption() -> None:
    async with posting() as post:
        post.channel.goes_away()
        await post.takes(replace(post.a_delivery(QrCode("x", "scan this")), expires_at=post.clock.now()))
        post.channel.comes_back()
        await post.clock.advance(1)

        [message] = post.channel.sent
        assert (message.text, message.attachment) == ("scan this\n(the picture has expired and is left out)", None)


async def test_text_does_not_expire() -> None:
    async with posting() as post:
        await post.takes(replace(post.a_delivery("still true"), expires_at=post.clock.now()))

        assert post.texts() == ["still true"]


async def test_channel_that_takes_no_files_gets_the_caption() -> None:
    async with posting(capabilities=replace(CAPABILITIES, attachments=False)) as post:
        await post.takes(post.a_delivery(Image(b"png", "a picture")))

        assert [(message.text, message.attachment) for message in post.channel.sent] == [("a picture", None)]


async def test_file_goes_with_its_caption() -> None:
    async with posting() as post:
        await post.takes(post.a_delivery(File("a.log", b"lines", "the log", "text/plain")))

        [message] = post.channel.sent
        assert (message.text, message.attachment) == ("the log", Attachment("a.log", "text/plain", b"lines"))


async def test_secrets_are_masked() -> None:
    async with posting() as post:
        await post.takes(post.a_delivery(f"token={SECRET}"), post.a_delivery(Markdown(f"*{SECRET}*")))

        assert post.texts() == ["token=[masked]", "*[masked]*"]


async def test_secrets_are_masked_in_groups() -> None:
    async with posting() as post:
        await post.takes(post.a_notice(f"token={SECRET}"), post.a_notice("other"))

        assert post.texts() == ["token=[masked]\nother"]


async def test_long_text_is_split() -> None:
    async with posting(capabilities=replace(CAPABILITIES, text_limit_chars=7)) as post:
        await post.takes(post.a_delivery("one\ntwo\nthree"))

        assert post.texts() == ["one\ntwo", "three"]


async def test_very_long_text_goes_as_a_file_behind_its_beginning() -> None:
    async with posting(capabilities=replace(CAPABILITIES, text_limit_chars=10)) as post:
        whole = "\n".join(f"line {n}" for n in range(50))
        await post.takes(post.a_delivery(whole))

        assert post.texts() == ["line 0", "The whole output is in the file."]
        assert post.channel.sent[-1].attachment == Attachment("output.txt", "text/plain; charset=utf-8", whole.encode())


async def test_text_that_is_no_unicode_leaves_nevertheless() -> None:
    async with posting() as post:
        await post.takes(post.a_delivery("half \ud83d"), post.a_delivery("next"))

        assert post.texts() == ["half ?", "next"]


async def test_empty_text_sends_nothing_and_is_done() -> None:
    async with posting() as post:
        await post.takes(post.a_delivery(""), post.a_delivery("next"))

        assert (post.texts(), post.states()) == (["next"], [SENT, SENT])


# Edits

EDITS = replace(CAPABILITIES, edits=True)


async def test_edit_replaces_the_message_in_place() -> None:
    async with posting(capabilities=EDITS) as post:
        [first] = await post.takes(post.a_delivery("50 %"))
        await post.takes(post.a_delivery("100 %", edits=first))

        assert (post.texts(), [(number, message.text) for number, message in post.channel.edited]) == (
            ["50 %"],
            [("sent-1", "100 %")],
        )


async def test_edit_that_is_refused_is_sent_as_a_message() -> None:
    async with posting(capabilities=EDITS) as post:
        [first] = await post.takes(post.a_delivery("50 %"))
        post.channel.fails(REFUSED)
        await post.takes(post.a_delivery("100 %", edits=first))

        assert post.texts() == ["50 %", "100 %"]


async def test_edit_of_what_was_never_sent_is_sent_as_a_message() -> None:
    async with posting(capabilities=EDITS) as post:
        post.channel.fails(REFUSED)
        [first] = await post.takes(post.a_delivery("50 %"))
        await post.takes(post.a_delivery("100 %", edits=first))

        assert (post.texts(), post.channel.edited) == (["100 %"], [])


@pytest.mark.parametrize("limit", [3])
async def test_edit_that_is_too_long_goes_on_in_a_new_message(limit: int) -> None:
    async with posting(capabilities=replace(EDITS, text_limit_chars=limit)) as post:
        [first] = await post.takes(post.a_delivery("one"))
        await post.takes(post.a_delivery("one\ntwo", edits=first))

        assert ([message.text for _, message in post.channel.edited], post.texts()) == (["one"], ["one", "two"])


async def test_flood_of_texts_holds_up_nothing_that_somebody_waits_for() -> None:
    async with posting(manners=Manners(per_chat_per_minute=1)) as post:
        await post.takes(*(post.a_notice(f"{n}") for n in range(200)))
        await post.takes(post.a_notice("urgent", severity=Severity.URGENT))
        await post.clock.advance(10)

        assert post.texts() == ["0\n1\n2\n3\n4\n… and 195 more", "urgent"]


async def test_what_a_log_could_smuggle_into_a_chat_is_taken_out() -> None:
    async with posting() as post:
        await post.takes(post.a_notice("\x1b[31mred\x1b[0m \u202eevil\x00 @all", severity=Severity.URGENT))

        assert post.texts() == ["red evil ＠all"]
