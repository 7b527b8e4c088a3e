"""A command's outputs on their way back to the chat: the first line at once, the next ones gathered."""

import asyncio
from collections.abc import AsyncIterator

from opsbot.core.catalogue import Language, text
from opsbot.core.change import Change
from opsbot.core.chat import Capabilities, Chat
from opsbot.core.delivery import Delivery
from opsbot.core.dispatch import merge
from opsbot.core.notification import Severity
from opsbot.core.output import File, Output
from opsbot.core.ports import Clock
from opsbot.pipeline.hooks import Hooks

GATHER_S = 1.0
"""So often a stream of lines leaves; people read no faster, and platforms count messages."""
QUICK_MESSAGES = 5
SLOW_GATHER_S = 30.0
"""After so many messages a stream in a chat that cannot be edited becomes a sign of life, or the account gets banned."""
WHOLE_BYTES = 2_000_000
"""So much of a stream is kept for the file that says what the chat left out."""
KEPT_LINES = 200
"""Head and tail of a stream that stay in memory, half each; the lines between are counted."""
WAITING_LINES = 100
"""So many lines are taken before others may run: the rest of the daemon does not wait for a program that floods."""


class Transcript:
    """The lines of a stream: head and tail, and how many were left out between."""

    def __init__(self) -> None:
        """Start empty."""
        self._head: list[str] = []
        self._tail: list[str] = []
        self.n_cut = 0

    def add(self, line: str) -> None:
        """Add a line; memory stays bounded."""
        if len(self._head) < KEPT_LINES // 2:
            self._head.append(line)
            return
        self._tail.append(line)
        if len(self._tail) > KEPT_LINES // 2:
            self._tail.pop(0)
            self.n_cut += 1

    def text(self, language: Language) -> str:
        """Give the transcript as it reads now."""
        cut = [text("cut", language, n=self.n_cut)] if self.n_cut else []
        return "\n".join([*self._head, *cut, *self._tail])


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
        self._change = Change()
        self._n_waiting, self._n_messages, self._n_cut = 0, 0, 0
        self._whole: list[str] = []
        self._whole_bytes = 0
        self._fresh = asyncio.Event()
        self._sending = asyncio.Lock()

    async def stream(self, outputs: AsyncIterator[tuple[Output, Change]]) -> bool:
        """Send everything; tells whether there was anything. What an output's change wants commits together with it.

        `outputs` must not raise: what went wrong with a command is an output too.
        """
        has_said = False
        async with asyncio.TaskGroup() as group:
            pacer = group.create_task(self._pace(), name="reply:pace")
            async for output, change in outputs:
                has_said = True
                await self._take(output, change)
            async with self._sending:  # between two messages, not in the middle of one
                pacer.cancel()
        await self._flush()
        await self._send_whole()
        return has_said

    async def _pace(self) -> None:
        """Send the first line at once, and what follows every GATHER_S."""
        while True:
            await self._fresh.wait()
            await self._flush()
            is_slow = not self._capabilities.edits and self._n_messages >= QUICK_MESSAGES
            await self._clock.sleep(SLOW_GATHER_S if is_slow else GATHER_S)

    async def _take(self, output: Output, change: Change) -> None:
        if not isinstance(output, str):
            await self._flush()
            async with self._sending:
                await self.send(output, also=change)
                self._transcript, self._edited_id = Transcript(), 0  # the next lines stand below it
            return
        self._transcript.add(output)
        self._whole_bytes += len(output) + 1
        if self._whole_bytes <= WHOLE_BYTES:
            self._whole.append(output)
        self._change = merge(self._change, change) if change else self._change
        self._n_waiting += 1
        self._fresh.set()
        if self._n_waiting % WAITING_LINES == 0:
            await asyncio.sleep(0)  # the lines cost no memory; a program that floods only has to let others run

    async def _flush(self) -> None:
        """Send the lines that wait, in place of the message before where the channel can edit."""
        async with self._sending:
            if not self._fresh.is_set():
                return
            self._fresh.clear()
            whole = self._transcript.text(self._language)
            self._n_cut += self._transcript.n_cut
            self._n_messages += 1
            change, self._change = self._change, Change()
            self._n_waiting = 0
            edits = self._edited_id
            grows_on = self._capabilities.edits and len(whole) <= self._capabilities.text_limit_chars // 2
            if not grows_on:
                self._transcript = Transcript()  # the next lines begin a new message
            sent_id = await self.send(whole, edits=edits, also=change)
            self._edited_id = (edits or sent_id) if grows_on else 0

    async def _send_whole(self) -> None:
        """Hand over as a file what was too long for the chat."""
        if self._n_cut and self._capabilities.attachments:
            content = "\n".join(self._whole).encode()
            caption = text("whole_output", self._language)
            await self.send(File("output.txt", content, caption, "text/plain; charset=utf-8"))

    async def ask(self, prompt: str) -> int:
        """Send a question as a message of its own, after all that was said before it."""
        await self._flush()
        async with self._sending:
            self._transcript, self._edited_id = Transcript(), 0
            return await self.send(prompt)

    async def send(self, output: Output, *, edits: int = 0, also: Change | None = None) -> int:
        """Put one output into the outbox and give its delivery's id."""
        now = self._clock.now()
        delivery = Delivery(
            chat=self._chat, output=output, notice_id=self._notice_id, created_at=now, not_before=now, scene=self._scene,
            severity=Severity.URGENT, is_reply=True, edits=edits,
        )  # fmt: skip
        return await self._hooks.commit_delivery(delivery, also or Change())
