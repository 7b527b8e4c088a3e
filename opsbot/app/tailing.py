"""The daemon's engine as a tool: follows logs, remembers how far it came. What is done with the records is not decided here."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

import structlog

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.sources.file.acquaintance import is_note
from opsbot.adapters.sources.file.descriptor import raise_limit
from opsbot.adapters.sources.file.places import place_of
from opsbot.adapters.sources.file.source import FileSource
from opsbot.adapters.sources.file.task import ReadFrom
from opsbot.app.matching import matcher_for
from opsbot.app.own_file import OwnFiles
from opsbot.core.change import Change
from opsbot.core.log import Batch, Checkpoint, Multiline, Rule, RuleFigures, Scan, SourceFigures
from opsbot.core.ports import Matcher
from opsbot.core.store import Store

_log = structlog.get_logger(__name__)

SOURCE = "tail"
"""The key of all positions: they belong to files, whatever pattern names those today."""
STOP_S = 5.0

Take = Callable[[Batch], None]
"""Writes out what a batch holds; when it returns, the batch is done with."""
Listen = Callable[[Callable[[], None]], AbstractContextManager[None]]
"""Calls what it is given when the end is wanted, while it is entered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is followed, and how.

    `patterns` are absolute. `positions` is what is known of earlier readings; with `state_dir` they are kept there instead.
    Without `follows` the present end is the end; an unfinished last line is left for the next time, where there is one.
    """

    patterns: tuple[str, ...]
    rules: tuple[Rule, ...]
    read_from: ReadFrom = "end"
    follows: bool = True
    multiline: Multiline | None = None
    encoding: str = "utf-8"
    state_dir: Path | None = None
    positions: Sequence[Checkpoint] | None = None

    @property
    def goes_on(self) -> bool:
        """Whether there will be a next time, which begins where this one ends."""
        return self.state_dir is not None or self.positions is not None

    @property
    def skips_all(self) -> bool:
        """Whether a first run finds nothing: it ends where it begins."""
        return self.state_dir is not None and not self.follows and self.read_from == "end"


@dataclass(slots=True)
class Tally:
    """A matcher that counts what another one finds, and gives nothing: there is no work per record but this."""

    matcher: Matcher
    counts: list[int]
    total: int = 0

    def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:
        """Count the records of the block that some rule matches."""
        return self._counted(self.matcher.scan(block, is_end=is_end))

    def search(self, record: str) -> Scan:
        """Count a record that somebody else made, if some rule matches it."""
        return self._counted(self.matcher.search(record))

    def _counted(self, found: Scan) -> Scan:
        self.total += len(found.matches)
        for match in found.matches:
            for hit in match.hits:
                self.counts[hit.rule] += 1
        return Scan((), found.consumed, found.disabled)

    def figures(self) -> Sequence[RuleFigures]:
        """See `opsbot.core.ports.Matcher`."""
        return self.matcher.figures()


def tail(plan: Plan, take: Take, listen: Listen) -> SourceFigures:
    """Read until the end, or until the end is wanted; then all that was read has been taken, and is remembered. Blocking.

    Raises:
        StateError: the state directory cannot be used. What was taken and could not be remembered will be read again.
    """
    with _lock(plan.state_dir):
        return _run(plan, _matcher(plan), take, listen)


def count(plan: Plan, take: Take, listen: Listen) -> tuple[Tally, SourceFigures]:
    """Count the records instead; gaps and rules that were given up still go to `take`. Blocking."""
    with _lock(plan.state_dir):
        tally = Tally(_matcher(plan), [0] * len(plan.rules))
        return tally, _run(plan, tally, take, listen)


def _matcher(plan: Plan) -> Matcher:
    return matcher_for(
        plan.rules, multiline=plan.multiline, encoding=plan.encoding, cache_dir=plan.state_dir and plan.state_dir / "rules"
    )


def _run(plan: Plan, matcher: Matcher, take: Take, listen: Listen) -> SourceFigures:
    raise_limit()
    return asyncio.run(_read(plan, matcher, take, listen))


def _lock(state_dir: Path | None) -> AbstractContextManager[object]:
    if state_dir is None:
        return nullcontext()
    from opsbot.adapters.stores.lock import StateLock  # noqa: PLC0415 only where there is a state

    return StateLock(state_dir)


async def _read(plan: Plan, matcher: Matcher, take: Take, listen: Listen) -> SourceFigures:
    async with AsyncExitStack() as stack:
        store = await _open_store(plan.state_dir, stack)
        positions = _concerning(plan.patterns, await store.checkpoints(SOURCE) if store else plan.positions or ())
        source = FileSource(
            SOURCE,
            plan.patterns,
            matcher,
            positions,
            clock=SystemClock(),
            read_from=plan.read_from,
            until="stopped" if plan.follows else "last_line" if plan.goes_on else "end",
            multiline=plan.multiline,
            encoding=plan.encoding,
            is_own=(await asyncio.to_thread(OwnFiles(plan.state_dir).look)).has,  # the store has made its files by now
        )
        async with source, asyncio.timeout(None) as limit:
            if plan.skips_all and not positions and source.figures().files:
                _log.info("log_begun")

            def end() -> None:
                source.finish()
                limit.reschedule(asyncio.get_running_loop().time() + STOP_S)

            with listen(end):
                await _take_all(source, store, take)
            return source.figures()


async def _take_all(source: FileSource, store: Store | None, take: Take) -> None:
    async for batch in source.batches():
        take(batch)
        if store is not None:
            forgotten = tuple((SOURCE, *identity) for identity in batch.forgotten)
            await store.commit(Change(checkpoints=batch.checkpoints, forgotten=forgotten))


async def _open_store(state_dir: Path | None, stack: AsyncExitStack) -> Store | None:
    if state_dir is None:
        return None
    from opsbot.adapters.stores.sqlite import SqliteStore  # noqa: PLC0415 only where there is a state

    return await stack.enter_async_context(SqliteStore(state_dir / "tail.db"))


def _concerning(patterns: Sequence[str], positions: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Leave out what other patterns left behind: a source forgets what it cannot find."""
    place = place_of(patterns)
    notes = {*place.wildcards, *patterns}
    return [each for each in positions if (each.path in notes if is_note(each) else place.any_family(each.path) is not None)]
