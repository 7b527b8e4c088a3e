"""`log_alert`."""

import pytest
from pydantic import ValidationError

from operations.log_alert import LogAlert
from opsbot.api import File, Severity
from opsbot.testing import Harness


async def test_matching_record_is_told_with_its_source(harness: Harness) -> None:
    bot = harness(LogAlert(patterns=("ERROR",)), scene="errors")

    assert await bot.reads("fine", "12:00 ERROR disk full") == ["[errors_log] 12:00 ERROR disk full"]


async def test_severity_and_key_are_those_of_the_settings(harness: Harness) -> None:
    bot = harness(LogAlert(patterns=("ERROR", "WARN"), severity=Severity.DEBUG))

    await bot.reads("WARN x")

    assert [(told.key, told.severity) for told in bot.told] == [("WARN", Severity.DEBUG)]


async def test_record_that_matches_several_patterns_is_told_once(harness: Harness) -> None:
    bot = harness(LogAlert(patterns=("ERROR", "disk")))

    assert len(await bot.reads("ERROR disk full")) == 1


def test_empty_pattern_is_refused_with_the_mend() -> None:
    with pytest.raises(ValidationError, match=r"patterns\[1\] is empty, and would find every record; '\.' if that is meant"):
        LogAlert(patterns=("ERROR", ""))


async def test_long_record_is_cut(harness: Harness) -> None:
    bot = harness(LogAlert(patterns=("ERROR",)), scene="e")

    assert await bot.reads("ERROR " + "x" * 5000) == ["[e_log] ERROR " + "x" * 994 + "…"]


async def test_burst_leaves_as_one_message_that_counts_the_rest(harness: Harness) -> None:
    bot = harness(LogAlert(patterns=("ERROR",)), scene="e")
    await bot.reads(*(f"ERROR {n}" for n in range(30)))

    await bot.passes(seconds=5)

    assert [message.text.splitlines() for message in bot.sent] == [[*(f"[e_log] ERROR {n}" for n in range(5)), "… and 25 more"]]


@pytest.mark.parametrize("text", ["log", "日志", "log errors", "log errors_log", "LOG Errors"])
async def test_end_of_the_log_comes_as_a_file(harness: Harness, text: str) -> None:
    bot = harness(LogAlert(patterns=("ERROR",)), scene="errors")
    await bot.reads("one", "two")

    assert await bot.says(text) == [File("errors_log.log.txt", b"one\ntwo\n", media_type="text/plain; charset=utf-8")]


async def test_other_log_is_refused(harness: Harness) -> None:
    bot = harness(LogAlert(patterns=("ERROR",)), scene="errors")

    assert await bot.says("log ../../etc/passwd") == ["My log is errors_log."]


async def test_log_may_be_granted_to_everyone_for_it_only_reads(harness: Harness) -> None:
    bot = harness(LogAlert(patterns=("ERROR",)), scene="errors", grants={"everyone": ["log"], "oncall": ["log"]})

    assert bot.understands("log", role="oncall") == "errors log"


@pytest.mark.parametrize("patterns", [(), ("(",), ("ok", "[")])
def test_patterns_that_cannot_be_searched_for_are_wrong_settings(patterns: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        LogAlert(patterns=patterns)
