"""What an operation gets: the Context of its hooks and commands."""

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from opsbot.core.access import SYSTEM
from opsbot.core.catalogue import Language, text
from opsbot.core.change import Change, Job, JobState, Json, Timer
from opsbot.core.chat import Chat
from opsbot.core.context import CommandHelp, Part, Person
from opsbot.core.errors import CommandError
from opsbot.core.output import File
from opsbot.core.ports import Clock, Runner
from opsbot.core.scene import Scene
from opsbot.pipeline.state import SceneState

T = TypeVar("T")
NOWHERE = Chat("", "")
NONCE_DIGITS = 4
ASK_MARGIN_S = 1.0
"""A question ends so long before its command does: who did not answer is told that, and not that something took too long."""


@dataclass(slots=True)
class Daemon:
    """What all contexts share: the services of the running daemon."""

    name: str
    language: Language
    clock: Clock
    runner: Runner
    own_pid: int
    state: dict[str, dict[str, Json]] = field(default_factory=dict)
    parts: Callable[[], Sequence[Part]] = tuple
    alerts: Callable[[], Sequence[str]] = tuple
    tail: Callable[[str, int], Awaitable[File]] | None = None
    committed: Callable[[Change], None] = lambda _change: None

    def state_of(self, scene: str) -> dict[str, Json]:
        """Give the scene's state in memory."""
        return self.state.setdefault(scene, {})


class Execution:
    """A program that runs for an operation; iterate over it once."""

    def __init__(self, context: "OperationContext", lines: Callable[["Execution"], AsyncGenerator[str, None]]) -> None:
        """Prepare; nothing runs before the first line is asked for."""
        self._context = context
        self._lines = lines
        self.exit = 0
        self.timed_out = False
        self.report_exit = True

    def __aiter__(self) -> AsyncIterator[str]:
        """Start the program and stream its lines."""
        lines = self._lines(self)
        self._context.owns(lines)
        return lines

    async def lines(self, *, report_exit: bool = True) -> list[str]:
        """Wait for the end and give all lines."""
        self.report_exit = report_exit
        return [line async for line in self]


class OperationContext:
    """The Context of a hook without a person: `on_log`, `on_timer`, `on_start`, `@every`."""

    def __init__(self, daemon: Daemon, scene: Scene, *, may_run: bool = False) -> None:
        """Begin with an empty change; `may_run` says whether programs are allowed here."""
        self._daemon = daemon
        self._scene = scene
        self._may_run = may_run
        self._timers: list[Timer] = []
        self._open: list[AsyncGenerator[str, None]] = []
        self.person: Person = SYSTEM
        self.chat: Chat = scene.route.tell[0] if scene.route.tell else NOWHERE
        self.job = ""
        self.scene = scene.name
        self.bot_name = daemon.name
        self.own_pid = daemon.own_pid
        self.source = scene.source
        self.partner_chat = scene.partner_chat
        self.partner_accounts = frozenset(account for _, account in scene.partner.ids) if scene.partner else frozenset()
        self._state = SceneState(scene.name, daemon.state_of(scene.name))

    @property
    def state(self) -> MutableMapping[str, Json]:
        """The scene's durable store."""
        return self._state

    @property
    def now(self) -> datetime:
        """The injected clock's time."""
        return self._daemon.clock.now()

    def text(self, *, en: str, zh: str) -> str:
        """Choose the words of the configured language."""
        return zh if self._daemon.language == "zh" else en

    def run(
        self,
        *argv: str,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        run_as: str = "",
        timeout_s: float | None = None,
    ) -> Execution:
        """Run a program; see `opsbot.core.context.Context.run`."""
        if not self._may_run:
            raise RuntimeError("ctx.run is not available in on_log and on_timer: tell people, or set a timer")

        async def lines(execution: Execution) -> AsyncGenerator[str, None]:
            bound_s = timeout_s if timeout_s is not None else self._time_left_s()
            running = self._daemon.runner.run(argv, cwd=cwd, env=env, run_as=run_as, timeout_s=bound_s, job_id=self.job)
            async with running as process:
                async for line in process:
                    yield line
                execution.exit, execution.timed_out = process.exit_status, process.timed_out
            if execution.timed_out:
                yield text("timed_out", self._daemon.language, seconds=round(bound_s))
            elif execution.exit and execution.report_exit:
                yield f"exit {execution.exit}"

        return Execution(self, lines)

    def _time_left_s(self) -> float:
        return 60.0

    async def sleep(self, delay_s: float) -> None:
        """Wait, by the injected clock."""
        await self._daemon.clock.sleep(delay_s)

    async def ask(self, prompt: str, *, as_: type[T], timeout_s: float = 60) -> T:  # noqa: ARG002 - the Context's shape
        """Refuse: nobody is there to be asked."""
        raise RuntimeError("ctx.ask is only available in commands")

    async def confirm(self, summary: str, *, timeout_s: float = 60) -> None:  # noqa: ARG002 - the Context's shape
        """Refuse: nobody is there to confirm."""
        raise RuntimeError("ctx.confirm is only available in commands")

    def expect_restart(self) -> None:
        """Refuse: there is no job that could end the daemon."""
        raise RuntimeError("ctx.expect_restart is only available in commands")

    def after(self, key: str, delay: timedelta | None) -> None:
        """Set or clear a durable timer."""
        self._timers = [timer for timer in self._timers if timer.key != key]
        self._timers.append(Timer(self.scene, key, None if delay is None else self.now + delay))

    async def log_tail(self, limit_bytes: int = 65536) -> File:
        """Give the end of the scene's own source as a file."""
        if not self._scene.source or self._daemon.tail is None:
            raise CommandError(self.text(en="This scene has no log.", zh="这个场景没有日志。"))
        return await self._daemon.tail(self._scene.source, limit_bytes)

    def commands(self) -> Sequence[CommandHelp]:
        """List nothing: nobody asks."""
        return ()

    def parts(self) -> Sequence[Part]:
        """List the parts of the daemon."""
        return self._daemon.parts()

    def open_alerts(self) -> Sequence[str]:
        """List the open alerts as lines."""
        return self._daemon.alerts()

    def owns(self, lines: AsyncGenerator[str, None]) -> None:
        """Remember a stream of a program, so that the program ends with the hook."""
        self._open.append(lines)

    async def aclose(self) -> None:
        """End what the hook started and did not read to its end."""
        while self._open:
            async with aclosing(self._open.pop()):
                pass

    def take_change(self) -> Change:
        """Give what was written since the last call: state and timers."""
        timers, self._timers = tuple(self._timers), []
        return Change(state=self._state.take_writes(), timers=timers)


Ask = Callable[[str, float], Awaitable[str | None]]


class CommandContext(OperationContext):
    """The Context of a command: somebody asks, in a chat, and can be asked back."""

    def __init__(
        self,
        daemon: Daemon,
        scene: Scene,
        *,
        person: Person,
        chat: Chat,
        job: Job,
        ask: Ask,
        commands: Callable[[], Sequence[CommandHelp]],
        deadline_s: float,
    ) -> None:
        """`ask` sends a prompt and waits so many seconds for the same person's answer; `deadline_s` is monotonic."""
        super().__init__(daemon, scene, may_run=True)
        self.person, self.chat, self.job = person, chat, job.job_id
        self._job = job
        self._is_over = False
        self._ask, self._commands, self._deadline_s = ask, commands, deadline_s

    def _time_left_s(self) -> float:
        return max(0.0, self._deadline_s - self._daemon.clock.monotonic_s())

    async def ask(self, prompt: str, *, as_: type[T], timeout_s: float = 60) -> T:
        """Ask the person and give the answer."""
        answer = await self._ask(prompt, min(timeout_s, self._time_left_s() - ASK_MARGIN_S))
        if answer is None:
            raise CommandError(text("no_answer", self._daemon.language))
        try:
            return TypeAdapter(as_).validate_python(answer.strip())
        except ValidationError:
            raise CommandError(text("bad_answer", self._daemon.language)) from None

    async def confirm(self, summary: str, *, timeout_s: float = 60) -> None:
        """Wait until the person repeats a fresh nonce."""
        nonce = f"{secrets.randbelow(10**NONCE_DIGITS):0{NONCE_DIGITS}}"
        prompt = text("confirm", self._daemon.language, summary=summary, nonce=nonce)
        answer = await self._ask(prompt, min(timeout_s, self._time_left_s() - ASK_MARGIN_S))
        if answer is None or not secrets.compare_digest(answer.strip().encode(), nonce.encode()):
            raise CommandError(text("not_confirmed", self._daemon.language))

    def commands(self) -> Sequence[CommandHelp]:
        """List the commands the person may run here."""
        return self._commands()

    def expect_restart(self) -> None:
        """Let the job count as done from the next commit on."""
        self._is_over = True

    def take_change(self) -> Change:
        """Give what was written since the last call; with it the job's end, if the daemon is about to go down."""
        change = super().take_change()
        ended = replace(self._job, state=JobState.DONE, ended_at=self.now)
        return replace(change, jobs=(ended,)) if self._is_over else change
