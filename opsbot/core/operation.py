"""The surface for authors: an operation is a class; its fields are its settings and its hooks are all optional."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar, TypeVar, dataclass_transform

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as pydantic_dataclass

from opsbot.core.context import Context
from opsbot.core.log import LogEvent, Rule
from opsbot.core.notification import Notification
from opsbot.core.output import Output

Told = Notification | Iterable[Notification] | None
Hook = Awaitable[Told] | AsyncIterator[Notification]
Answer = Awaitable[Output | None] | AsyncIterator[Output]
Method = TypeVar("Method", bound=Callable[..., Any])

COMMAND_MARK = "__opsbot_command__"
PREFIX_MARK = "__opsbot_prefix__"
EVERY_MARK = "__opsbot_every__"


class Risk(StrEnum):
    """What a command can do: READ looks, WRITE changes, DANGER may destroy."""

    READ = "read"
    WRITE = "write"
    DANGER = "danger"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandMark:
    """What `@command` says about a method."""

    name: str
    aliases: tuple[str, ...] = ()
    risk: Risk = Risk.WRITE
    timeout_s: float = 60
    exclusive: bool = False
    rooms: bool = True
    for_partner: bool = False
    for_members: bool = False


@dataclass(frozen=True, slots=True)
class NamedCommand:
    """A command that comes from the settings and not from a method: `on_command` carries it out."""

    name: str
    usage: str
    summary: str
    risk: Risk = Risk.WRITE


def command(
    name: str,
    *,
    aliases: Iterable[str] = (),
    risk: Risk = Risk.WRITE,
    timeout_s: float = 60,
    exclusive: bool = False,
    rooms: bool = True,
    for_partner: bool = False,
    for_members: bool = False,
) -> Callable[[Method], Method]:
    """Make a method a command; the parameters after `ctx` are its arguments and the docstring is its help.

    Args:
        name: what people type; folded (case, width, trailing punctuation) on both sides.
        aliases: other names, which may be Chinese.
        risk: decides what is asked for before it runs.
        timeout_s: after so long it is ended.
        exclusive: at most one at a time per scene.
        rooms: whether it may be given in a room.
        for_partner: the bot that the scene's `partner` names may use it without a grant.
        for_members: whoever has any grant at all may use it.
    """
    mark = CommandMark(
        name=name, aliases=tuple(aliases), risk=risk, timeout_s=timeout_s, exclusive=exclusive, rooms=rooms,
        for_partner=for_partner, for_members=for_members,
    )  # fmt: skip

    def decorate(method: Method) -> Method:
        setattr(method, COMMAND_MARK, mark)
        return method

    return decorate


def prefix(start: str, *, risk: Risk = Risk.READ) -> Callable[[Method], Method]:
    """Give a method every line that begins with `start`, whole, as its one argument after `ctx`."""

    def decorate(method: Method) -> Method:
        setattr(method, PREFIX_MARK, start)
        setattr(method, COMMAND_MARK, CommandMark(name=start, risk=risk))
        return method

    return decorate


def every(period: str) -> Callable[[Method], Method]:
    """Call a method `(self, ctx)` again and again, as the principal `system`; the period is like "30s", "5m", "2h", "1d".

    It may return or yield notifications, and may use `ctx.run`.
    """
    delay = parse_period(period)

    def decorate(method: Method) -> Method:
        setattr(method, EVERY_MARK, delay)
        return method

    return decorate


def parse_period(text: str) -> timedelta:
    """Read a period such as "90s", "5m", "2h" or "1d".

    >>> parse_period("5m").total_seconds()
    300.0

    Raises:
        ValueError: it is none, or not positive.
    """
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    number, unit = text.strip()[:-1], text.strip()[-1:]
    try:
        period = timedelta(**{units[unit]: float(number)})
    except (KeyError, ValueError, OverflowError):
        raise ValueError(f"{text!r} is no period; write a number and s, m, h or d, as in 5m") from None
    if period <= timedelta(0):
        raise ValueError(f"{text!r} is not a positive period")
    return period


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Operation:
    """What opsbot can do. A subclass becomes a frozen, keyword-only pydantic dataclass; unknown settings are refused.

    A hook is an `async def` that returns, or an async generator that yields. `on_log`, `on_timer`, `on_start` and
    `@every` tell Notifications; commands answer with Outputs (text, Image, File, QrCode, Markdown). What `on_log` and
    `on_timer` write to `ctx.state` commits together with what they tell and with the log's checkpoint, or not at all.
    """

    EXTRA_REFUSED: ClassVar[ConfigDict] = ConfigDict(extra="forbid", arbitrary_types_allowed=False)

    def __init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401 - passed on as it came
        """Turn the class into a frozen dataclass whose fields are validated settings."""
        super().__init_subclass__(**kwargs)
        pydantic_dataclass(frozen=True, kw_only=True, config=cls.EXTRA_REFUSED)(cls)

    def rules(self) -> Iterable[Rule]:
        """Declare what `on_log` wants to see of the scene's source."""
        return ()

    def on_log(self, ctx: Context, event: LogEvent) -> Hook:
        """Get one matched record; called in file order."""
        raise NotImplementedError  # never called: a class without on_log declares no rules (checked at load)

    def takes(self) -> Iterable[NamedCommand]:
        """Declare the commands that the settings define; each is given to `on_command` with its name as the first word."""
        return ()

    def on_command(self, ctx: Context, words: tuple[str, ...]) -> Answer:
        """Get a line for this scene that none of its commands takes (WRITE), or one of those that `takes` declares."""
        raise NotImplementedError  # never called unless overridden

    def on_timer(self, ctx: Context, key: str) -> Hook:
        """Get a timer that was set with `ctx.after`."""
        raise NotImplementedError  # never called unless overridden

    def on_start(self, ctx: Context) -> Hook:
        """Begin: called once the scene's channels and sources are being started."""
        raise NotImplementedError  # never called unless overridden

    async def on_stop(self) -> None:
        """End: called before the daemon stops; bounded to 5 s."""
        raise NotImplementedError  # never called unless overridden

    def on_partner_message(self, ctx: Context, text: str) -> Awaitable[Output | None]:
        """Get a direct message from the account that the scene's `partner` names, before it is read as a command.

        None: not mine, read on. Anything else ends there: "" is silence, other output is the answer.
        """
        raise NotImplementedError  # never called unless overridden
