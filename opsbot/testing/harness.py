"""Makes bots for tests."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypedDict, Unpack

from opsbot.core.access import BOT, OWNER, Access, Grant
from opsbot.core.catalogue import Language
from opsbot.core.change import Json
from opsbot.core.chat import Capabilities, Chat
from opsbot.core.context import Person
from opsbot.core.operation import Operation
from opsbot.core.scene import Route, Scene
from opsbot.core.surface import surface_of, with_named
from opsbot.pipeline.hooks import Manners
from opsbot.testing.bot import Bot
from opsbot.testing.channel import CAPABILITIES, FakeChannel
from opsbot.testing.clock import NOON, FakeClock
from opsbot.testing.example import a_person
from opsbot.testing.runner import FakeRunner
from opsbot.testing.source import FakeLog
from opsbot.testing.stage import World
from opsbot.testing.store import FakeStore

CHANNEL = "chat"
OWN_PID = 4242


class Options(TypedDict, total=False):
    """What a test may say about the daemon around its operation.

    scene: the name under which the operation is configured; default: the class's name in snake_case.
    also: other operations beside it, by scene.
    grants: what roles may do: role → commands of the scene, or `SCENE COMMAND`; "*" is all of the scene. For each role there is
        a person of the same name; the role "everyone" is for strangers.
    partner: the name of the account the scene is about; default: what stands before "@" in the operation's own `partner`.
    tell, fallback: recipients of the scene, `NAME`, `NAME@CHANNEL` or `room:NAME`; default: the owner, and nobody.
    language: "en" (default) or "zh".
    state: what the scene's durable state holds at the start.
    pair_key: the key that signed records are verified with.
    secrets: values that are masked wherever they turn up.
    bot_name, own_pid, now: of the daemon.
    manners: how notifications are grouped, repeated and paced.
    capabilities: what the channels can do.
    """

    scene: str
    also: Mapping[str, Operation]
    grants: Mapping[str, Sequence[str]]
    partner: str
    tell: Sequence[str]
    fallback: Sequence[str]
    language: Language
    state: Mapping[str, Json]
    pair_key: str
    secrets: Sequence[str]
    bot_name: str
    own_pid: int
    now: datetime
    manners: Manners
    capabilities: Capabilities


class Harness:
    """Called with an operation, gives a bot that has it: `bot = harness(RestartPm2(process="bob"))`."""

    def __init__(self) -> None:
        """Begin without bots."""
        self.bots: list[Bot] = []

    def __call__(self, operation: Operation, **options: Unpack[Options]) -> Bot:
        """Make a bot; it starts with the first call that is awaited."""
        name = options.get("scene") or _snake_case(type(operation).__name__)
        clock = FakeClock(options.get("now", NOON))
        tell, fallback = options.get("tell", (OWNER,)), options.get("fallback", ())
        partner = options.get("partner") or _partner_of(operation)
        names = _channels([*tell, *fallback, partner])
        grants = {role: tuple(_grants(name, said)) for role, said in options.get("grants", {}).items()}
        people = _people([OWNER, *grants], partner, names)
        route = Route(tuple(map(_chat, tell)), tuple(map(_chat, fallback)))
        scenes = {name: _scene(name, operation, route, partner, people)}
        scenes |= {other: _scene(other, one, route, _partner_of(one), people) for other, one in options.get("also", {}).items()}
        store = FakeStore()
        if options.get("state"):
            store.state[name] = dict(options["state"])
        capabilities = options.get("capabilities", CAPABILITIES)
        world = World(
            scenes=scenes,
            access=Access(people, grants),
            owner_route=Route(tell=(Chat(CHANNEL, OWNER),)),
            channels=[FakeChannel(channel, clock=clock, capabilities=capabilities) for channel in names],
            logs={scene.source: FakeLog() for scene in scenes.values() if scene.source},
            clock=clock,
            runner=FakeRunner(clock),
            store=store,
            journal=[],
            manners=options.get("manners", Manners()),
            language=options.get("language", "en"),
            secrets=options.get("secrets", ()),
            pair_key=options.get("pair_key", ""),
            bot_name=options.get("bot_name", "alice"),
            own_pid=options.get("own_pid", OWN_PID),
        )
        bot = Bot(world, scenes[name])
        self.bots.append(bot)
        return bot


def _scene(name: str, operation: Operation, route: Route, partner: str, people: Sequence[Person]) -> Scene:
    surface = with_named(surface_of(type(operation)), operation.takes(), name)
    partner_chat = _chat(partner) if partner else None
    return Scene(
        name=name,
        operation=operation,
        surface=surface,
        source=f"{name}_log" if "on_log" in surface.hooks else "",
        rules=tuple(operation.rules()),
        route=route,
        partner=next((one for one in people if partner_chat and one.name == partner_chat.chat_id), None),
        partner_chat=partner_chat,
    )


def _partner_of(operation: Operation) -> str:
    partner = getattr(operation, "partner", "")
    return partner.partition("@")[0] if isinstance(partner, str) else ""


def _people(names: Iterable[str], partner: str, channels: Sequence[str]) -> tuple[Person, ...]:
    """Make a person per role, and the partner; everybody's id is their name, on every channel."""
    roles = {name: name for name in names} | ({_chat(partner).chat_id: BOT} if partner else {})
    return tuple(a_person(name, role, **dict.fromkeys(channels, name)) for name, role in roles.items() if name != "everyone")


def _grants(scene: str, said: Sequence[str]) -> Iterable[Grant]:
    for one in said:
        where, _, command = one.rpartition(" ")
        yield Grant(where or scene, "" if command == "*" else command)


def _channels(recipients: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([CHANNEL, *(_chat(one).channel for one in recipients if one)]))


def _chat(recipient: str) -> Chat:
    name, _, channel = recipient.partition("@")
    is_room = name.startswith("room:")
    return Chat(channel or CHANNEL, name.removeprefix("room:"), is_room=is_room)


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
