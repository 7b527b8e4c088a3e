"""What an operation may ask of opsbot while one of its hooks runs."""

from collections.abc import AsyncIterator, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from opsbot.core.change import Json
from opsbot.core.chat import Chat
from opsbot.core.output import File

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in `people:`; `ids` maps channels to the person's id there."""

    name: str
    roles: frozenset[str]
    ids: tuple[tuple[str, str], ...] = ()

    def id_on(self, channel: str) -> str:
        """Give the id on a channel, "" if there is none."""
        return dict(self.ids).get(channel, "")


@dataclass(frozen=True, slots=True)
class CommandHelp:
    """One command that the asker may run, for `help`."""

    scene: str
    name: str
    usage: str
    summary: str
    details: str
    aliases: tuple[str, ...] = ()
    is_unique: bool = True


class PartState:
    """The words for the state of a part (a channel, a source)."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPED = "STOPPED"
    FATAL = "FATAL"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the daemon and how it does; `detail` says why it is not RUNNING, or who is logged in."""

    name: str
    kind: str
    state: str
    since_at: datetime
    detail: str = ""


class Execution(Protocol):
    """A command that runs: iterate over its lines; afterwards `exit` is its exit status."""

    exit: int
    timed_out: bool

    def __aiter__(self) -> AsyncIterator[str]:
        """Stream its output as lines; a status other than 0 is added as a last line `exit N`."""
        ...

    async def lines(self, *, report_exit: bool = True) -> list[str]:
        """Wait for the end and give all lines."""
        ...


class Context(Protocol):
    """What an operation may use in a hook."""

    @property
    def person(self) -> Person:
        """Who asks; in hooks that nobody asked for it is `system`."""
        ...

    @property
    def chat(self) -> Chat:
        """Where the answer goes; in hooks that nobody asked for, the first of `tell`."""
        ...

    @property
    def job(self) -> str:
        """The id of the command being carried out, "" elsewhere."""
        ...

    @property
    def now(self) -> datetime:
        """The time, aware UTC."""
        ...

    @property
    def scene(self) -> str:
        """The scene's name."""
        ...

    @property
    def bot_name(self) -> str:
        """This bot's name."""
        ...

    @property
    def own_pid(self) -> int:
        """The daemon's own process id."""
        ...

    @property
    def source(self) -> str:
        """The name of the scene's source, "" without one."""
        ...

    @property
    def partner_chat(self) -> Chat | None:
        """The direct chat with the account that the scene's `partner` names."""
        ...

    @property
    def partner_accounts(self) -> frozenset[str]:
        """The ids that the partner has on all channels."""
        ...

    @property
    def state(self) -> MutableMapping[str, Json]:
        """The scene's own durable store: JSON values by key."""
        ...

    def text(self, *, en: str, zh: str) -> str:
        """Choose the words of the configured language."""
        ...

    def run(
        self,
        *argv: str,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        run_as: str = "",
        timeout_s: float | None = None,
    ) -> Execution:
        """Run a program: argv only, no shell. Only in commands and `on_start`.

        Without `timeout_s` the command's own time is the bound.

        Raises:
            CommandError: while iterating, when the program cannot be started; the text says the mend.
        """
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait, by the injected clock."""
        ...

    async def ask(self, prompt: str, *, as_: type[T], timeout_s: float = 60) -> T:
        """Ask the person and give the answer; only in commands. Nobody else's answer counts.

        Raises:
            CommandError: no answer in time, or one that is no `as_`.
        """
        ...

    async def confirm(self, summary: str, *, timeout_s: float = 60) -> None:
        """Show the summary and wait until the person repeats the nonce that is shown with it; only in commands.

        Raises:
            CommandError: anything else was answered, or nothing in time.
        """
        ...

    def expect_restart(self) -> None:
        """Say that this command is about to end the daemon itself: its job counts as done and is not told as interrupted.

        Durable with the next output. The scene's `on_start` tells how it went.
        """
        ...

    def after(self, key: str, delay: timedelta | None) -> None:
        """Set the durable timer `key`: `on_timer(ctx, key)` is called after the delay, also over a restart.

        The same key again replaces it, None clears it.
        """
        ...

    async def log_tail(self, limit_bytes: int = 65536) -> File:
        """Give the end of the scene's own source as a file, whole lines, secrets masked.

        Raises:
            CommandError: the scene has no source, or there is no file now.
        """
        ...

    def commands(self) -> Sequence[CommandHelp]:
        """List the commands the person may run here."""
        ...

    def parts(self) -> Sequence[Part]:
        """List the parts of the daemon and how they do."""
        ...

    def open_alerts(self) -> Sequence[str]:
        """List the open alerts as lines."""
        ...
