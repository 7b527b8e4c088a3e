"""The second line: a chat message becomes a command and is carried out. Every step before the operation can only refuse."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from opsbot.core.access import STRANGER, Access
from opsbot.core.catalogue import Language, text
from opsbot.core.change import Job
from opsbot.core.chat import Chat, IncomingMessage
from opsbot.core.command import Ambiguous, Command, MayRun, resolve
from opsbot.core.context import CommandHelp, Person
from opsbot.core.folding import own_words
from opsbot.core.gate import MAX_AGE_S, Rate, Refusal, age_of, reason_to_refuse
from opsbot.core.output import Output
from opsbot.core.ports import Clock
from opsbot.core.scene import Scene
from opsbot.core.store import Store
from opsbot.core.surface import CommandSpec
from opsbot.pipeline.ask import Asks
from opsbot.pipeline.context import CommandContext, Daemon, OperationContext
from opsbot.pipeline.hooks import Hooks
from opsbot.pipeline.job import Jobs
from opsbot.pipeline.link import Link
from opsbot.pipeline.reply import Reply

log = structlog.get_logger(__name__)

PARTNER_BURST = 6
PARTNER_EVERY_S = 10.0
"""Two bots that answer each other are stopped: a partner's account gets so many answers, then one every ten seconds."""
UNKNOWN_BURST = 5
UNKNOWN_EVERY_S = 600.0
"""Nobody needs to be told more often that a word is no command, but another bot would answer to it, for ever."""
TOO_MANY_EVERY_S = 60.0


@dataclass(slots=True)
class Obey:
    """Reads messages as commands and hands them to jobs."""

    scenes: Mapping[str, Scene]
    access: Access
    store: Store
    hooks: Hooks
    daemon: Daemon
    jobs: Jobs
    asks: Asks
    rate: Rate = field(default_factory=Rate)
    partner_rate: Rate = field(default_factory=lambda: Rate(PARTNER_BURST, PARTNER_EVERY_S))
    talk_rate: Rate = field(default_factory=Rate)
    unknown_rate: Rate = field(default_factory=lambda: Rate(UNKNOWN_BURST, UNKNOWN_EVERY_S))
    too_many_rate: Rate = field(default_factory=lambda: Rate(1, TOO_MANY_EVERY_S))

    async def hear(self, link: Link, message: IncomingMessage) -> None:
        """Handle one message; returns when it is refused, answered, or its job has been started.

        A bug in a step is a refusal: it is logged and the next message is heard.
        """
        try:
            await self._hear(link, message)
        except Exception:  # whatever happens to one message, the next one is heard
            log.exception("message failed", channel=link.name, message_id=message.message_id)

    async def _hear(self, link: Link, message: IncomingMessage) -> None:
        refusal = reason_to_refuse(message, link.login)
        if refusal is Refusal.OWN_ECHO:
            return
        person = self.access.identify(link.name, message.sender_id)
        is_answer = person is not None and self.asks.expects(message.chat, person)
        if refusal is Refusal.NOT_MENTIONED and not is_answer:
            return
        if person is None:
            log.info("stranger", channel=link.name, sender_id=message.sender_id, name=message.sender_name)
        if refusal in (None, Refusal.NOT_MENTIONED):
            await self._admit(link, message, person, is_answer=is_answer)
        elif not await self._is_early_login_test(link, message, person, refusal):
            await self._refuse(link, message, person, refusal)

    async def _admit(self, link: Link, message: IncomingMessage, person: Person | None, *, is_answer: bool) -> None:
        if self._is_too_fast(link, message, person):
            await self._refuse(link, message, person, Refusal.TOO_MANY)
        elif not is_answer:
            await self._dispatch(link, message, person)
        elif person is not None and await self.store.claim(_key(message), message.received_at):
            # A platform that repeats itself must not answer a question with the very command that asked it.
            self.asks.take(message.chat, person, message.text)

    async def _is_early_login_test(
        self, link: Link, message: IncomingMessage, person: Person | None, refusal: Refusal | None
    ) -> bool:
        """Let a login test through that comes right after the login: it is no command. History is not let through."""
        is_fresh = abs(age_of(message)) <= MAX_AGE_S
        return refusal is Refusal.NOT_SETTLED and is_fresh and await self._is_partner_talk(link, message, person)

    def _is_too_fast(self, link: Link, message: IncomingMessage, person: Person | None) -> bool:
        """Count a message; a partner's is counted when it is answered: what it is told while it is out comes all at once."""
        return not self._is_partner(person) and not self.rate.admits(_sender(link, message), self._clock.monotonic_s())

    def _is_loop(self, link: Link, message: IncomingMessage, person: Person | None) -> bool:
        """Count an answer to a partner's account: two bots that answer each other come to an end here."""
        return self._is_partner(person) and not self.partner_rate.admits(_sender(link, message), self._clock.monotonic_s())

    def _may_talk(self, link: Link, message: IncomingMessage) -> bool:
        """Count an answer to a login test: others than commands use it up, so that a test is not left without one."""
        return self.talk_rate.admits(_sender(link, message), self._clock.monotonic_s())

    def _is_partner(self, person: Person | None) -> bool:
        return person is not None and any(scene.partner == person for scene in self.scenes.values())

    async def _dispatch(self, link: Link, message: IncomingMessage, person: Person | None) -> None:
        asker = person or STRANGER
        found = resolve(message.text, self.scenes, self._may_run(asker, message.chat))
        if found is None:
            if not await self._is_partner_talk(link, message, person):
                await self._answer_unknown(link, message, person)
        elif self._is_loop(link, message, person):
            await self._refuse(link, message, person, Refusal.TOO_MANY)
        elif isinstance(found, Ambiguous):
            if await self.store.claim(_key(message), message.received_at):
                await self._say(link, message.chat, text("ambiguous", self._language, choices="\n".join(found.choices)))
        else:
            await self._start(link, message, asker, found)

    async def _start(self, link: Link, message: IncomingMessage, asker: Person, command: Command) -> None:
        job = Job(
            job_id=self.jobs.new_id(), message_key=_key(message), person=asker.name, chat=message.chat, scene=command.scene.name,
            text=own_words(message.text), started_at=self._clock.now(),
        )  # fmt: skip
        if not await self.store.claim(job.message_key, message.received_at, job):
            log.info("duplicate message", channel=link.name, message_id=message.message_id)
            return
        log.info(
            "command", job=job.job_id, person=asker.name, scene=job.scene, command=command.spec.mark.name if command.spec else ""
        )
        reply = self._reply(link, message.chat, command.scene.name, job.job_id)
        timeout_s = command.spec.mark.timeout_s if command.spec else 60.0
        context = CommandContext(
            self.daemon, command.scene, person=asker, chat=message.chat, job=job,
            ask=self.asks.asker(message.chat, asker, reply.ask, self._clock), commands=lambda: self._help(asker, message.chat),
            deadline_s=self._clock.monotonic_s() + timeout_s,
        )  # fmt: skip
        self.jobs.start(job, command, context, reply)

    async def _is_partner_talk(self, link: Link, message: IncomingMessage, person: Person | None) -> bool:
        """Offer a partner's message to the scenes that name it: a login test and its answer are never commands."""
        if person is None or message.chat.is_room:
            return False
        for scene in self.scenes.values():
            if scene.partner_chat != message.chat or "on_partner_message" not in scene.surface.hooks:
                continue
            answer = await self._offer(scene, message)
            if answer is None:
                continue
            if await self.store.claim(_key(message), message.received_at) and answer and self._may_talk(link, message):
                await self._say(link, message.chat, answer)
            return True
        return False

    async def _offer(self, scene: Scene, message: IncomingMessage) -> Output | None:
        answers: list[Output | None] = []

        async def hook(context: OperationContext) -> None:
            answers.append(await scene.operation.on_partner_message(context, own_words(message.text)))

        await self.hooks.tell(scene, "on_partner_message", hook)
        return answers[0] if answers else None

    async def _refuse(self, link: Link, message: IncomingMessage, person: Person | None, refusal: Refusal | None) -> None:
        log.info("message refused", channel=link.name, message_id=message.message_id, reason=refusal)
        if person is None or not self._is_answerable(person, message.chat):
            return
        if resolve(message.text, self.scenes, self._may_run(person, message.chat)) is None:
            return
        if refusal is Refusal.TOO_MANY and not self.too_many_rate.admits(_sender(link, message), self._clock.monotonic_s()):
            return
        if await self.store.claim(_key(message), message.received_at):
            seconds = round(abs(age_of(message)))
            await self._say(link, message.chat, text(str(refusal), self._language, seconds=seconds))

    async def _answer_unknown(self, link: Link, message: IncomingMessage, person: Person | None) -> None:
        """Answer people of ours; strangers get silence, and so do partner bots, which talk for other reasons."""
        if person is None or not self.access.knows(person) or not await self.store.claim(_key(message), message.received_at):
            return
        if not self.unknown_rate.admits(_sender(link, message), self._clock.monotonic_s()):
            return
        await self._say(link, message.chat, text("unknown", self._language))

    def _is_answerable(self, person: Person, chat: Chat) -> bool:
        return self.access.knows(person) or any(self._help(person, chat))

    def _may_run(self, person: Person, chat: Chat) -> MayRun:
        today = self._clock.now().astimezone().date()

        def may_run(scene: Scene, spec: CommandSpec) -> bool:
            return self.access.may_run(person, scene, spec, today, chat).allowed

        return may_run

    def _help(self, person: Person, chat: Chat) -> list[CommandHelp]:
        may_run = self._may_run(person, chat)
        found = [(scene, spec) for scene in self.scenes.values() for spec in scene.surface.specs if may_run(scene, spec)]
        return [
            CommandHelp(
                scene.name, spec.mark.name, spec.usage, spec.summary, spec.details, spec.mark.aliases,
                is_unique=sum(other.mark.name == spec.mark.name for _, other in found) == 1,
            )
            for scene, spec in found
        ]  # fmt: skip

    def _reply(self, link: Link, chat: Chat, scene: str, notice_id: str) -> Reply:
        return Reply(chat, link.channel.capabilities, self.hooks, self._clock, self._language, scene=scene, notice_id=notice_id)

    async def _say(self, link: Link, chat: Chat, output: Output) -> None:
        await self._reply(link, chat, "opsbot", self.jobs.new_id()).send(output)

    @property
    def _clock(self) -> Clock:
        return self.daemon.clock

    @property
    def _language(self) -> Language:
        return self.daemon.language


def _key(message: IncomingMessage) -> str:
    return f"{message.chat.channel}\n{message.message_id}"


def _sender(link: Link, message: IncomingMessage) -> str:
    return f"{link.name}\n{message.sender_id}"
