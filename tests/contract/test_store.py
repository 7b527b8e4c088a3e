"""What every store promises (`opsbot.core.ports.Store`)."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsbot.adapters.stores.sqlite import SqliteStore
from opsbot.adapters.stores.sqlite.schema import SCHEMA_VERSION
from opsbot.core.change import Alert, Change, Job, JobState, Json, StateWrite, Timer
from opsbot.core.chat import Chat
from opsbot.core.delivery import Delivery, DeliveryState
from opsbot.core.errors import StateError
from opsbot.core.log import UNNAMED, Checkpoint, marker_of
from opsbot.core.notification import Severity
from opsbot.core.output import File, Image, Markdown, Output, QrCode
from opsbot.core.store import Store
from opsbot.testing.store import FakeStore

NOW = datetime(2026, 11, 20, 8, 30, 0, 123457, tzinfo=UTC)
SOON = NOW + timedelta(seconds=30)
LATER = NOW + timedelta(minutes=5)
ALICE = Chat("local", "alice")
BOB = Chat("local", "bob")
ROOM = Chat("local", "ops", is_room=True)

MAKERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Store]]] = {
    "fake": lambda _folder: FakeStore(),
    "sqlite-file": lambda folder: SqliteStore(folder / "opsbot.db"),
    "sqlite-memory": lambda _folder: SqliteStore(None),
}


@pytest.fixture(params=sorted(MAKERS))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with MAKERS[request.param](tmp_path) as entered:
        yield entered


def a_delivery(text: Output = "hello", /, *, to: Chat = ALICE, **changes: Any) -> Delivery:
    values: dict[str, Any] = {"notice_id": "", "created_at": NOW, "not_before": NOW, "scene": "watch", "key": ""}
    return Delivery(chat=to, output=text, **(values | changes))


def a_checkpoint(**changes: Any) -> Checkpoint:
    values: dict[str, Any] = {"source": "bob", "path": "/log/bob.log", "device": 64769, "inode": 7, "offset": 42}
    return Checkpoint(**(values | changes))


def a_job(**changes: Any) -> Job:
    values: dict[str, Any] = {
        "job_id": "j1",
        "message_key": "local:1",
        "person": "ann",
        "chat": ALICE,
        "scene": "pm2",
        "text": "restart",
        "started_at": NOW,
    }
    return Job(**(values | changes))


def an_alert(**changes: Any) -> Alert:
    values: dict[str, Any] = {"scene": "qr", "key": "bob", "reminder": "still out", "opened_at": NOW, "next_at": SOON}
    return Alert(**(values | changes))


async def enqueue(store: Store, *deliveries: Delivery) -> list[int]:
    return list(await store.commit(Change(deliveries=deliveries)))


async def texts_due(store: Store, now: datetime = NOW, channel: str = "local") -> list[Output]:
    return [delivery.output for delivery in await store.due(channel, now)]


async def attempt_fails(store: Store, delivery_id: int, until: datetime = SOON, *, maybe_sent: bool = False) -> None:
    await store.begin([delivery_id])
    await store.postpone([delivery_id], until, "away", maybe_sent=maybe_sent)


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


# What goes in comes out


@pytest.mark.parametrize(
    "output",
    [
        "",
        "重启 ✓ \x00 \ud800 line\nline",
        Markdown("**bold** 粗体"),
        QrCode("http://weixin.qq.com/x/AbC", caption="扫码"),
        Image(bytes(range(256)), caption="now", name="a.gif", media_type="image/gif"),
        File("日志.txt", b"", caption="", media_type="text/plain"),
        File("core", b"\x00" * 300_000),
    ],
    ids=["empty", "odd-text", "markdown", "qr", "image", "empty-file", "large-file"],
)
async def test_output_comes_back_as_it_was(store: Store, output: Output) -> None:
    await enqueue(store, a_delivery(output))

    assert await texts_due(store) == [output]


async def test_delivery_comes_back_as_it_was(store: Store) -> None:
    delivery = a_delivery(
        "x",
        to=ROOM,
        notice_id="n1",
        created_at=NOW - timedelta(microseconds=1),
        scene="看",
        key="caf\udce9",
        severity=Severity.URGENT,
        is_reply=True,
        supersedes=True,
        rank=2,
        expires_at=LATER,
        edits=9,
    )

    [delivery_id] = await enqueue(store, delivery)

    assert await store.due("local", NOW) == [replace(delivery, delivery_id=delivery_id)]


async def test_ids_come_in_the_order_of_the_deliveries_and_grow(store: Store) -> None:
    first = await enqueue(store, a_delivery("a"), a_delivery("b"))
    second = await enqueue(store, a_delivery("c"))

    assert [delivery.delivery_id for delivery in await store.due("local", NOW)] == first + second == sorted(first + second)


async def test_ids_grow_even_after_everything_was_pruned(store: Store) -> None:
    [old] = await enqueue(store, a_delivery())
    await store.settle([old])
    await store.prune(LATER)

    [new] = await enqueue(store, a_delivery())

    assert new > old


# Checkpoints


async def test_checkpoint_is_replaced_by_a_later_one_of_the_same_file(store: Store) -> None:
    moved = a_checkpoint(path="/log/bob.log.1", offset=99, marker=b"\x00\xff\n")
    await store.commit(Change(checkpoints=(a_checkpoint(), a_checkpoint(inode=8))))

    await store.commit(Change(checkpoints=(moved,)))

    assert set(await store.checkpoints("bob")) == {moved, a_checkpoint(inode=8)}


async def test_checkpoint_keeps_names_that_are_not_utf8_and_numbers_of_64_bits(store: Store) -> None:
    odd = a_checkpoint(path="/log/caf\udce9.log", device=2**64 - 1, inode=2**63)

    await store.commit(Change(checkpoints=(odd,)))

    assert await store.checkpoints("bob") == [odd]


async def test_checkpoints_of_other_sources_are_not_given(store: Store) -> None:
    await store.commit(Change(checkpoints=(a_checkpoint(source="eve"),)))

    assert await store.checkpoints("bob") == []


async def test_forgotten_checkpoint_is_gone(store: Store) -> None:
    await store.commit(Change(checkpoints=(a_checkpoint(inode=2**64 - 7), a_checkpoint(inode=8))))

    await store.commit(Change(forgotten=(("bob", 64769, 2**64 - 7),)))

    assert await store.checkpoints("bob") == [a_checkpoint(inode=8)]


async def test_new_file_with_the_inode_of_a_forgotten_one_keeps_its_checkpoint(store: Store) -> None:
    await store.commit(Change(checkpoints=(a_checkpoint(),)))

    await store.commit(Change(forgotten=(("bob", 64769, 7),), checkpoints=(a_checkpoint(offset=0),)))

    assert await store.checkpoints("bob") == [a_checkpoint(offset=0)]


# State, timers, alerts


@pytest.mark.parametrize("value", [False, 0, "", [], {"深": [1, 2.5, None, "\ud800"]}, 2**70])
async def test_state_is_recovered(store: Store, value: Json) -> None:
    await store.commit(Change(state=(StateWrite("qr", "k", value), StateWrite("pm2", "k", 1))))

    assert (await store.recover(NOW)).state == {"qr": {"k": value}, "pm2": {"k": 1}}


async def test_state_written_as_none_is_gone(store: Store) -> None:
    await store.commit(Change(state=(StateWrite("qr", "a", 1), StateWrite("qr", "b", 2))))

    await store.commit(Change(state=(StateWrite("qr", "a", None),)))

    assert (await store.recover(NOW)).state == {"qr": {"b": 2}}


async def test_last_write_of_a_change_wins(store: Store) -> None:
    await store.commit(Change(state=(StateWrite("qr", "a", 1), StateWrite("qr", "a", 2))))

    assert (await store.recover(NOW)).state == {"qr": {"a": 2}}


async def test_timers_come_soonest_first(store: Store) -> None:
    await store.commit(Change(timers=(Timer("qr", "late", LATER), Timer("qr", "soon", SOON))))

    assert list(await store.timers()) == [Timer("qr", "soon", SOON), Timer("qr", "late", LATER)]


async def test_timer_set_again_replaces_the_first(store: Store) -> None:
    await store.commit(Change(timers=(Timer("qr", "k", SOON), Timer("pm2", "k", SOON))))

    await store.commit(Change(timers=(Timer("qr", "k", LATER),)))

    assert list(await store.timers()) == [Timer("pm2", "k", SOON), Timer("qr", "k", LATER)]


async def test_timer_without_a_time_is_cleared(store: Store) -> None:
    await store.commit(Change(timers=(Timer("qr", "k", SOON), Timer("qr", "l", SOON))))

    await store.commit(Change(timers=(Timer("qr", "k", None),)))

    assert (await store.recover(NOW)).timers == (Timer("qr", "l", SOON),)


async def test_alert_is_replaced_by_scene_and_key(store: Store) -> None:
    acknowledged = an_alert(next_at=None, repeats=3, acknowledged_by="ann")
    await store.commit(Change(alerts=(an_alert(), an_alert(key="eve"))))

    await store.commit(Change(alerts=(acknowledged,)))

    assert set(await store.alerts()) == {acknowledged, an_alert(key="eve")} == set((await store.recover(NOW)).alerts)


async def test_resolved_alert_is_closed(store: Store) -> None:
    await store.commit(Change(alerts=(an_alert(), an_alert(key="eve"))))

    await store.commit(Change(resolved=(("qr", "bob"), ("qr", "nobody"))))

    assert list(await store.alerts()) == [an_alert(key="eve")]


async def test_alert_opened_and_resolved_in_one_change_stays_open(store: Store) -> None:
    await store.commit(Change(alerts=(an_alert(),), resolved=(("qr", "bob"),)))

    assert list(await store.alerts()) == [an_alert()]


# Jobs and messages


async def test_message_is_claimed_once(store: Store) -> None:
    first = await store.claim("local:1", NOW)
    second = await store.claim("local:1", LATER)

    assert (first, second) == (True, False)


async def test_of_many_claims_at_once_one_succeeds(store: Store) -> None:
    async with asyncio.TaskGroup() as group:
        claims = [group.create_task(store.claim("local:1", NOW)) for _ in range(20)]

    assert sum(claim.result() for claim in claims) == 1


async def test_job_of_a_claim_is_stored(store: Store) -> None:
    await store.claim("local:1", NOW, a_job())

    assert (await store.recover(SOON)).interrupted == (a_job(state=JobState.INTERRUPTED, ended_at=SOON),)


async def test_job_of_a_message_seen_before_is_not_stored(store: Store) -> None:
    await store.claim("local:1", NOW)

    await store.claim("local:1", NOW, a_job())

    assert (await store.recover(NOW)).interrupted == ()


async def test_job_interrupted_by_a_crash_is_told_once(store: Store) -> None:
    await store.claim("local:1", NOW, a_job())
    await store.recover(NOW)

    assert (await store.recover(NOW)).interrupted == ()


async def test_job_that_ended_is_not_interrupted(store: Store) -> None:
    await store.claim("local:1", NOW, a_job())
    await store.commit(Change(jobs=(a_job(state=JobState.DONE, ended_at=SOON),)))

    assert (await store.recover(LATER)).interrupted == ()


# When a delivery may leave


async def test_delivery_is_due_at_its_time_and_not_before(store: Store) -> None:
    await enqueue(store, a_delivery(not_before=SOON))

    assert await texts_due(store, SOON - timedelta(microseconds=1)) == []
    assert await texts_due(store, SOON) == ["hello"]


async def test_delivery_of_another_channel_is_not_given(store: Store) -> None:
    await enqueue(store, a_delivery(to=Chat("wechaty", "alice")))

    assert await texts_due(store) == []


async def test_oldest_come_first_up_to_the_limit(store: Store) -> None:
    await enqueue(store, a_delivery("a"), a_delivery("b", to=BOB), a_delivery("c"))

    assert [delivery.output for delivery in await store.due("local", NOW, limit=2)] == ["a", "b"]


async def test_fallback_that_waits_is_not_due(store: Store) -> None:
    await enqueue(store, a_delivery(state=DeliveryState.WAITING, rank=1, notice_id="n"))

    assert await texts_due(store, LATER) == []


async def test_nothing_overtakes_a_retry_in_its_chat(store: Store) -> None:
    [first, *_] = await enqueue(store, a_delivery("first"), a_delivery("second"), a_delivery("elsewhere", to=BOB))

    await attempt_fails(store, first, until=SOON)

    assert await texts_due(store, NOW) == ["elsewhere"]
    assert await texts_due(store, SOON) == ["first", "second", "elsewhere"]


async def test_retry_does_not_block_what_is_older(store: Store) -> None:
    [_, second] = await enqueue(store, a_delivery("first"), a_delivery("second"))

    await attempt_fails(store, second, until=SOON)

    assert await texts_due(store, NOW) == ["first"]


async def test_chat_of_the_same_id_on_another_channel_is_not_blocked(store: Store) -> None:
    [first, _] = await enqueue(store, a_delivery("first"), a_delivery("other", to=Chat("wechaty", "alice")))

    await attempt_fails(store, first)

    assert await texts_due(store, NOW, "wechaty") == ["other"]


async def test_delivery_that_waits_for_its_group_blocks_nobody(store: Store) -> None:
    await enqueue(store, a_delivery("grouped", not_before=SOON), a_delivery("urgent"))

    assert await texts_due(store, NOW) == ["urgent"]


async def test_rejected_message_does_not_block_the_next(store: Store) -> None:
    [first, _] = await enqueue(store, a_delivery("first"), a_delivery("second"))
    await attempt_fails(store, first, until=LATER)

    await store.fail([first], "too large")

    assert await texts_due(store, NOW) == ["second"]


async def test_next_due_is_the_soonest_of_the_channel(store: Store) -> None:
    await enqueue(store, a_delivery(not_before=LATER), a_delivery(not_before=SOON), a_delivery(to=Chat("wechaty", "x")))

    assert await store.next_due_at("local") == SOON


async def test_next_due_of_an_empty_outbox_is_none(store: Store) -> None:
    await enqueue(store, a_delivery(state=DeliveryState.WAITING, rank=1, notice_id="n"))

    assert await store.next_due_at("local") is None


async def test_what_stands_behind_a_retry_is_due_with_the_retry(store: Store) -> None:
    [first, _] = await enqueue(store, a_delivery("first"), a_delivery("second"))

    await attempt_fails(store, first, until=SOON)

    assert await store.next_due_at("local") == SOON


async def test_what_stands_before_a_retry_is_due_without_it(store: Store) -> None:
    [_, second] = await enqueue(store, a_delivery("first"), a_delivery("second"))

    await attempt_fails(store, second, until=SOON)

    assert await store.next_due_at("local") == NOW


# Attempts


async def test_attempt_that_began_is_counted_and_may_have_arrived(store: Store) -> None:
    [delivery_id] = await enqueue(store, a_delivery())

    await store.begin([delivery_id])

    [delivery] = await store.due("local", NOW)
    assert (delivery.state, delivery.attempts, delivery.maybe_sent) == (DeliveryState.PENDING, 1, True)


async def test_attempt_that_a_crash_cut_off_stays_pending_and_marked(store: Store) -> None:
    [delivery_id] = await enqueue(store, a_delivery())
    await store.begin([delivery_id])

    await store.recover(NOW)

    [delivery] = await store.due("local", NOW)
    assert (delivery.state, delivery.maybe_sent) == (DeliveryState.PENDING, True)


async def test_attempt_that_surely_failed_leaves_no_doubt(store: Store) -> None:
    [delivery_id] = await enqueue(store, a_delivery())

    await attempt_fails(store, delivery_id, until=SOON, maybe_sent=False)

    [delivery] = await store.due("local", SOON)
    assert (delivery.attempts, delivery.maybe_sent, delivery.not_before, delivery.reason) == (1, False, SOON, "away")


async def test_doubt_about_one_attempt_outlives_the_next(store: Store) -> None:
    [delivery_id] = await enqueue(store, a_delivery())
    await attempt_fails(store, delivery_id, maybe_sent=True)

    await attempt_fails(store, delivery_id, until=SOON, maybe_sent=False)

    [delivery] = await store.due("local", SOON)
    assert (delivery.attempts, delivery.maybe_sent) == (2, True)


async def test_settled_delivery_is_not_due_and_keeps_the_id_of_its_message(store: Store) -> None:
    ids = await enqueue(store, a_delivery("a"), a_delivery("b"))
    await store.begin(ids)

    await store.settle(ids, "m-1")

    assert await texts_due(store, LATER) == []
    assert [await store.sent_message_id(delivery_id) for delivery_id in ids] == ["m-1", "m-1"]


async def test_delivery_that_was_not_sent_has_no_message_id(store: Store) -> None:
    [delivery_id] = await enqueue(store, a_delivery())

    assert [await store.sent_message_id(delivery_id), await store.sent_message_id(404)] == ["", ""]


async def test_failed_delivery_is_kept_with_its_reason(store: Store) -> None:
    [delivery_id, _] = await enqueue(
        store, a_delivery(notice_id="n"), a_delivery(to=BOB, notice_id="n", rank=1, state=DeliveryState.WAITING)
    )
    await store.begin([delivery_id])

    await store.fail([delivery_id], "forbidden")

    [[failed, _]] = await store.stuck()
    assert (failed.state, failed.reason, failed.attempts) == (DeliveryState.FAILED, "forbidden", 1)


# Superseding


async def test_newer_word_drops_what_has_not_left(store: Store) -> None:
    await enqueue(store, a_delivery("old", key="k"))

    await enqueue(store, a_delivery("new", key="k", supersedes=True))

    assert await texts_due(store) == ["new"]


@pytest.mark.parametrize(
    "other",
    [
        a_delivery("other", key="l"),
        a_delivery("other", key="k", scene="pm2"),
        a_delivery("other", key="k", to=BOB),
        a_delivery("other", key="k", is_reply=True),
    ],
    ids=["key", "scene", "chat", "reply"],
)
async def test_other_matters_and_replies_are_not_superseded(store: Store, other: Delivery) -> None:
    await enqueue(store, other)

    await enqueue(store, a_delivery("new", key="k", supersedes=True))

    assert await texts_due(store) == ["other", "new"]


async def test_delivery_without_supersedes_drops_nothing(store: Store) -> None:
    await enqueue(store, a_delivery("old", key="k"), a_delivery("new", key="k"))

    assert await texts_due(store) == ["old", "new"]


async def test_postponed_delivery_is_superseded(store: Store) -> None:
    [old] = await enqueue(store, a_delivery("old", key="k"))
    await attempt_fails(store, old, until=LATER)

    await enqueue(store, a_delivery("new", key="k", supersedes=True))

    assert await texts_due(store) == ["new"]
    assert await texts_due(store, LATER) == ["new"]


async def test_delivery_under_way_is_not_superseded_while_it_may_arrive(store: Store) -> None:
    [old] = await enqueue(store, a_delivery("old", key="k"))
    await store.begin([old])

    await enqueue(store, a_delivery("new", key="k", supersedes=True))

    assert await texts_due(store) == ["old", "new"]


async def test_delivery_superseded_while_under_way_is_dropped_when_its_attempt_fails(store: Store) -> None:
    [old] = await enqueue(store, a_delivery("old", key="k"))
    await store.begin([old])
    await enqueue(store, a_delivery("new", key="k", supersedes=True))

    await store.postpone([old], SOON, "away", maybe_sent=False)

    assert await texts_due(store, LATER) == ["new"]


async def test_delivery_superseded_while_a_crash_cut_it_off_is_dropped(store: Store) -> None:
    [old] = await enqueue(store, a_delivery("old", key="k"))
    await store.begin([old])
    await enqueue(store, a_delivery("new", key="k", supersedes=True))

    await store.recover(NOW)

    assert await texts_due(store) == ["new"]


async def test_waiting_fallback_is_superseded(store: Store) -> None:
    await enqueue(store, a_delivery("old", to=BOB, key="k", notice_id="n1", rank=1, state=DeliveryState.WAITING))

    await enqueue(store, a_delivery("new", to=BOB, key="k", notice_id="n2", supersedes=True))

    assert await store.stuck() == []


async def test_fallbacks_of_a_notice_that_was_superseded_never_start(store: Store) -> None:
    await enqueue(
        store,
        a_delivery("old", key="k", notice_id="n1"),
        a_delivery("old", to=BOB, key="k", notice_id="n1", rank=1, state=DeliveryState.WAITING),
    )

    await enqueue(store, a_delivery("new", key="k", notice_id="n2", supersedes=True))

    assert await store.stuck() == []


async def test_notice_does_not_supersede_itself(store: Store) -> None:
    await enqueue(
        store,
        a_delivery("first", key="k", notice_id="n1", supersedes=True),
        a_delivery("again", key="k", notice_id="n1", supersedes=True, rank=1, state=DeliveryState.WAITING),
    )

    assert await texts_due(store) == ["first"]


async def test_later_edit_drops_the_pending_one_of_the_same_message(store: Store) -> None:
    [original, other] = await enqueue(store, a_delivery("...", is_reply=True), a_delivery("...", is_reply=True))
    await store.settle([original, other], "m")
    await enqueue(store, a_delivery("10 %", edits=original, is_reply=True), a_delivery("other", edits=other, is_reply=True))

    await enqueue(store, a_delivery("20 %", edits=original, is_reply=True))

    assert await texts_due(store) == ["other", "20 %"]


async def test_edit_under_way_is_dropped_when_it_fails_and_a_later_one_stands(store: Store) -> None:
    [original] = await enqueue(store, a_delivery("...", is_reply=True))
    await store.settle([original], "m")
    [first] = await enqueue(store, a_delivery("10 %", edits=original, is_reply=True))
    await store.begin([first])
    await enqueue(store, a_delivery("20 %", edits=original, is_reply=True))

    await store.postpone([first], SOON, "away", maybe_sent=False)

    assert await texts_due(store, NOW) == ["20 %"]


# Fallbacks


async def test_stuck_gives_whole_notices_that_have_fallbacks(store: Store) -> None:
    await enqueue(
        store,
        a_delivery("a", notice_id="n1"),
        a_delivery("a", to=BOB, notice_id="n1", rank=1, state=DeliveryState.WAITING),
        a_delivery("b", notice_id="n2"),
        a_delivery("c", notice_id="n3"),
        a_delivery("c", to=BOB, notice_id="n3", rank=1, state=DeliveryState.WAITING),
    )

    assert [[(d.notice_id, d.rank) for d in notice] for notice in await store.stuck()] == [
        [("n1", 0), ("n1", 1)],
        [("n3", 0), ("n3", 1)],
    ]


async def test_started_rank_is_created_and_due_now(store: Store) -> None:
    await enqueue(
        store,
        a_delivery("a", notice_id="n1", rank=1, state=DeliveryState.WAITING, not_before=LATER),
        a_delivery("b", to=BOB, notice_id="n1", rank=2, state=DeliveryState.WAITING),
        a_delivery("c", notice_id="n2", rank=1, state=DeliveryState.WAITING),
    )

    await store.start_rank("n1", 1, SOON)

    [started] = await store.due("local", SOON)
    assert (started.output, started.created_at, started.not_before) == ("a", SOON, SOON)


async def test_fallbacks_are_not_needed_once_somebody_was_reached(store: Store) -> None:
    [first, _] = await enqueue(
        store, a_delivery(notice_id="n1"), a_delivery(to=BOB, notice_id="n1", rank=1, state=DeliveryState.WAITING)
    )

    await store.settle([first])

    assert await store.stuck() == []


# Pruning


async def test_prune_forgets_old_message_keys_and_keeps_younger_ones(store: Store) -> None:
    await store.claim("old", NOW)
    await store.claim("young", SOON)

    await store.prune(SOON)

    assert (await store.claim("old", SOON), await store.claim("young", SOON)) == (True, False)


async def test_prune_keeps_what_has_not_left(store: Store) -> None:
    await enqueue(store, a_delivery(), a_delivery(state=DeliveryState.WAITING, rank=1, notice_id="n"))

    await store.prune(LATER)

    assert (len(await store.due("local", NOW)), len(await store.stuck())) == (1, 1)


async def test_prune_forgets_old_settled_deliveries(store: Store) -> None:
    [old, young] = await enqueue(store, a_delivery(), a_delivery(created_at=LATER))
    await store.settle([old, young], "m")

    await store.prune(LATER)

    assert [await store.sent_message_id(old), await store.sent_message_id(young)] == ["", "m"]


async def test_prune_keeps_the_message_that_a_pending_edit_is_for(store: Store) -> None:
    [original] = await enqueue(store, a_delivery())
    await store.settle([original], "m")
    await enqueue(store, a_delivery(edits=original))

    await store.prune(LATER)

    assert await store.sent_message_id(original) == "m"


async def test_prune_keeps_running_jobs(store: Store) -> None:
    await store.claim("local:1", NOW, a_job())

    await store.prune(LATER)

    assert len((await store.recover(LATER)).interrupted) == 1


# All or nothing

TOO_MUCH = Change(
    checkpoints=(a_checkpoint(offset=99),),
    state=(StateWrite("qr", "a", 2),),
    deliveries=(a_delivery("small", key="k", supersedes=True), a_delivery(File("core", b"x" * 4_000_000))),
)


@pytest.mark.parametrize("folder", [True, False], ids=["file", "memory"])
async def test_full_disk_is_a_state_error_and_leaves_nothing_behind(tmp_path: Path, folder: bool) -> None:  # noqa: FBT001 a pytest parameter
    async with SqliteStore(tmp_path / "opsbot.db" if folder else None, max_pages=300) as store:
        await store.commit(Change(checkpoints=(a_checkpoint(),), state=(StateWrite("qr", "a", 1),)))
        await enqueue(store, a_delivery("old", key="k"))

        with pytest.raises(StateError, match="the disk is full: free some space"):
            await store.commit(TOO_MUCH)

        assert list(await store.checkpoints("bob")) == [a_checkpoint()]
        assert (await store.recover(NOW)).state == {"qr": {"a": 1}}
        assert await texts_due(store) == ["old"]


async def test_store_works_again_once_there_is_room(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "opsbot.db", max_pages=300) as store:
        with pytest.raises(StateError):
            await store.commit(TOO_MUCH)

        await enqueue(store, a_delivery("small"))

        assert await texts_due(store) == ["small"]


async def test_change_that_cannot_be_stored_leaves_nothing_behind(store: Store) -> None:
    naive = a_delivery(not_before=datetime(2026, 11, 20))  # noqa: DTZ001 a bug in an operation

    with pytest.raises(TypeError):
        await store.commit(Change(checkpoints=(a_checkpoint(),), deliveries=(a_delivery("good"), naive)))

    assert await store.checkpoints("bob") == []
    assert await texts_due(store) == []


# The file


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "opsbot.db") as store:
        await store.claim("local:1", NOW, a_job())
        ids = await store.commit(
            Change(
                checkpoints=(a_checkpoint(),),
                deliveries=(a_delivery("x"),),
                state=(StateWrite("qr", "a", 1),),
                timers=(Timer("qr", "t", SOON),),
                alerts=(an_alert(),),
            )
        )
        await store.begin(ids)

    async with SqliteStore(tmp_path / "opsbot.db") as store:
        recovered = await store.recover(SOON)
        [delivery] = await store.due("local", NOW)
        assert list(await store.checkpoints("bob")) == [a_checkpoint()]
        assert (recovered.state, recovered.timers, recovered.alerts) == (
            {"qr": {"a": 1}},
            (Timer("qr", "t", SOON),),
            (an_alert(),),
        )
        assert [job.job_id for job in recovered.interrupted] == ["j1"]
        assert (delivery.output, delivery.maybe_sent) == ("x", True)
        assert await store.claim("local:1", NOW) is False


async def test_store_can_be_entered_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "opsbot.db")
    async with store:
        await enqueue(store, a_delivery())

    async with store:
        assert await texts_due(store) == ["hello"]


async def test_constructor_touches_no_file(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "opsbot.db")

    assert modes_in(tmp_path) == {}


async def test_nobody_else_can_read_the_files(tmp_path: Path) -> None:
    (tmp_path / "opsbot.db").touch(mode=0o644)
    async with SqliteStore(tmp_path / "opsbot.db") as store:
        await enqueue(store, a_delivery())

        modes = modes_in(tmp_path)

    assert modes == {"opsbot.db": 0o600, "opsbot.db-wal": 0o600, "opsbot.db-shm": 0o600}


async def test_database_of_a_newer_opsbot_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "opsbot.db"
    async with SqliteStore(path):
        pass
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = path.read_bytes()

    with pytest.raises(StateError, match=r"newer opsbot \(schema 3, this one knows 2\): install that version again"):
        await SqliteStore(path).__aenter__()

    assert path.read_bytes() == before


VERSION_1 = """
CREATE TABLE checkpoint (
    source TEXT NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL,
    path TEXT NOT NULL, position INTEGER NOT NULL, marker BLOB NOT NULL,
    PRIMARY KEY (source, device, inode)) WITHOUT ROWID;
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL, chat_id TEXT NOT NULL, is_room INTEGER NOT NULL,
    notice_id TEXT NOT NULL, scene TEXT NOT NULL, key TEXT NOT NULL, severity TEXT NOT NULL,
    created_at INTEGER NOT NULL, not_before INTEGER NOT NULL, expires_at INTEGER,
    is_reply INTEGER NOT NULL, supersedes INTEGER NOT NULL, rank INTEGER NOT NULL, edits INTEGER NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL, maybe_sent INTEGER NOT NULL,
    in_flight INTEGER NOT NULL DEFAULT 0,
    sent_message_id TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE output (
    delivery_id INTEGER PRIMARY KEY REFERENCES delivery (id) ON DELETE CASCADE,
    kind TEXT NOT NULL, fields TEXT NOT NULL, content BLOB);
CREATE VIEW outbox AS SELECT * FROM delivery JOIN output ON delivery_id = id;
CREATE INDEX delivery_pending ON delivery (channel) WHERE state = 'pending';
CREATE INDEX delivery_retry ON delivery (channel, chat_id) WHERE state = 'pending' AND attempts > 0;
CREATE INDEX delivery_matter ON delivery (channel, chat_id, scene, key) WHERE state IN ('pending', 'waiting');
CREATE INDEX delivery_edit ON delivery (edits) WHERE edits > 0;
CREATE INDEX delivery_waiting ON delivery (notice_id) WHERE state = 'waiting';
CREATE INDEX delivery_notice ON delivery (notice_id);
CREATE TABLE state (scene TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (scene, key)) WITHOUT ROWID;
CREATE TABLE timer (scene TEXT NOT NULL, key TEXT NOT NULL, due_at INTEGER NOT NULL, PRIMARY KEY (scene, key)) WITHOUT ROWID;
CREATE TABLE alert (
    scene TEXT NOT NULL, key TEXT NOT NULL, reminder TEXT NOT NULL, opened_at INTEGER NOT NULL, next_at INTEGER,
    repeats INTEGER NOT NULL, acknowledged_by TEXT NOT NULL, PRIMARY KEY (scene, key)) WITHOUT ROWID;
CREATE TABLE job (
    job_id TEXT PRIMARY KEY, message_key TEXT NOT NULL, person TEXT NOT NULL,
    channel TEXT NOT NULL, chat_id TEXT NOT NULL, is_room INTEGER NOT NULL,
    scene TEXT NOT NULL, text TEXT NOT NULL, started_at INTEGER NOT NULL, state TEXT NOT NULL, ended_at INTEGER);
CREATE INDEX job_state ON job (state);
CREATE TABLE message (key TEXT PRIMARY KEY, claimed_at INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO checkpoint VALUES ('bob', 64769, 7, '/log/bob.log', 42, x'6f6c64');
INSERT INTO state VALUES ('qr', 'a', '1');
INSERT INTO message VALUES ('local:1', 1795000000000000);
PRAGMA user_version = 1;
"""
"""What the first opsbot wrote, word for word; it is never changed."""


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    path = tmp_path / "opsbot.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(VERSION_1)
    return path


async def test_database_of_the_first_version_goes_on_where_it_was(version_1: Path) -> None:
    async with SqliteStore(version_1) as store:
        assert list(await store.checkpoints("bob")) == [a_checkpoint(marker=marker_of(b"old"), generation=UNNAMED)]
        assert (await store.recover(NOW)).state == {"qr": {"a": 1}}
        assert not await store.claim("local:1", NOW)


def shape(path: Path) -> tuple[int, set[tuple[str, ...]]]:
    """Give the version, and all columns of all tables; the order in which they were added does not matter."""
    with closing(sqlite3.connect(path)) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view', 'index')").fetchall()
        columns = {(name, *map(str, column[1:])) for (name,) in tables for column in db.execute(f"PRAGMA table_info({name})")}
        return db.execute("PRAGMA user_version").fetchone()[0], columns


async def test_database_of_the_first_version_becomes_one_as_it_is_made_today(version_1: Path, tmp_path: Path) -> None:
    for path in (version_1, tmp_path / "new.db"):
        async with SqliteStore(path) as store:
            await store.commit(Change(checkpoints=(a_checkpoint(generation="g", offset=43),)))

    assert await asyncio.to_thread(shape, version_1) == await asyncio.to_thread(shape, tmp_path / "new.db")


async def test_upgrade_that_fails_leaves_the_old_database(version_1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = shape(version_1)
    monkeypatch.setattr("opsbot.adapters.stores.sqlite.schema.UPGRADES", {1: ("CREATE TABLE added (x)", "no SQL")})
    with pytest.raises(sqlite3.OperationalError):
        await SqliteStore(version_1).__aenter__()

    assert shape(version_1) == before


async def test_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "opsbot.db")) as db:
        db.execute("CREATE TABLE theirs (x)")

    with pytest.raises(StateError, match="a database of something else"):
        await SqliteStore(tmp_path / "opsbot.db").__aenter__()


async def test_file_that_is_no_database_is_a_state_error_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "opsbot.db").write_bytes(b"not a database " * 100)

    with pytest.raises(StateError, match=r"damaged \(file is not a database\).*move it away"):
        await SqliteStore(tmp_path / "opsbot.db").__aenter__()

    assert (tmp_path / "opsbot.db").read_bytes().startswith(b"not a database")


async def test_damaged_page_is_found_when_the_store_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "opsbot.db"
    async with SqliteStore(path) as store:
        await enqueue(store, *(a_delivery("x" * 500) for _ in range(100)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = b"\xa5" * (len(content) - len(content) // 2)
    path.write_bytes(content)

    with pytest.raises(StateError, match="damaged"):
        await SqliteStore(path).__aenter__()


async def test_database_held_by_another_program_is_a_state_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsbot.adapters.stores.sqlite.schema.BUSY_TIMEOUT_MS", 1)
    async with SqliteStore(tmp_path / "opsbot.db") as store:
        with closing(sqlite3.connect(tmp_path / "opsbot.db", isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")

            with pytest.raises(StateError, match="another program holds it"):
                await enqueue(store, a_delivery())


async def test_directory_that_is_not_there_is_a_state_error(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="No such file or directory"):
        await SqliteStore(tmp_path / "nowhere" / "opsbot.db").__aenter__()


async def test_store_used_before_it_is_entered_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="must be entered"):
        await SqliteStore(tmp_path / "opsbot.db").timers()
