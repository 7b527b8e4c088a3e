"""The harness: one configured operation in a whole daemon on fakes."""

import asyncio
from collections.abc import Mapping, Sequence

from opsbot.core.access import Access
from opsbot.core.catalogue import TEXTS
from opsbot.core.change import Json
from opsbot.core.chat import Chat, IncomingMessage, OutgoingMessage
from opsbot.core.command import Ambiguous, resolve
from opsbot.core.output import Output
from opsbot.core.scene import Scene
from opsbot.core.surface import CommandSpec
from opsbot.testing.journal import Told, recipient
from opsbot.testing.quiet import count_threads, settled
from opsbot.testing.runner import Run, Script, UnexpectedRunError
from opsbot.testing.source import FakeLog
from opsbot.testing.stage import Stage, World


class Bot:
    """A daemon with one operation (and perhaps others beside it), driven by a test.

    It starts with the first call that is awaited. Nothing sleeps: time is the fake `clock`, which moves only in `passes` and,
    while a command runs, as far as that command needs it.
    """

    def __init__(self, world: World, scene: Scene) -> None:
        """Prepare a daemon in a world; `scene` is the one under test."""
        self._world = world
        self._scene = scene
        self._stage: Stage | None = None
        self._task: asyncio.Task[None] | None = None
        self._answers: list[str | None] = []
        self._confirms = True
        self._reported = 0
        self.clock, self.runner, self.store = world.clock, world.runner, world.store
        self.channel = world.channels[0]
        self.channels = {channel.name: channel for channel in world.channels}
        self.told: list[Told] = world.journal

    # What the test foresees

    def runs(self, *argv: str) -> Script:
        """Foresee a program: `bot.runs("pm2", "jlist").prints("[]").exits(0)`. Anything else that is run fails the test."""
        return self.runner.runs(*argv)

    def answers(self, *answers: str | None) -> None:
        """Give the answers to the next questions (`ctx.ask`) of the operation; None leaves one without an answer."""
        self._answers += answers

    def withholds_confirmation(self) -> None:
        """Leave `ctx.confirm` without an answer from now on; otherwise the harness confirms."""
        self._confirms = False

    # What happens

    async def starts(self) -> list[Output]:
        """Start the daemon, which the first call does anyway; gives everything that is said on the way up."""
        begun = len(self.told)
        await self._begin()
        return await self._outputs(begun)

    async def says(
        self, text: str, *, by: str = "owner", room: str = "", mentions_bot: bool = True, age_s: float = 0, message_id: str = ""
    ) -> list[Output]:
        """Let a person say something; gives what they are answered in that chat.

        `by` is "owner", a role that was granted something, the partner, or anything else for a stranger; `NAME@CHANNEL` speaks
        on another channel. Returns when the command has ended, or can only go on when a program that hangs is released.
        """
        begun = await self._begin()
        name, _, channel = by.partition("@")
        message = self.channels[channel or self.channel.name].says(
            text, by=name, room=room, mentions_bot=mentions_bot, age_s=age_s, message_id=message_id
        )
        await self._end_of(message)
        return [told.output for told in self._since(begun) if told.is_reply and told.to == (recipient(message.chat),)]

    async def hears_partner(self, text: str) -> list[Output]:
        """Let the partner's account say something in its direct chat; gives what it is answered."""
        if self._scene.partner_chat is None:
            raise ValueError("this scene has no partner; give the operation its `partner`, or harness(…, partner=NAME)")
        return await self.says(text, by=f"{self._scene.partner_chat.chat_id}@{self._scene.partner_chat.channel}")

    async def reads(self, *lines: str) -> list[Output]:
        """Let lines be written to the scene's log; gives what is told of them. `told` says to whom."""
        begun = await self._begin()
        self.log.writes(*lines)
        return await self._outputs(begun)

    async def passes(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0) -> list[Output]:
        """Let time pass: timers, periods and reminders fire. Gives everything that is said meanwhile."""
        begun = await self._begin()
        await self.clock.advance(seconds, minutes=minutes, hours=hours)
        return await self._outputs(begun)

    async def restarts(self, *, killed: bool = False) -> list[Output]:
        """End the daemon and start it again on what it had made durable; gives everything that is said on the way up.

        `killed` leaves out `on_stop`, as a crash does.
        """
        if self._stage is not None and not killed:
            await self._stage.end()
        await self._stop()
        return await self.starts()

    # What can be seen

    def understands(self, text: str, *, role: str = "owner", room: str = "") -> str | None:
        """Say which command a line means to somebody, as "SCENE COMMAND"; several are joined by " | ", None is none."""
        person = self._world.access.identify(self.channel.name, role)
        chat = Chat(self.channel.name, room or role, is_room=bool(room))
        today = self.clock.now().astimezone().date()

        def may_run(scene: Scene, spec: CommandSpec) -> bool:
            return person is not None and self._world.access.may_run(person, scene, spec, today, chat).allowed

        found = resolve(text, self._world.scenes, may_run)
        if isinstance(found, Ambiguous):
            return " | ".join(found.choices)
        if found is None:
            return None
        return f"{found.scene.name} {found.spec.mark.name if found.spec else '*'}"

    @property
    def state(self) -> Mapping[str, Json]:
        """The scene's durable state."""
        return self.store.state.get(self._scene.name, {})

    @property
    def ran(self) -> list[tuple[str, ...]]:
        """Every program that was run, in order; `runner.ran` has the whole requests."""
        return [run.argv for run in self.runner.ran]

    @property
    def last_run(self) -> Run:
        """The program that was run last, with its environment, user and time."""
        return self.runner.ran[-1]

    @property
    def sent(self) -> list[OutgoingMessage]:
        """What left on the first channel: rendered, masked, grouped and split."""
        return self.channel.sent

    @property
    def log(self) -> FakeLog:
        """The log that the scene reads; `reads` writes to it and waits."""
        if self._scene.source not in self._world.logs:
            raise ValueError("this scene reads no log: its operation has no on_log")
        return self._world.logs[self._scene.source]

    @property
    def access(self) -> Access:
        """Who may do what."""
        return self._world.access

    def close(self) -> None:
        """End the daemon with the test."""
        if self._task is not None and not self._task.get_loop().is_closed():
            self._task.cancel()

    def check(self) -> None:
        """Let what went wrong in the daemon fail the test; every call that is awaited does it by itself.

        Raises:
            UnexpectedRunError: something was run that the test did not foresee.
        """
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()
        unexpected = self.runner.unexpected[self._reported :]
        self._reported += len(unexpected)
        if unexpected:
            raise UnexpectedRunError(f"ran what the test did not foresee: {unexpected!r}; foresee it with bot.runs(…)")

    async def _begin(self) -> int:
        """Start the daemon if it does not run; gives where the journal stands, without what is said on the way up."""
        if self._task is not None:
            self.check()
            return len(self.told)
        count_threads()
        self._stage = Stage(self._world)
        # No TaskGroup: a fixture is set up and torn down outside of the test's task; `close` ends it.
        self._task = asyncio.get_running_loop().create_task(self._stage.play(), name="opsbot")
        await settled()
        self.check()
        return len(self.told)

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _since(self, begun: int) -> Sequence[Told]:
        return self.told[begun:]

    async def _outputs(self, begun: int) -> list[Output]:
        await settled()
        self.check()
        return [told.output for told in self._since(begun)]

    async def _end_of(self, message: IncomingMessage) -> None:
        """Answer questions and move the clock until the command of a message has ended."""
        await settled()
        while self._is_carried_out(message) and not self.runner.is_hanging:
            if not self._answer(message) and not await self.clock.jump():
                break
            await settled()
        self.check()

    def _is_carried_out(self, message: IncomingMessage) -> bool:
        key = f"{message.chat.channel}\n{message.message_id}"
        jobs = {f"job:{job.job_id}" for job in self.store.jobs.values() if job.message_key == key}
        return any(task.get_name() in jobs for task in asyncio.all_tasks())

    def _answer(self, message: IncomingMessage) -> bool:
        """Answer the question that waits for the sender, unless the test withholds the answer."""
        assert self._stage is not None  # noqa: S101 - `_begin` was called
        person = self._world.access.identify(message.chat.channel, message.sender_id)
        question = self._stage.asks.open.get((message.chat, person.name if person else ""))
        if question is None or question.is_withheld:
            return False
        nonce = self._nonce(question.prompt)
        if nonce:
            answer = nonce if self._confirms else None
        elif self._answers:
            answer = self._answers.pop(0)
        else:
            raise AssertionError(f"the operation asks {question.prompt!r}; foresee it with bot.answers(…)")
        question.is_withheld = True
        if answer is not None:
            room = message.chat.chat_id if message.chat.is_room else ""
            self.channels[message.chat.channel].says(answer, by=message.sender_id, room=room)
        return answer is not None

    def _nonce(self, prompt: str) -> str:
        """Find what must be repeated to confirm, "" when the prompt asks for something else."""
        _, _, lead = TEXTS["confirm"][self._world.language].partition("{summary}")
        _, found, nonce = prompt.rpartition(lead.replace("{nonce}", ""))
        return nonce if found else ""
