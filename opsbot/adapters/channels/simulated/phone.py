"""What the phones of the hub's accounts show, and the sequence by which a page follows them."""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opsbot.core.chat import Attachment

LETTERS_PER_PHONE = 200
FILES_BYTES = 24 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message as the hub carried it. `to_id` is an account or a room; `mentions` are account ids."""

    message_id: str
    sender_id: str
    to_id: str
    is_room: bool
    text: str
    at: datetime
    attachment: Attachment | None = None
    mentions: frozenset[str] = frozenset()


class Phones:
    """The last messages of each phone, with their files, in bounded memory."""

    def __init__(self, account_ids: Iterable[str], *, files_bytes: int = FILES_BYTES) -> None:
        self._phones: dict[str, deque[tuple[int, Letter]]] = {one: deque(maxlen=LETTERS_PER_PHONE) for one in account_ids}
        self._files: OrderedDict[str, Attachment] = OrderedDict()
        self._files_bytes = files_bytes
        self._seq = 0
        self._changed = asyncio.Event()

    @property
    def seq(self) -> int:
        """The number of the newest change."""
        return self._seq

    def change(self) -> int:
        """Number a change and wake up whoever waits for one."""
        self._seq += 1
        self._changed.set()
        self._changed = asyncio.Event()
        return self._seq

    async def wait_beyond(self, seq: int, wait_s: float) -> None:
        """Return as soon as there is a change after `seq`, at the latest after `wait_s`."""
        if self._seq == seq and wait_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait_s)

    def keep(self, letter: Letter, account_ids: Iterable[str]) -> None:
        """Put a message on phones; the oldest files go when there are too many bytes of them."""
        seq = self.change()
        for account_id in account_ids:
            self._phones[account_id].append((seq, letter))
        if letter.attachment is not None:
            self._files[letter.message_id] = letter.attachment
            while sum(len(file.content) for file in self._files.values()) > self._files_bytes:
                self._files.popitem(last=False)

    def letters(self, account_id: str) -> list[Letter]:
        """Give what one phone shows, oldest first."""
        return [letter for _, letter in self._phones[account_id]]

    def file(self, message_id: str) -> Attachment | None:
        """Give a message's file, None when it had none or is not kept any more."""
        return self._files.get(message_id)

    def shown_after(self, seq: int) -> dict[str, list[dict[str, Any]]]:
        """Give each phone's messages after `seq`, ready for JSON."""
        return {
            account_id: [self._shown(account_id, number, letter) for number, letter in phone if number > seq]
            for account_id, phone in self._phones.items()
        }

    def _shown(self, account_id: str, seq: int, letter: Letter) -> dict[str, Any]:
        file = letter.attachment
        return {
            "seq": seq,
            "id": letter.message_id,
            "from": letter.sender_id,
            "to": letter.to_id,
            "is_room": letter.is_room,
            "own": letter.sender_id == account_id,
            "text": letter.text,
            "at": letter.at.isoformat(),
            "attachment": None
            if file is None
            else {"name": file.name, "media_type": file.media_type, "bytes": len(file.content)},
        }
