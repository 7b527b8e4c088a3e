"""What `/metrics` says of sources and rules."""

# ruff: noqa: ARG002 - a hook takes what the surface says, whether it needs it or not

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any, Self

import pytest

from opsbot.api import Context, LogEvent, Operation, Rule
from opsbot.app.insight import Insight
from opsbot.app.metrics import OTHERS, RULES_SHOWN, metrics_text
from opsbot.core.context import Part, PartState
from opsbot.core.log import Batch, Checkpoint, Gap, Hit, Record, RuleFigures, SourceFigures
from opsbot.pipeline.watch import Watch
from opsbot.testing import NOON
from tests.pipeline.watching import a_watch
from tests.unit.app.test_exposition import series_of

PATTERN = r'say "\d+\n"'
FIGURES = SourceFigures(
    files=3,
    open_files=2,
    read_bytes=1000,
    lag_bytes=50,
    lag_s=1.5,
    watch="polling",
    watch_reason="nfs",
    rules=(
        RuleFigures(name=PATTERN, engine="hyperscan", candidates=9, matches=7),
        RuleFigures(name="slow", engine="re", reason="a look-behind", candidates=2, matches=2, is_disabled=True),
    ),
)


class Alert(Operation):
    """Ask for two things."""

    def rules(self) -> Iterable[Rule]:
        return [Rule(PATTERN, per_minute=1), Rule("slow")]

    async def on_log(self, ctx: Context, event: LogEvent) -> None:
        return None


class Many(Operation):
    """Ask for more than anybody can look at."""

    count: int
    name_chars: int = 0

    def rules(self) -> Iterable[Rule]:
        return [Rule(f"{number}", f"{'x' * self.name_chars}{number}") for number in range(self.count)]

    async def on_log(self, ctx: Context, event: LogEvent) -> None:
        return None


class OneBatch:
    """A source that gives one batch; what it shows meanwhile is asked while it is followed."""

    name = "log"

    def __init__(self, figures: SourceFigures, batch: Batch) -> None:
        self._figures, self._batch = figures, batch
        self.insight: Insight | None = None
        self.shown = ""
        self.detail = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def batches(self) -> AsyncIterator[Batch]:
        yield self._batch
        assert self.insight is not None
        self.shown = self.insight.metrics()
        self.detail = self.insight.snapshot().sources[0].detail

    def figures(self) -> SourceFigures:
        return self._figures


def a_batch(*, hits: int = 0, gaps: tuple[Gap, ...] = ()) -> Batch:
    checkpoint = Checkpoint(source="log", path="/log", device=1, inode=1, offset=13)
    record = Record(path="/log", offset=0, text='say "1"', hits=(Hit(0),), checkpoint=checkpoint)
    return Batch(source="log", records=(record,) * hits, gaps=gaps, observed_at=NOON)


async def shown_while(source: OneBatch, watch: Watch, **options: Any) -> OneBatch:
    """Follow a source and take down what is shown at its end."""
    part = Part("log", "source", PartState.RUNNING, NOON)
    source.insight = Insight("alice", lambda: [part], watches={"log": watch}, **options)
    await watch.follow(source, (), lambda: None)
    return source


def test_source_is_shown_as_what_it_is() -> None:
    parts = [Part(name, "source", PartState.RUNNING, NOON) for name in ("app", "bob")]
    insight = Insight("alice", lambda: parts, kinds={"app": "file", "bob": "command"})

    assert [part.kind for part in insight.snapshot().sources] == ["file", "command"]


def labels(**more: str) -> tuple[tuple[str, str], ...]:
    return (("bot", "alice"), ("source", "log"), *more.items())


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("opsbot_source_files", 3),
        ("opsbot_source_open_files", 2),
        ("opsbot_source_read_bytes_total", 1000),
        ("opsbot_source_lag_bytes", 50),
        ("opsbot_source_lag_seconds", 1.5),
        ("opsbot_source_records_total", 4),
        ("opsbot_source_suppressed_total", 3),
        ("opsbot_source_gaps_total", 2),
        ("opsbot_source_lost_bytes_total", 70),
    ],
)
async def test_each_figure_of_a_source_is_a_metric(metric: str, value: float) -> None:
    batch = a_batch(hits=4, gaps=(Gap("/log", "truncated", 70), Gap("/log", "truncated")))
    source = await shown_while(OneBatch(FIGURES, batch), a_watch(Alert()))

    assert series_of(source.shown)[metric, labels()] == value


async def test_the_way_of_watching_is_told_with_its_reason() -> None:
    source = await shown_while(OneBatch(FIGURES, a_batch()), a_watch(Alert()))

    assert series_of(source.shown)["opsbot_source_watch_info", labels(mode="polling", reason="nfs")] == 1


@pytest.mark.parametrize(
    ("metric", "first", "second"),
    [
        ("opsbot_rule_matches_total", 7, 2),
        ("opsbot_rule_candidates_total", 9, 2),
        ("opsbot_rule_suppressed_total", 3, 0),
        ("opsbot_rule_disabled", 0, 1),
    ],
)
async def test_each_figure_of_a_rule_is_a_metric(metric: str, first: float, second: float) -> None:
    source = await shown_while(OneBatch(FIGURES, a_batch(hits=4)), a_watch(Alert()))

    series = series_of(source.shown)
    assert series[metric, labels(scene="alert", rule=PATTERN)] == first
    assert series[metric, labels(scene="alert", rule="slow")] == second


async def test_the_engine_of_a_rule_is_a_label() -> None:
    source = await shown_while(OneBatch(FIGURES, a_batch()), a_watch(Alert()))

    series = series_of(source.shown)
    assert series["opsbot_rule_engine", labels(scene="alert", rule=PATTERN, engine="hyperscan")] == 1
    assert series["opsbot_rule_engine", labels(scene="alert", rule="slow", engine="re")] == 1


async def test_the_same_rule_in_two_scenes_has_two_series() -> None:
    rules = (*FIGURES.rules, *FIGURES.rules)
    source = await shown_while(OneBatch(SourceFigures(rules=rules), a_batch()), a_watch(Alert(), Alert()))

    series = series_of(source.shown)
    assert [series["opsbot_rule_matches_total", labels(scene=scene, rule=PATTERN)] for scene in ("alert", "second")] == [7, 7]


def rules_text(operation: Operation) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return series_of(metrics_text("alice", (), (), Counter(), {"log": a_watch(operation)}))


def test_thousands_of_rules_are_summed_up_behind_the_first_ones() -> None:
    series = rules_text(Many(count=RULES_SHOWN + 2000))

    of_rules = [key for key in series if key[0] == "opsbot_rule_suppressed_total"]
    assert len(of_rules) == RULES_SHOWN + 1
    assert of_rules[-1][1] == labels(scene=OTHERS, rule=OTHERS)


def test_names_that_are_cut_to_the_same_are_one_series() -> None:
    of_rules = [key for key in rules_text(Many(count=3, name_chars=500)) if key[0] == "opsbot_rule_suppressed_total"]

    assert len(of_rules) == 1


def test_source_that_is_away_has_no_figures_and_keeps_its_counts() -> None:
    series = series_of(metrics_text("alice", (), (), Counter(), {"log": a_watch(Alert())}))

    assert series["opsbot_source_files", labels()] == 0
    assert not [name for name, _ in series if name in ("opsbot_source_watch_info", "opsbot_rule_engine")]


# --- the few words behind a source's state


@pytest.mark.parametrize(
    ("figures", "gaps", "detail"),
    [
        (SourceFigures(lag_s=9.9, lag_bytes=5, watch="inotify"), (), ""),
        (SourceFigures(lag_s=12.4, lag_bytes=3_400_000, watch="inotify"), (), "3.4 MB behind, for 12 s"),
        (SourceFigures(watch="polling", watch_reason="nfs"), (), "polling (nfs)"),
        (SourceFigures(watch="polling"), (), "polling"),
        (SourceFigures(), (Gap("/log", "truncated", 70),), "gaps since the start: 1, 70 bytes lost"),
        (SourceFigures(), (Gap("/log", "truncated"),), "gaps since the start: 1, ? lost"),
        (SourceFigures(rules=FIGURES.rules), (), "rules switched off: 1"),
        (SourceFigures(rules=(RuleFigures(name="x", engine="re"),) * 9), (), ""),
        (SourceFigures(rules=(RuleFigures(name="x", engine="re"),) * 10), (), "slow rules: 10, see opsbot doctor"),
    ],
)
async def test_what_is_not_as_it_should_be_is_said_briefly(figures: SourceFigures, gaps: tuple[Gap, ...], detail: str) -> None:
    source = await shown_while(OneBatch(figures, a_batch(gaps=gaps)), a_watch(Alert()))

    assert source.detail == detail


async def test_it_is_said_in_chinese() -> None:
    figures = SourceFigures(lag_s=12.4, lag_bytes=3_400_000, watch="polling", watch_reason="nfs")
    source = await shown_while(OneBatch(figures, a_batch()), a_watch(Alert()), language="zh")

    assert source.detail == "落后 3.4 MB，已 12 秒, 轮询 (nfs)"
