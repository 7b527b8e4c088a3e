"""Carries out commands: one task each, named, bounded in time, and reported to its end.

This is a seam where operation code runs: a bug in it is contained, logged with its traceback, and told to the person who asked.
"""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import structlog

from opsbot.core.catalogue import Language, text
from opsbot.core.change import Change, Job, JobState
from opsbot.core.command import Command
from opsbot.core.errors import CommandError
from opsbot.core.output import Output
from opsbot.core.ports import Clock
from opsbot.pipeline.context import CommandContext
from opsbot.pipeline.hooks import Hooks
from opsbot.pipeline.limit import Limit, TimeLimitError
from opsbot.pipeline.reply import Reply

log = structlog.get_logger(__name__)

END: Final = object()


class Jobs:
    """The commands that are being carried out."""

    def __init__(
        self, group: asyncio.TaskGroup, hooks: Hooks, clock: Clock, language: Language, new_id: Callable[[], str]
    ) -> None:
        """Jobs become tasks of `group`: they outlive the connection over which they were asked for."""
        self._group = group
        self._hooks = hooks
        self._clock = clock
        self._language = language
        self._running: set[tuple[str, str]] = set()
        self.new_id = new_id

    def start(self, job: Job, command: Command, context: CommandContext, reply: Reply) -> None:
        """Start a job that the store knows already."""
        self._group.create_task(self._carry_out(job, command, context, reply), name=f"job:{job.job_id}")

    async def _carry_out(self, job: Job, command: Command, context: CommandContext, reply: Reply) -> None:
        outcome = _Outcome()
        try:
            if not await reply.stream(self._outputs(command, context, outcome)):
                await reply.send(text("done", self._language))
        finally:
            await context.aclose()
        ended = replace(job, state=outcome.state, ended_at=self._clock.now())
        await self._hooks.commit(replace(context.take_change(), jobs=(ended,)))
        log.info("command ended", job=job.job_id, state=outcome.state)

    async def _outputs(
        self, command: Command, context: CommandContext, outcome: "_Outcome"
    ) -> AsyncIterator[tuple[Output, Change]]:
        """Give the command's outputs, each with what it wants durable; what goes wrong is an output too."""
        key = (command.scene.name, command.spec.method if command.spec else "")
        is_exclusive = command.spec is not None and command.spec.mark.exclusive
        if is_exclusive and key in self._running:
            outcome.state = JobState.FAILED
            yield text("busy", self._language), Change()
            return
        self._running.add(key)
        try:
            async for output in self._bounded(command, context, outcome):
                yield output, context.take_change()
        finally:
            self._running.discard(key)

    async def _bounded(self, command: Command, context: CommandContext, outcome: "_Outcome") -> AsyncIterator[Output]:
        timeout_s = command.spec.mark.timeout_s if command.spec else 60.0
        limit = Limit(self._clock, timeout_s)
        watcher = self._group.create_task(limit.watch(), name=f"limit:{context.job}")
        try:
            async with aclosing(_answers(command, context)) as answers:
                while (output := await limit.step(anext(answers, END))) is not END:
                    yield _checked(output)
        except CommandError as exc:
            outcome.state = JobState.FAILED
            yield str(exc)
        except TimeLimitError:
            outcome.state = JobState.FAILED
            yield text("timed_out", self._language, seconds=round(timeout_s))
        except Exception as exc:  # operation code: the bug stays here
            outcome.state = JobState.FAILED
            log.exception("operation failed", scene=command.scene.name, job=context.job)
            yield text("bug", self._language, error=type(exc).__name__, job=context.job)
        finally:
            watcher.cancel()


def _checked(output: object) -> Output:
    """Refuse what is no output here, where the bug can be told: the outbox could not store it."""
    if not isinstance(output, Output):
        raise TypeError(f"a command answers with str, Image, File, QrCode or Markdown, not with {type(output).__name__}")
    return output


@dataclass(slots=True)
class _Outcome:
    """How a job ended, written while its outputs stream."""

    state: JobState = JobState.DONE


async def _answers(command: Command, context: CommandContext) -> AsyncGenerator[Output, None]:
    """Go over what a command answers, whether it returns or yields."""
    result = _call(command, context)
    if inspect.isasyncgen(result):
        async with aclosing(result):
            async for output in cast("AsyncGenerator[Output, None]", result):
                yield output
        return
    answer: Output | None = await result
    if answer is not None:
        yield answer


def _call(command: Command, context: CommandContext) -> Any:  # noqa: ANN401 - awaitable or async iterator; the caller looks
    operation = command.scene.operation
    if command.spec is None:
        return operation.on_command(context, command.words)
    if command.spec.method == "on_command":
        return operation.on_command(context, (command.spec.mark.name, *command.words))
    method = getattr(operation, command.spec.method)
    if command.raw:
        return method(context, command.raw)
    positional, named = command.spec.signature.bind(command.spec.mark.name, command.words)
    return method(context, *positional, **named)
