"""A configured operation: its name, its settings, its source, and whom it tells."""

from dataclasses import dataclass, field

from opsbot.core.chat import Chat
from opsbot.core.context import Person
from opsbot.core.log import Rule
from opsbot.core.operation import Operation
from opsbot.core.surface import Surface


@dataclass(frozen=True, slots=True)
class Route:
    """The chats of a scene: all of `tell` get what it says; `fallback` are tried in order when none was reached."""

    tell: tuple[Chat, ...] = ()
    fallback: tuple[Chat, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One entry of `operations:`.

    `rules` are what the operation declared, asked for once. `partner` is the person whose bot the scene is about,
    `partner_chat` the direct chat with that account.
    """

    name: str
    operation: Operation
    surface: Surface
    source: str = ""
    route: Route = field(default_factory=Route)
    rules: tuple[Rule, ...] = ()
    partner: Person | None = None
    partner_chat: Chat | None = None
    confirm: bool = True
