"""The ports: what the pipelines ask of the world, and what every adapter must keep.

Adapters do not inherit from these Protocols; mypy holds them against each other where `app.py` joins them, and
the contract tests (`tests/contract/`, one file per port) hold them to the promises written here.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from opsbot.core.chat import AccountEvent, Capabilities, Contact, IncomingMessage, OutgoingMessage
from opsbot.core.log import Batch, RuleFigures, Scan, SourceFigures


class Clock(Protocol):
    """Time, handed in: nothing else in opsbot looks at a clock or sleeps."""

    def now(self) -> datetime:
        """Give the wall clock as an aware UTC datetime."""
        ...

    def monotonic_s(self) -> float:
        """Give seconds that only ever grow, for measuring durations."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait; a delay of 0 or less still lets others run."""
        ...


class Channel(Protocol):
    """One connected chat account.

    A channel is entered to connect and left to disconnect, as often as the supervisor likes: each entry is a
    fresh connection with fresh streams. Entering raises ChannelUnavailableError when the platform cannot be reached, within
    30 s. Leaving is idempotent, bounded to 5 s, and ends both streams. While the connection holds, both streams wait;
    when it is lost (cut, kicked, frozen), `messages()` raises ChannelUnavailableError with the reason.
    """

    @property
    def name(self) -> str:
        """The channel's key in the configuration."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this channel can do; constant."""
        ...

    async def __aenter__(self) -> Self:
        """Connect."""
        ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect, whatever state the connection is in."""
        ...

    def messages(self) -> AsyncIterator[IncomingMessage]:
        """Stream what people write, oldest first, the bot's own messages included with `is_own`.

        A message of a kind this version does not know is skipped. One consumer.
        """
        ...

    def account_events(self) -> AsyncIterator[AccountEvent]:
        """Stream what happens to the account itself. Ends without an error when the connection ends. One consumer."""
        ...

    async def send(self, message: OutgoingMessage) -> str:
        """Send one message and give the platform's id for it ("" where it has none).

        Calls for one chat are made one after the other and keep their order. Bounded to 30 s.

        Raises:
            ChannelUnavailableError: not sent, or not known to be sent (`maybe_sent`); try again later.
            MessageRejectedError: never will be.
        """
        ...

    async def edit(self, message_id: str, message: OutgoingMessage) -> None:
        """Replace the text of a message sent before; only with `capabilities.edits`.

        Raises:
            ChannelUnavailableError: as in `send`.
            MessageRejectedError: the message is gone, too old, or the channel cannot edit.
        """
        ...


@runtime_checkable
class Account(Protocol):
    """What a channel with an account behind it (`capabilities.has_account`) offers besides."""

    async def log_out(self) -> None:
        """Log the account out on the platform. Raises ChannelUnavailableError when that cannot be done now."""
        ...

    async def contacts(self) -> Sequence[Contact]:
        """List whom the account knows, persons and rooms."""
        ...


class Source(Protocol):
    """The log files behind one path or glob.

    Entering starts reading after the given checkpoints; leaving ends the stream and the reader within 5 s. At least once:
    what was not committed is read again after a restart, and a batch's checkpoints must be committed together with what
    follows from its records.
    """

    @property
    def name(self) -> str:
        """The source's key in the configuration."""
        ...

    async def __aenter__(self) -> Self:
        """Start reading."""
        ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop reading."""
        ...

    def batches(self) -> AsyncIterator[Batch]:
        """Stream what matched, in file order per file. A slow consumer makes the source wait; nothing is dropped."""
        ...

    def figures(self) -> SourceFigures:
        """Say where it stands; cheap, callable at any time, zeros while it is not entered."""
        ...


class Matcher(Protocol):
    """All rules of all operations on one source, compiled together. Used by one thread at a time."""

    def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:
        r"""Find every record of the block that some rule matches.

        The block holds whole lines, each ended by `\n` (the last one may lack it). A record is a line, or several where the
        source is configured so; `is_end` says that the last one will not go on. A rule means `re.search` on the record
        decoded with replacement, without its line end, lines joined by `\n` (`\r\n` counts as `\n`). Matches come in order,
        hits in order of their rules. No false negative and no false positive. Called from a reader thread.
        """
        ...

    def search(self, record: str) -> Scan:
        r"""Ask all rules about one whole record that somebody else made of its lines and decoded.

        It may hold `\n`; nothing is split, joined or waited for. Its one match, if any, goes from 0 to its length, and that
        is `consumed`, in characters.
        """
        ...

    def figures(self) -> Sequence[RuleFigures]:
        """Say how each rule is searched, in the order of the rules. Called from any thread."""
        ...


class Process(Protocol):
    """A running command: iterate over its lines, then look at `exit_status`."""

    @property
    def exit_status(self) -> int:
        """The exit status, negative for a signal; only after the lines have ended."""
        ...

    @property
    def timed_out(self) -> bool:
        """Whether it was ended because its time was over."""
        ...

    def __aiter__(self) -> AsyncIterator[str]:
        """Stream stdout and stderr as lines without their ends, decoded, ANSI and control characters removed."""
        ...


class Pipe(Protocol):
    """A running command whose output is data: iterate over its stdout as bytes, in pieces as they come."""

    @property
    def exit_status(self) -> int:
        """The exit status, negative for a signal; only after the output has ended."""
        ...

    @property
    def last_words(self) -> str:
        """The last line on stderr that is not empty, as `Process` gives lines; "" while there is none."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Stream stdout as it is. Who takes nothing makes the command wait; nothing is dropped.

        Waiting for the next piece may be given up and begun again.
        """
        ...


class Runner(Protocol):
    """Carries out commands: argv only, never a shell."""

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        run_as: str = "",
        timeout_s: float,
        job_id: str = "",
    ) -> AbstractAsyncContextManager[Process]:
        """Start a command in its own process group, with stdin closed and an allow-listed environment plus `env`.

        Leaving the context ends the group (TERM, then KILL after 2 s) if it still runs, also on cancellation.

        Raises:
            CommandError: the program is not there, may not be run, or `run_as` is not possible; the text says the mend.
        """
        ...

    def pipe(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, said: bytes = b""
    ) -> AbstractAsyncContextManager[Pipe]:
        """Start a command that is listened to for as long as it likes, in a group and with an environment as `run` does.

        `said` is written to its stdin, which stays open until the context is left: a command that waits for its end is
        ended by it. Leaving the context ends the group as `run` does.

        Raises:
            CommandError: as in `run`.
        """
        ...


class QrRenderer(Protocol):
    """Draws QR codes."""

    def png(self, payload: str) -> bytes:
        """Draw a PNG with at least four modules of quiet zone. Blocking: called in a thread.

        Raises:
            MessageRejectedError: the payload is too long for a QR code.
        """
        ...
