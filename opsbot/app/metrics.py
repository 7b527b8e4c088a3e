"""What `/metrics` says: names, units, labels."""

from collections import Counter
from collections.abc import Mapping, Sequence

from opsbot.app.exposition import Family, exposition
from opsbot.core.context import Part, PartState
from opsbot.core.log import RuleFigures, SourceFigures
from opsbot.pipeline.link import Link
from opsbot.pipeline.watch import Listener, Standing, Watch

RULES_SHOWN = 500
"""So many rules of a source have series of their own; the others are summed up as one, `OTHERS`."""
OTHERS = "(others)"
NAME_CHARS = 120
"""A rule without a name has its pattern for one, which may be long."""


def metrics_text(
    bot: str, parts: Sequence[Part], links: Sequence[Link], counts: Counter[str], watches: Mapping[str, Watch]
) -> str:
    """Write all metrics of a daemon as Prometheus text."""
    running = Family("opsbot_part_running", "gauge", "1 while a channel or source does what it is for.")
    for part in parts:
        running.add(int(part.state == PartState.RUNNING), bot=bot, kind=part.kind, name=part.name)
    logged_in = Family("opsbot_account_logged_in", "gauge", "1 while the account behind a channel is logged in.")
    for link in links:
        if link.channel.capabilities.has_account:
            logged_in.add(int(link.logged_in_at is not None), bot=bot, channel=link.name)
    events = Family("opsbot_events_total", "counter", "What went through the daemon, by kind.")
    for kind, count in sorted(counts.items()):
        events.add(count, bot=bot, kind=kind)
    sources, rules = _SourceFamilies(bot), _RuleFamilies(bot)
    for name, watch in watches.items():
        standing = watch.standing()
        sources.add(name, standing)
        rules.add(name, watch.listeners, standing)
    return exposition([running, logged_in, events, *sources.families, *rules.families])


class _SourceFamilies:
    """The metrics of a source as a whole."""

    def __init__(self, bot: str) -> None:
        self._bot = bot
        self._files = Family("opsbot_source_files", "gauge", "Files that a source follows.")
        self._open = Family("opsbot_source_open_files", "gauge", "Files that a source has open.")
        self._read = Family("opsbot_source_read_bytes_total", "counter", "Bytes that a source has read.")
        self._lag_bytes = Family("opsbot_source_lag_bytes", "gauge", "Bytes that are there and not read yet.")
        self._lag_s = Family("opsbot_source_lag_seconds", "gauge", "How long the oldest byte that is not read has been there.")
        self._records = Family("opsbot_source_records_total", "counter", "Matched records that were dealt with.")
        self._suppressed = Family("opsbot_source_suppressed_total", "counter", "Matches that were over the cap of their rule.")
        self._gaps = Family("opsbot_source_gaps_total", "counter", "How often some of a log could not be read.")
        self._lost = Family("opsbot_source_lost_bytes_total", "counter", "Bytes that could not be read, as far as that is known.")
        self._watch = Family("opsbot_source_watch_info", "gauge", "How a source is woken, and why not in a better way.")

    @property
    def families(self) -> Sequence[Family]:
        return (
            *(self._files, self._open, self._read, self._lag_bytes, self._lag_s),
            *(self._records, self._suppressed, self._gaps, self._lost, self._watch),
        )

    def add(self, source: str, standing: Standing) -> None:
        labels = {"bot": self._bot, "source": source}
        self._add_figures(labels, standing.figures)
        self._records.add(standing.records, **labels)
        self._suppressed.add(sum(standing.suppressed), **labels)
        self._gaps.add(standing.gaps, **labels)
        self._lost.add(standing.lost_bytes, **labels)

    def _add_figures(self, labels: dict[str, str], figures: SourceFigures) -> None:
        self._files.add(figures.files, **labels)
        self._open.add(figures.open_files, **labels)
        self._read.add(figures.read_bytes, **labels)
        self._lag_bytes.add(figures.lag_bytes, **labels)
        self._lag_s.add(figures.lag_s, **labels)
        if figures.watch:
            self._watch.add(1, **labels, mode=figures.watch, reason=figures.watch_reason)


class _RuleFamilies:
    """The metrics of single rules."""

    def __init__(self, bot: str) -> None:
        self._bot = bot
        self._matches = Family("opsbot_rule_matches_total", "counter", "Records that a rule matched.")
        self._candidates = Family("opsbot_rule_candidates_total", "counter", "Records that the engine took for matches at first.")
        self._suppressed = Family("opsbot_rule_suppressed_total", "counter", "Matches that were over the cap of the rule.")
        self._engine = Family("opsbot_rule_engine", "gauge", "Rules by the engine that searches them; re is the slow path.")
        self._disabled = Family("opsbot_rule_disabled", "gauge", "1 for a rule that was switched off.")

    @property
    def families(self) -> Sequence[Family]:
        return self._matches, self._candidates, self._suppressed, self._engine, self._disabled

    def add(self, source: str, listeners: Sequence[Listener], standing: Standing) -> None:
        for number, (listener, suppressed) in enumerate(zip(listeners, standing.suppressed, strict=True)):
            is_shown = number < RULES_SHOWN
            labels = {
                "bot": self._bot,
                "source": source,
                "scene": listener.scene.name if is_shown else OTHERS,
                "rule": listener.rule.name[:NAME_CHARS] if is_shown else OTHERS,
            }
            self._suppressed.add(suppressed, **labels)
            if number < len(standing.figures.rules):
                self._add_figures(labels, standing.figures.rules[number])

    def _add_figures(self, labels: dict[str, str], rule: RuleFigures) -> None:
        self._matches.add(rule.matches, **labels)
        self._candidates.add(rule.candidates, **labels)
        self._engine.add(1, **labels, engine=rule.engine)
        self._disabled.add(int(rule.is_disabled), **labels)
