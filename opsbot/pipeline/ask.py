"""Questions that commands ask back: an answer counts only from the same person in the same chat, and only once."""

import asyncio
from collections.abc import Awaitable, Callable

from opsbot.core.chat import Chat
from opsbot.core.context import Person
from opsbot.core.folding import own_words
from opsbot.core.ports import Clock
from opsbot.pipeline.context import Ask
from opsbot.pipeline.limit import TimeLimitError, within

Send = Callable[[str], Awaitable[object]]


class Asks:
    """The questions that wait for an answer, one per person and chat."""

    def __init__(self) -> None:
        """Start with none."""
        self._waiting: dict[tuple[Chat, str], asyncio.Future[str]] = {}

    def expects(self, chat: Chat, person: Person) -> bool:
        """Tell whether a question waits for an answer of this person in this chat."""
        return (chat, person.name) in self._waiting

    def take(self, chat: Chat, person: Person, message: str) -> bool:
        """Take a message as the answer to the question that waits for it, if one does."""
        future = self._waiting.pop((chat, person.name), None)
        if future is None or future.done():
            return False
        future.set_result(own_words(message))
        return True

    def asker(self, chat: Chat, person: Person, send: Send, clock: Clock) -> Ask:
        """Give the function with which one command asks: the prompt and the seconds to wait; None is no answer."""

        async def ask(prompt: str, timeout_s: float) -> str | None:
            key = (chat, person.name)
            if key in self._waiting:
                return None  # two questions at once could not be told apart
            future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self._waiting[key] = future
            try:
                await send(prompt)
                return await within(clock, timeout_s, future)
            except TimeLimitError:
                return None
            finally:
                if self._waiting.get(key) is future:  # once answered, the place may be another command's
                    del self._waiting[key]

        return ask
