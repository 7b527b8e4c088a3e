"""For the e2e tests alone: says again what a test wrote into a log, and takes its time when it is told to."""

from collections.abc import AsyncIterator, Iterable

from opsbot.api import Context, LogEvent, Notification, Operation, Risk, Rule, Severity, command


class Marker(Operation):
    """Shows a test that everything before its mark was read."""

    def rules(self) -> Iterable[Rule]:
        """See the marks."""
        return [Rule(r"^marker \d+$")]

    async def on_log(self, ctx: Context, event: LogEvent) -> Notification:  # noqa: ARG002 - the hook's shape
        """Say a mark again."""
        return Notification(event.text, severity=Severity.URGENT)

    @command("ponder", risk=Risk.WRITE, timeout_s=100)
    async def ponder(self, ctx: Context) -> AsyncIterator[str]:
        """Begin something that takes long."""
        yield "pondering"
        await ctx.sleep(90)
        yield "pondered"
