"""What a log says becomes durable together with how far the log was read."""

# ruff: noqa: ARG002 - a hook takes what the surface says, whether it needs it or not

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import pytest

from opsbot.api import Context, LogEvent, Notification, Operation, Rule, Severity
from opsbot.core.account_record import starter_record
from opsbot.core.catalogue import Language
from opsbot.core.change import Change, StateWrite
from opsbot.core.chat import AccountEvent, AccountEventKind
from opsbot.core.errors import StateError
from opsbot.core.log import Batch, Checkpoint, Hit, Record, SourceFigures
from opsbot.testing import NOON, Bot, FakeStore, Harness, settled
from tests.pipeline.watching import a_watch

KEY = "a pair key"


class Alert(Operation):
    """Tell errors, count them, and fail on demand."""

    def rules(self) -> Iterable[Rule]:
        return [Rule("ERROR (?P<what>.*)", "error"), Rule("FAIL", "fail"), Rule("NONSENSE", "nonsense")]

    async def on_log(self, ctx: Context, event: LogEvent) -> AsyncIterator[Notification]:
        seen = ctx.state.get("seen", [])
        assert isinstance(seen, list)
        seen.append(event.text)
        ctx.state["seen"] = seen
        ctx.after("later", timedelta(minutes=1))
        yield Notification(event.text, key=event.rule.name)
        if event.rule.name == "fail":
            raise KeyError("oops")
        if event.rule.name == "nonsense":
            yield "no notification"  # type: ignore[misc]


class Echo(Operation):
    """Tell everything there is to an event."""

    def rules(self) -> Iterable[Rule]:
        return [Rule(r"(?P<word>\w+)(?P<none>!)?", "word")]

    async def on_log(self, ctx: Context, event: LogEvent) -> Notification:
        said: dict[str, Any] = {"groups": dict(event.groups), "fields": dict(event.fields), "by": event.signed_by}
        return Notification(json.dumps(said), key=event.source)


def commits_of(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> list[Change]:
    """Note every transaction."""
    commits: list[Change] = []
    original = bot.store.commit

    async def commit(change: Change) -> Sequence[int]:
        commits.append(change)
        return await original(change)

    monkeypatch.setattr(bot.store, "commit", commit)
    return commits


async def test_checkpoint_state_timer_and_notification_are_one_transaction(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = harness(Alert())
    await bot.starts()
    commits = commits_of(bot, monkeypatch)

    await bot.reads("ERROR disk", "fine", "ERROR net")

    [change] = commits
    assert [one.offset for one in change.checkpoints] == [26]
    assert [delivery.output for delivery in change.deliveries] == ["ERROR disk", "ERROR net"]
    assert change.state[-1] == StateWrite("alert", "seen", ["ERROR disk", "ERROR net"])
    assert [timer.key for timer in change.timers] == ["later", "later"]


async def test_lines_that_match_nothing_only_move_the_checkpoint(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    bot = harness(Alert())
    await bot.starts()
    commits = commits_of(bot, monkeypatch)

    await bot.reads("fine", "fine")

    assert [(len(change.checkpoints), change.deliveries) for change in commits] == [(1, ())]


async def test_hook_that_raises_leaves_no_writes_but_the_checkpoint_moves_on(harness: Harness) -> None:
    bot = harness(Alert())
    await bot.reads("ERROR disk")

    told = await bot.reads("FAIL", "ERROR net")

    assert told == ["Scene alert: on_log failed with a bug (KeyError); the host's log has it.", "ERROR net"]
    assert bot.state["seen"] == ["ERROR disk", "ERROR net"]
    assert [one.offset for one in await bot.store.checkpoints("alert_log")] == [26]


async def test_hook_that_tells_no_notification_is_reported_as_a_bug(harness: Harness) -> None:
    bot = harness(Alert())

    assert await bot.reads("NONSENSE", "ERROR net") == [
        "Scene alert: on_log failed with a bug (TypeError); the host's log has it.",
        "ERROR net",
    ]


async def test_bug_is_reported_to_the_owner_and_not_to_those_the_scene_tells(harness: Harness) -> None:
    bot = harness(Alert(), tell=["room:ops"])

    await bot.reads("FAIL")

    assert [(told.to, told.scene) for told in bot.told] == [(("owner",), "opsbot")]


async def test_record_that_was_not_committed_is_read_again(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    bot = harness(Alert())
    await bot.starts()

    async def full(_: Change) -> Sequence[int]:
        raise StateError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(bot.store, "commit", full)
        with pytest.RaisesGroup(StateError, flatten_subgroups=True):
            await bot.reads("ERROR disk")
    bot.told.clear()

    assert (await bot.restarts(killed=True), bot.state["seen"]) == (["ERROR disk"], ["ERROR disk"])


async def test_record_that_was_committed_is_not_read_again(harness: Harness) -> None:
    bot = harness(Alert())
    await bot.reads("ERROR disk")

    assert await bot.restarts(killed=True) == []


async def test_notification_survives_a_crash_right_after_its_commit(harness: Harness) -> None:
    bot = harness(Alert())
    await bot.reads("ERROR disk")
    await bot.restarts(killed=True)

    await bot.passes(seconds=5)

    assert [message.text for message in bot.sent] == ["ERROR disk"]


async def test_part_of_the_log_that_was_lost_is_told_to_the_owner(harness: Harness) -> None:
    bot = harness(Alert(), tell=["room:ops"])
    await bot.starts()
    bot.log.loses("truncated", 70)
    await settled()

    assert [(told.output, told.to) for told in bot.told] == [
        ("Log /var/log/fake.log: 70 bytes of it could not be read (truncated).", ("owner",))
    ]


@pytest.mark.parametrize(
    ("language", "lost_bytes", "said"),
    [
        ("en", 12_300, "Log /var/log/fake.log: 12 KB of it could not be read (truncated)."),
        ("en", None, "Log /var/log/fake.log: some of it could not be read (truncated)."),
        ("zh", 12_300, "日志 /var/log/fake.log：有 12 KB 无法读取（truncated）。"),
        ("zh", None, "日志 /var/log/fake.log：有一部分无法读取（truncated）。"),
    ],
)
async def test_gap_says_how_much_was_lost(harness: Harness, language: Language, lost_bytes: int | None, said: str) -> None:
    bot = harness(Alert(), language=language)
    await bot.starts()
    bot.log.loses("truncated", lost_bytes)
    await settled()

    assert [told.output for told in bot.told] == [said]


async def test_gaps_of_one_log_that_come_thick_and_fast_are_told_together(harness: Harness) -> None:
    bot = harness(Alert(), tell=["room:ops"])
    await bot.starts()
    for _ in range(100):
        bot.log.loses("truncated", 1000)
        await bot.passes(seconds=1)

    assert [told.output for told in bot.told] == ["Log /var/log/fake.log: 1.0 KB of it could not be read (truncated)."]
    assert await bot.passes(minutes=30) == [
        "Log /var/log/fake.log: 99 more gaps in the last 103 s, 99 KB of it could not be read (the latest: truncated)."
    ]
    assert {told.to for told in bot.told} == {("owner",)}


async def test_gap_after_a_quiet_while_is_told_at_once(harness: Harness) -> None:
    bot = harness(Alert())
    await bot.starts()
    bot.log.loses("truncated")
    await bot.passes(minutes=30)
    bot.log.loses("removed", 5)

    assert await bot.passes() == ["Log /var/log/fake.log: 5 bytes of it could not be read (removed)."]


async def test_rule_that_is_given_up_is_told_to_the_owner(harness: Harness) -> None:
    bot = harness(Alert(), tell=["room:ops"])
    await bot.starts()
    bot.log.gives_up(1, "a record took 80 ms")
    await settled()

    assert [(told.output, told.to, told.severity) for told in bot.told] == [
        ("Rule fail on alert_log is switched off until the next start: a record took 80 ms.", ("owner",), Severity.URGENT)
    ]


async def test_source_that_breaks_comes_back(harness: Harness) -> None:
    bot = harness(Alert())
    await bot.reads("ERROR disk")
    bot.log.breaks("permission denied")
    await bot.passes(seconds=1)

    assert await bot.reads("ERROR net") == ["ERROR net"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("hello", {"groups": {"word": "hello"}, "fields": {}, "by": ""}),
        ('{"level": "error", "n": 1}', {"groups": {"word": "level"}, "fields": {"level": "error", "n": 1}, "by": ""}),
        ('{"level": ', {"groups": {"word": "level"}, "fields": {}, "by": ""}),
    ],
)
async def test_event_carries_groups_and_the_fields_of_a_json_record(harness: Harness, line: str, said: dict[str, Any]) -> None:
    bot = harness(Echo())

    assert [json.loads(str(one)) for one in await bot.reads(line)] == [said]


@pytest.mark.parametrize(("pair_key", "by"), [(KEY, "bob"), ("another", ""), ("", "")])
async def test_signature_of_a_record_names_who_wrote_it(harness: Harness, pair_key: str, by: str) -> None:
    event = AccountEvent(kind=AccountEventKind.LOGIN, at=NOON, account_id="wxid_bob", account_name="Bob")
    line = starter_record(event, name="bob", pair_key=KEY, at_ms=int(NOON.timestamp() * 1000))
    bot = harness(Echo(), pair_key=pair_key)

    assert [json.loads(str(one))["by"] for one in await bot.reads(line)] == [by]


async def test_two_scenes_on_their_own_sources_do_not_see_each_other_s(harness: Harness) -> None:
    bot = harness(Alert(), also={"echo": Echo()})

    await bot.reads("ERROR disk")

    assert {told.scene for told in bot.told} == {"alert"}


@dataclass
class Rereading:
    """A source that reads the same content in two files, one of them new."""

    name: str = "log"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def batches(self) -> AsyncIterator[Batch]:
        for inode, lines in ((1, 3), (2, 4)):
            records = [self._record(inode, 8 * at) for at in range(lines)]
            yield Batch(source="log", records=tuple(records), checkpoints=(records[-1].checkpoint,), observed_at=NOON)

    def _record(self, inode: int, offset: int) -> Record:
        position = Checkpoint(source="log", path="/log", device=1, inode=inode, offset=offset + 8, generation="ab" * 12)
        return Record(path="/log", offset=offset, text=f"ERROR {offset}", hits=(Hit(0),), checkpoint=position)

    def figures(self) -> SourceFigures:
        return SourceFigures()


async def followed(*checkpoints: Checkpoint) -> Sequence[str]:
    alert = Alert()
    store = FakeStore()
    await a_watch(alert, store=store).follow(Rereading(), checkpoints, lambda: None)
    return [str(delivery.output) for delivery in await store.due("chat", NOON + timedelta(hours=1))]


async def test_record_that_is_read_again_is_not_told_again() -> None:
    assert await followed() == ["ERROR 0", "ERROR 8", "ERROR 16", "ERROR 24"]


async def test_record_that_was_committed_before_the_start_is_not_told_again() -> None:
    known = Checkpoint(source="log", path="/log.1", device=1, inode=7, offset=16, generation="ab" * 12)

    assert await followed(known) == ["ERROR 16", "ERROR 24"]
