"""What is worth a word about a source that runs: it lags, it is polled, something was lost, rules are slow or switched off."""

from collections.abc import Iterator

from opsbot.core.catalogue import Language, text
from opsbot.core.size import in_words
from opsbot.pipeline.watch import Standing

LATE_S = 10.0
MANY_SLOW_RULES = 10
"""As many rules that are searched one after the other take a core for some 70 MB/s; with fewer nobody will notice."""


def remarks(standing: Standing, language: Language) -> str:
    """Say in a few words what is not as it should be, "" when all is well."""
    return ", ".join(_remarks(standing, language))


def _remarks(standing: Standing, language: Language) -> Iterator[str]:
    figures = standing.figures
    slow = sum(rule.engine == "re" and not rule.is_disabled for rule in figures.rules)
    disabled = sum(rule.is_disabled for rule in figures.rules)
    if figures.lag_s > LATE_S:
        yield text("source_lags", language, size=in_words(figures.lag_bytes), seconds=round(figures.lag_s))
    if figures.watch == "polling":
        yield text("source_polls", language, reason=f" ({figures.watch_reason})" if figures.watch_reason else "")
    if standing.gaps:
        size = in_words(standing.lost_bytes) if standing.lost_bytes else "?"
        yield text("source_gaps", language, n=standing.gaps, size=size)
    if disabled:
        yield text("source_disabled_rules", language, n=disabled)
    if slow >= MANY_SLOW_RULES:
        yield text("source_slow_rules", language, n=slow)
