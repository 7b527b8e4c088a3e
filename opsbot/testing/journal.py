"""What an operation said, as it said it: taken down where it enters the real pipeline."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from opsbot.core.change import Change
from opsbot.core.chat import Chat
from opsbot.core.context import Person
from opsbot.core.notification import Notification, Severity
from opsbot.core.output import Output
from opsbot.core.ports import Clock
from opsbot.core.scene import Route
from opsbot.pipeline.ask import Asks, Send
from opsbot.pipeline.context import Ask
from opsbot.pipeline.hooks import Hooks
from opsbot.pipeline.link import Link
from opsbot.pipeline.obey import Obey
from opsbot.pipeline.reply import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One thing that was said, and to whom: `to` are the first ones, `fallback` those who come next.

    A recipient reads as `NAME` (on the channel `chat`), `NAME@CHANNEL` or `room:NAME`. `scene` is "opsbot" for what the
    daemon says by itself. `notification` is what a hook told, None for a reply.
    """

    output: Output
    scene: str
    to: tuple[str, ...]
    fallback: tuple[str, ...] = ()
    notification: Notification | None = None

    @property
    def is_reply(self) -> bool:
        """Whether somebody had asked for it."""
        return self.notification is None

    @property
    def key(self) -> str:
        """The notification's key."""
        return self.notification.key if self.notification else ""

    @property
    def severity(self) -> Severity:
        """The notification's severity; a reply is urgent."""
        return self.notification.severity if self.notification else Severity.URGENT


Journal = list[Told]


@dataclass(slots=True)
class Question:
    """A question that waits for an answer."""

    prompt: str
    is_withheld: bool = False


def recipient(chat: Chat) -> str:
    """Name a chat as tests do."""
    name = f"room:{chat.chat_id}" if chat.is_room else chat.chat_id
    return name if chat.channel == "chat" else f"{name}@{chat.channel}"


class HeardHooks(Hooks):
    """Hooks that take down what is told."""

    journal: Journal

    def change_for(self, notification: Notification, scene: str, route: Route) -> Change:
        """See `Hooks.change_for`."""
        change = super().change_for(notification, scene, route)
        first = (notification.chat,) if notification.chat else route.tell
        fallback = () if notification.chat else route.fallback
        self.journal.append(
            Told(
                output=notification.content,
                scene=scene,
                to=tuple(map(recipient, (*first, *(fallback if notification.escalate else ())))),
                fallback=() if notification.escalate else tuple(map(recipient, fallback)),
                notification=notification,
            )
        )
        return change


class HeardReply(Reply):
    """A reply that takes down what is said before it is gathered, edited or cut."""

    def __init__(self, reply: Reply, journal: Journal, chat: Chat, scene: str) -> None:
        """Stand in front of `reply`."""
        self._inner, self._journal, self._scene = reply, journal, scene
        self._to = (recipient(chat),)

    async def stream(self, outputs: AsyncIterator[tuple[Output, Change]]) -> bool:
        """See `Reply.stream`."""

        async def heard() -> AsyncIterator[tuple[Output, Change]]:
            async for output, change in outputs:
                self._note(output)
                yield output, change

        return await self._inner.stream(heard())

    async def ask(self, prompt: str) -> int:
        """See `Reply.ask`."""
        self._note(prompt)
        return await self._inner.ask(prompt)

    async def send(self, output: Output, *, edits: int = 0, also: Change | None = None) -> int:
        """See `Reply.send`."""
        self._note(output)
        return await self._inner.send(output, edits=edits, also=also)

    def _note(self, output: Output) -> None:
        self._journal.append(Told(output=output, scene=self._scene, to=self._to))


class HeardObey(Obey):
    """Obey, with replies that take down what is said."""

    journal: Journal

    def _reply(self, link: Link, chat: Chat, scene: str, notice_id: str) -> Reply:
        return HeardReply(super()._reply(link, chat, scene, notice_id), self.journal, chat, scene)


class HeardAsks(Asks):
    """Asks that show which questions wait."""

    def __init__(self) -> None:
        """Start with none."""
        super().__init__()
        self.open: dict[tuple[Chat, str], Question] = {}

    def asker(self, chat: Chat, person: Person, send: Send, clock: Clock) -> Ask:
        """See `Asks.asker`."""
        ask = super().asker(chat, person, send, clock)

        async def heard(prompt: str, timeout_s: float) -> str | None:
            question = self.open[chat, person.name] = Question(prompt)
            try:
                return await ask(prompt, timeout_s)
            finally:
                if self.open.get((chat, person.name)) is question:
                    del self.open[chat, person.name]

        return heard
