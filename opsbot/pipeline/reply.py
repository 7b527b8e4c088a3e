"""A command's outputs on their way back to the chat: the first line at once, the next ones gathered."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from opsbot.core.catalogue import Language, text
from opsbot.core.change import Change
from opsbot.core.chat import Capabilities, Chat
from opsbot.core.delivery import Delivery
from opsbot.core.notification import Severity
from opsbot.core.output import Output
from opsbot.core.ports import Clock
from opsbot.pipeline.hooks import Hooks

GATHER_S = 1.0
"""So often a stream of lines leaves; people read no faster, and platforms count messages."""
KEPT_LINES = 200
"""Head and tail of a stream that stay in memory, half each; the lines between are counted."""
WAITING_OUTPUTS = 100


class Transcript:
    """The lines of a stream: head and tail, and how many were left out between."""

    def __init__(self) -> None:
        """Start empty."""
        self._head: list[str] = []
        self._tail: list[str] = []
        self._cut = 0

    def add(self, line: str) -> None:
        """Add a line; memory stays bounded."""
        if len(self._head) < KEPT_LINES // 2:
            self._head.append(line)
            return
        self._tail.append(line)
        if len(self._tail) > KEPT_LINES // 2:
            self._tail.pop(0)
            self._cut += 1

    def text(self, language: Language) -> str:
        """Give the transcript as it reads now."""
        cut = [text("cut", language, n=self._cut)] if self._cut else []
        return "\n".join([*self._head, *cut, *self._tail])

    def __bool__(self) -> bool:
        """Tell whether anything was said."""
        return bool(self._head)


class Reply:
    """Answers one command in one chat."""

    def __init__(
        self,
        chat: Chat,
        capabilities: Capabilities,
        hooks: Hooks,
        clock: Clock,
        language: Language,
        *,
        scene: str,
        notice_id: str,
    ) -> None:
        """Prepare; nothing is sent before the first output."""
        self._chat, self._capabilities, self._hooks, self._clock, self._language = chat, capabilities, hooks, clock, language
        self._scene, self._notice_id = scene, notice_id
        self._transcript = Transcript()
        self._edited_id = 0

    async def stream(self, outputs: AsyncIterator[tuple[Output, Change]]) -> bool:
        """Send everything; tells whether there was anything. What an output's change wants commits no later than it.

        `outputs` must not raise: what went wrong with a command is an output too.
        """
        queue: asyncio.Queue[tuple[Output, Change] | None] = asyncio.Queue(WAITING_OUTPUTS)

        async def gather() -> None:
            while (item := await queue.get()) is not None:
                await self._flush([item, *await self._company(queue, is_first=not said)])
                said.append(True)

        said: list[bool] = []
        async with asyncio.TaskGroup() as group:
            group.create_task(gather(), name="reply:gather")
            async for item in outputs:
                await queue.put(item)
            await queue.put(None)
        return bool(said)

    async def _company(
        self, queue: "asyncio.Queue[tuple[Output, Change] | None]", *, is_first: bool
    ) -> Sequence[tuple[Output, Change]]:
        """Take what follows within GATHER_S; the very first output waits for nothing."""
        company: list[tuple[Output, Change]] = []
        if not is_first:
            await self._clock.sleep(GATHER_S)
        while not queue.empty():
            item = queue.get_nowait()
            if item is None:
                queue.put_nowait(None)
                break
            company.append(item)
        return company

    async def _flush(self, items: Sequence[tuple[Output, Change]]) -> None:
        lines: list[str] = []
        for output, change in items:
            if isinstance(output, str):
                lines.append(output)
                await self._hooks.commit(change)
                continue
            await self._send_lines(lines)
            lines = []
            await self.send(output, also=change)
        await self._send_lines(lines)

    async def _send_lines(self, lines: Sequence[str]) -> None:
        if not lines:
            return
        if not self._capabilities.edits:
            transcript = Transcript()
            for line in lines:
                transcript.add(line)
            await self.send(transcript.text(self._language))
            return
        for line in lines:
            self._transcript.add(line)
        whole = self._transcript.text(self._language)
        edits = self._edited_id
        sent_id = await self.send(whole, edits=edits)
        self._edited_id = edits or sent_id
        if len(whole) > self._capabilities.text_limit_chars // 2:
            self._transcript, self._edited_id = Transcript(), 0  # the next lines begin a new message

    async def send(self, output: Output, *, edits: int = 0, also: Change | None = None) -> int:
        """Put one output into the outbox and give its delivery's id."""
        now = self._clock.now()
        delivery = Delivery(
            chat=self._chat, output=output, notice_id=self._notice_id, created_at=now, not_before=now, scene=self._scene,
            severity=Severity.URGENT, is_reply=True, edits=edits,
        )  # fmt: skip
        return await self._hooks.commit_delivery(delivery, also or Change())
