"""From `sources:` to what reads them."""

import asyncio
import os
from collections.abc import Sequence

from opsbot.adapters.sources.command.source import CommandSource
from opsbot.adapters.sources.file.source import FileSource
from opsbot.app.matching import matcher_for
from opsbot.app.own_file import OwnFiles
from opsbot.config.model import Configuration
from opsbot.core.log import Checkpoint, Rule
from opsbot.core.ports import Clock, Runner, Source

COMMAND_ENVIRONMENT = ("SSH_AUTH_SOCK", "KUBECONFIG")
"""What the command of a source gets besides what every program does: who it is on other machines. Operations' do not get it."""


async def make_source(
    name: str,
    configuration: Configuration,
    rules: Sequence[Rule],
    checkpoints: Sequence[Checkpoint],
    runner: Runner,
    clock: Clock,
    own: OwnFiles,
) -> Source:
    """Make the source of that name: for files, or for a command; what is our `own` is never read."""
    settings = configuration.sources[name]
    multiline, encoding = settings.records(), settings.encoding
    cache_dir = configuration.state_dir / "rules"
    matcher = await asyncio.to_thread(matcher_for, rules, multiline=multiline, encoding=encoding, cache_dir=cache_dir)
    if settings.command is not None:
        env = {key: value for key, value in os.environ.items() if key in COMMAND_ENVIRONMENT}
        settle_s = multiline.timeout_s if multiline else 0.0
        return CommandSource(name, settings.command, matcher, checkpoints, runner=runner, clock=clock, env=env, settle_s=settle_s)
    return FileSource(
        name,
        str(settings.path),
        matcher,
        checkpoints,
        read_from=settings.read_from,
        multiline=multiline,
        encoding=encoding,
        clock=clock,
        is_own=(await asyncio.to_thread(own.look)).has,
    )
