"""Say what the asker may run."""

from opsbot.api import Context, Operation, Risk, command


class Help(Operation):
    """List the commands that the asker may run, and explain them."""

    @command("help", aliases=("帮助",), risk=Risk.READ, for_members=True)
    async def help(self, ctx: Context, scene: str = "", name: str = "") -> str:
        """List the commands; with a scene and a command, explain them."""
        found = [one for one in ctx.commands() if scene in ("", one.scene) and name in ("", one.name)]
        return "\n".join(f"{one.usage if one.is_unique else f'{one.scene} {one.usage}'}: {one.summary}" for one in found)
