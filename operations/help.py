"""Say what the asker may run."""

import unicodedata
from collections.abc import Sequence

from opsbot.api import CommandError, CommandHelp, Context, Operation, Risk, command

PUNCTUATION = ".。!！?？"


class Help(Operation):
    """List the commands that the asker may run, and explain them; what somebody may not run does not exist for them."""

    @command("help", aliases=("帮助",), risk=Risk.READ, for_members=True)
    async def help(self, ctx: Context, scene: str = "", name: str = "") -> str:
        """List what you may run, or explain a scene or a command.

        help: everything. help SCENE: the commands of one scene. help SCENE COMMAND: one command with all its details.
        """
        found = _asked_for(ctx.commands(), _folded(scene), _folded(name))
        if not found:
            raise CommandError(ctx.text(en=f"Nothing is called {scene} {name}".rstrip(), zh=f"没有 {scene} {name}".rstrip()))
        if scene and len(found) == 1:
            return _explained(ctx, found[0])
        more = ctx.text(en="More: help SCENE COMMAND", zh="详情：help 场景 命令")
        return "\n".join([*(f"{_usage(one)}: {one.summary}" for one in found), more])


def _asked_for(commands: Sequence[CommandHelp], scene: str, name: str) -> list[CommandHelp]:
    """Choose by scene and command; a single word that is no scene is taken for a command."""
    in_scene = [one for one in commands if scene in ("", _folded(one.scene))]
    if not in_scene and not name:
        in_scene, name = list(commands), scene
    return [one for one in in_scene if name in ("", *map(_folded, (one.name, *one.aliases)))]


def _explained(ctx: Context, one: CommandHelp) -> str:
    aliases = ctx.text(en=f"Also: {', '.join(one.aliases)}", zh=f"别名：{'、'.join(one.aliases)}") if one.aliases else ""
    return "\n".join(line for line in (f"{one.scene} {one.usage}", one.summary, one.details, aliases) if line)


def _usage(one: CommandHelp) -> str:
    return one.usage if one.is_unique else f"{one.scene} {one.usage}"


def _folded(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold().rstrip(PUNCTUATION)
