"""Say how the daemon does."""

from opsbot.api import Context, Operation, Risk, command


class Status(Operation):
    """Show every part of the daemon and how it does."""

    @command("status", aliases=("状态",), risk=Risk.READ)
    async def status(self, ctx: Context) -> str:
        """Show channels and sources, and the alerts that are open."""
        lines = [f"{part.kind} {part.name}: {part.state} {part.detail}".rstrip() for part in ctx.parts()]
        alerts = [ctx.text(en=f"open: {line}", zh=f"未结：{line}") for line in ctx.open_alerts()]
        return "\n".join([*lines, *alerts]) or ctx.text(en="Nothing is running.", zh="没有运行中的部分。")
