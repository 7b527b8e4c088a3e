"""Tell people about log records that match, and hand out the end of the log."""

import re
from collections.abc import Iterable
from typing import Annotated

from opsbot.api import (
    CommandError,
    Context,
    Field,
    File,
    LogEvent,
    Notification,
    Operation,
    Pattern,
    Risk,
    Rule,
    Severity,
    command,
)

SHOWN_CHARS = 1000


class LogAlert(Operation):
    """Tell people about records of the scene's source that match one of `patterns`.

    What comes together is sent together: the first few records whole, the others as "N more".
    """

    patterns: Annotated[tuple[Pattern, ...], Field(min_length=1)]
    severity: Severity = Severity.IMPORTANT

    def __post_init__(self) -> None:
        """Verify the patterns.

        Raises:
            ValueError: one is empty; the text says the mend.
        """
        if "" in self.patterns:
            place = self.patterns.index("")
            raise ValueError(f"patterns[{place}] is empty, and would find every record; '.' if that is meant")

    def rules(self) -> Iterable[Rule]:
        """See what matches one of the patterns."""
        return [Rule(pattern) for pattern in self.patterns]

    async def on_log(self, ctx: Context, event: LogEvent) -> Notification | None:
        """Tell a record once, under the first pattern that it matches."""
        if next(pattern for pattern in self.patterns if re.search(pattern, event.text)) != event.rule.pattern:
            return None
        cut = event.text[:SHOWN_CHARS] + "…" if len(event.text) > SHOWN_CHARS else event.text
        return Notification(f"[{ctx.source}] {cut}", key=event.rule.name, severity=self.severity)

    @command("log", aliases=("日志",), risk=Risk.READ)
    async def log(self, ctx: Context, name: str = "") -> File:
        """Send the end of the log as a file."""
        if name.casefold() not in ("", ctx.source.casefold(), ctx.scene.casefold()):
            raise CommandError(ctx.text(en=f"My log is {ctx.source}.", zh=f"我的日志是 {ctx.source}。"))
        return await ctx.log_tail()
