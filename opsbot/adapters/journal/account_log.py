"""The account log: the records that a partner tails to learn that this bot's account is out, or back."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from opsbot.core.account_record import json_record, starter_record
from opsbot.core.chat import AccountEvent
from opsbot.core.errors import StateError

MODE = 0o640
"""The partner's user reads it through the group; login codes are nobody else's business."""


class AccountLogFile:
    """Appends records to a file, one `write` each, so that no reader ever sees half of one.

    The file is opened for every record: records are rare, and a log manager may rename or truncate it at any time.
    """

    def __init__(
        self, path: Path, log_format: Literal["starter", "json"], *, name: str, pair_key: str, note: Callable[[int], None]
    ) -> None:
        """Keep where and how to write; `pair_key` signs the records, "" leaves them unsigned.

        `note` is called, in a thread, with the descriptor of each file before anything is written to it.
        """
        self._path = path
        self._record = starter_record if log_format == "starter" else json_record
        self._name = name
        self._pair_key = pair_key
        self._note = note
        self._last_ms = 0

    def prepare(self) -> None:
        """Make the file, so that a partner finds it and its permissions can be looked at before it matters. Blocking.

        Raises:
            StateError: it cannot be written; a bot that cannot say that it is out cannot be rescued.
        """
        try:
            self._write("")
        except OSError as exc:
            raise StateError(f"{self._path}: {exc.strerror}: let the user opsbot runs as write it, or correct log.file") from exc

    async def append(self, event: AccountEvent) -> None:
        """Write one record, or nothing for an event that is no business of the log.

        Raises:
            OSError: the file cannot be written; the daemon cannot be rescued without it, so this is no detail.
        """
        self._last_ms = max(self._last_ms + 1, int(event.at.timestamp() * 1000))
        line = self._record(event, name=self._name, pair_key=self._pair_key, at_ms=self._last_ms)
        if line:
            await asyncio.to_thread(self._write, f"{line}\n")

    def _write(self, line: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
        try:
            self._note(descriptor)
            os.write(descriptor, line.encode("utf-8", "replace"))
        finally:
            os.close(descriptor)
