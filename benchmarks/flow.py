"""The whole way of a line inside this process: file source, hooks, an operation, the database."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.process.runner import ProcessRunner
from opsbot.adapters.sources.file.source import FileSource
from opsbot.adapters.stores.sqlite import SqliteStore
from opsbot.api import Context, LogEvent, Operation, Rule
from opsbot.app.matching import matcher_for
from opsbot.core.scene import Route, Scene
from opsbot.core.surface import surface_of
from opsbot.pipeline.context import Daemon
from opsbot.pipeline.hooks import Hooks, Manners
from opsbot.pipeline.watch import Watch, listeners_of

SOURCE = "bench"


def listener(rules: Sequence[Rule], on_event: Callable[[LogEvent], None]) -> Operation:
    """Make an operation that sees what these rules match, and says nothing."""

    class Listening(Operation):
        """Listen."""

        def rules(self) -> Sequence[Rule]:
            return rules

        async def on_log(self, ctx: Context, event: LogEvent) -> None:  # noqa: ARG002 the hook's
            on_event(event)

    return Listening()


@asynccontextmanager
async def flowing(
    directory: Path,
    pattern: str,
    rules: Sequence[Rule],
    on_event: Callable[[LogEvent], None],
    on_commit: Callable[[int], None] = lambda _: None,
    **options: str,
) -> AsyncIterator[FileSource]:
    """Let the lines of the files flow to `on_event`, as in the daemon.

    `on_commit` gets the furthest offset of each batch that is in the database.
    """
    clock = SystemClock()
    operation = listener(rules, on_event)
    scene = Scene(name="listen", operation=operation, surface=surface_of(type(operation)), source=SOURCE, rules=tuple(rules))
    daemon = Daemon("bench", "en", clock, ProcessRunner({}), own_pid=0)
    matcher = await asyncio.to_thread(matcher_for, rules)
    async with (
        SqliteStore(directory / "bench.db") as store,
        FileSource(SOURCE, pattern, matcher, clock=clock, **options) as source,  # type: ignore[arg-type]
        asyncio.TaskGroup() as group,
    ):
        hooks = Hooks(daemon, store, clock, Manners(), Route(), lambda: None)
        watch = Watch(listeners_of([scene], SOURCE), hooks, daemon, "")

        async def consume() -> None:
            async for batch in source.batches():
                async with hooks.turn:
                    await hooks.commit(await watch.change_from(batch))
                on_commit(max((each.offset for each in batch.checkpoints), default=0))

        consuming = group.create_task(consume(), name="consume:bench")
        try:
            yield source
        finally:
            consuming.cancel()
            with suppress(asyncio.CancelledError):
                await consuming
