"""`opsbot chat`: the conversation on standard input and output."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from opsbot.adapters.channels.local.client import LocalClient
from opsbot.adapters.channels.local.conversation import Manner, converse

try:
    import readline
except ImportError:  # a Python that was built without it: lines can still be typed, only not edited
    readline = None  # type: ignore[assignment]

PROMPT = "> "


async def run_chat(url: str, token: str, *, save_dir: Path, chat: str = "") -> None:
    """Hold a conversation as the owner of a token.

    In a terminal there is a prompt and it ends with Ctrl-D; in a pipe it ends once the input did and no more answers come.

    Raises:
        ChannelUnavailableError: opsbot cannot be reached at the beginning.
        CommandError: opsbot refuses the token or the chat.
    """
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if is_terminal:
        manner = Manner(save_dir=save_dir, chat=chat, quiet_s=0, first_answer_s=0, draws_codes=True)
        screen = Screen()
        lines, show = lines_of(lambda: input(PROMPT) + "\n"), screen.show
    else:
        manner = Manner(save_dir=save_dir, chat=chat)
        lines, show = lines_of(sys.stdin.readline), show_line
    async with LocalClient(url, token) as client:
        await converse(client, lines, show, manner)


@dataclass(frozen=True, slots=True)
class Screen:
    """A terminal with a prompt at its last line, which what is shown pushes down."""

    def show(self, text: str) -> None:
        """Print above the prompt, and put the prompt and what was typed back."""
        typed = readline.get_line_buffer() if readline else ""
        sys.stdout.write(f"\r\x1b[K{text}\n{PROMPT}{typed}")
        sys.stdout.flush()


def show_line(text: str) -> None:
    """Print to the pipe at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def lines_of(read: Callable[[], str]) -> AsyncIterator[str]:
    """Stream what a blocking call gives, one line each, until it gives "" or raises EOFError.

    The call is made in a daemon thread, because it cannot be cancelled: the process may end while it waits for a key.
    """
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()

    def pump() -> None:
        line = "\n"
        while line:
            try:
                line = read()
            except (EOFError, ValueError):
                line = ""
            try:
                loop.call_soon_threadsafe(lines.put_nowait, line)
            except RuntimeError:  # the conversation is over
                return

    threading.Thread(target=pump, name="read-stdin", daemon=True).start()
    while line := await lines.get():
        yield line.rstrip("\r\n")
