"""Say how the daemon does."""

from opsbot.api import Context, Operation, Part, Risk, command


class Status(Operation):
    """Show every part of the daemon and how it does."""

    @command("status", aliases=("状态",), risk=Risk.READ)
    async def status(self, ctx: Context) -> str:
        """Show channels and sources, since when they are so, and the alerts that are open."""
        parts = [_line(ctx, part) for part in ctx.parts()]
        alerts = [ctx.text(en=f"open alert: {line}", zh=f"未结：{line}") for line in ctx.open_alerts()]
        return "\n".join([*parts, *alerts]) or ctx.text(en="Nothing is running.", zh="没有运行中的部分。")


def _line(ctx: Context, part: Part) -> str:
    is_today = part.since_at.date() == ctx.now.date()
    since = f"{part.since_at:%H:%M:%S}Z" if is_today else f"{part.since_at:%Y-%m-%d %H:%M}Z"
    detail = f" ({part.detail})" if part.detail else ""
    return ctx.text(
        en=f"{part.kind} {part.name}: {part.state} since {since}{detail}",
        zh=f"{part.kind} {part.name}：{part.state}，自 {since}{detail}",
    )
