"""From the configuration to scenes and access."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from opsbot.config.model import Configuration
from opsbot.config.people import GrantSettings
from opsbot.config.problem import operation_problems
from opsbot.config.recipient import Recipient
from opsbot.config.scene import SceneSettings
from opsbot.core.access import Access, Grant
from opsbot.core.chat import Chat
from opsbot.core.command import BUILT_IN
from opsbot.core.context import Person
from opsbot.core.errors import ConfigError, OperationLoadError, Problem
from opsbot.core.log import Rule
from opsbot.core.operation import Operation, Risk
from opsbot.core.scene import Route, Scene
from opsbot.core.surface import Surface, with_named
from opsbot.loader import Loaded, Loader


@dataclass(frozen=True, slots=True)
class Cast:
    """The scenes that can play, and why others cannot."""

    scenes: Mapping[str, Scene]
    load_failures: tuple[Problem, ...]


def access_of(configuration: Configuration) -> Access:
    """Read people, roles and grants."""
    people = tuple(
        Person(name, frozenset({*person.roles, "everyone"}), tuple(person.ids.items()))
        for name, person in configuration.people.items()
    )
    grants = {name: tuple(_grant(grant) for grant in role.grants) for name, role in configuration.roles.items()}
    max_risk = {name: getattr(channel, "max_risk", Risk.READ) for name, channel in configuration.channels.items()}
    return Access(people, grants, max_risk)


def _grant(grant: GrantSettings) -> Grant:
    return Grant(grant.scene, grant.command, grant.starts_on, grant.ends_on)


def cast_of(configuration: Configuration, access: Access, loader: Loader) -> Cast:
    """Load every configured operation, and the built-in ones.

    A file that cannot be loaded takes only its own scenes down; wrong settings are the configuration's fault.

    Raises:
        ConfigError: with every problem that the operations have with their settings.
    """
    scenes: dict[str, Scene] = {}
    failures: list[Problem] = []
    problems: list[Problem] = []
    for name, settings in configuration.operations.items():
        try:
            scenes[name] = _scene(configuration, access, loader, name, settings)
        except OperationLoadError as exc:
            failures.append(configuration.document.problem(("operations", name, "use"), str(exc)))
        except ConfigError as exc:
            problems.extend(exc.problems)
    if problems:
        raise ConfigError(*problems)
    for name in BUILT_IN:
        if name not in scenes:
            loaded = _built_in(configuration, loader, name, failures)
            scenes[name] = Scene(name=name, operation=loaded.operation(), surface=loaded.surface)
    return Cast(scenes, tuple(failures))


def _built_in(configuration: Configuration, loader: Loader, name: str, failures: list[Problem]) -> Loaded:
    """Load a built-in operation; a broken one in the operator's own folder leaves the shipped one in its place."""
    try:
        return loader.load(name)
    except OperationLoadError as exc:
        failures.append(configuration.document.problem(("operation_dirs",), str(exc)))
        return Loader(()).load(name)


def _scene(configuration: Configuration, access: Access, loader: Loader, name: str, settings: SceneSettings) -> Scene:
    loaded = loader.load(settings.use)
    document = configuration.document
    keys = tuple(getattr(loaded.operation, "__dataclass_fields__", {}))
    try:
        operation = loaded.operation(**settings.settings)
    except ValidationError as exc:
        raise ConfigError(*operation_problems(document, name, exc, keys)) from exc
    if "on_log" in loaded.surface.hooks and not settings.source:
        raise ConfigError(
            document.problem(("operations", name, "source"), f"{settings.use} reads a log", "source: the name of one")
        )
    surface, rules = _declared(configuration, name, loaded, operation)
    partner, partner_chat = _partner(configuration, access, name, settings, operation)
    route = _route(configuration, settings, partner_chat)
    if _needs_recipients(loaded.surface) and not route.tell:
        raise ConfigError(
            document.problem(("operations", name, "tell"), f"{settings.use} tells people things", "tell: [PERSON@CHANNEL]")
        )
    return Scene(
        name=name,
        operation=operation,
        surface=surface,
        source=settings.source,
        route=route,
        rules=rules,
        partner=partner,
        partner_chat=partner_chat,
        confirm=settings.confirm,
    )


def _declared(configuration: Configuration, name: str, loaded: Loaded, operation: Operation) -> tuple[Surface, tuple[Rule, ...]]:
    """Ask the operation what its settings define: commands and rules."""
    try:
        return with_named(loaded.surface, operation.takes(), loaded.name), tuple(operation.rules())
    except OperationLoadError as exc:
        raise ConfigError(configuration.document.problem(("operations", name), str(exc))) from exc
    except Exception as exc:  # operation code
        reason = f"takes() or rules() failed: {type(exc).__name__}: {exc}"
        raise ConfigError(configuration.document.problem(("operations", name), reason)) from exc


def _needs_recipients(surface: Surface) -> bool:
    return "on_log" in surface.hooks


def _route(configuration: Configuration, settings: SceneSettings, partner_chat: Chat | None) -> Route:
    tell = tuple(configuration.chat_of(recipient) for recipient in settings.tell)
    if not tell and partner_chat is not None:
        tell = (partner_chat,)  # the partner's owner has that account on a phone
    return Route(tell, tuple(configuration.chat_of(recipient) for recipient in settings.fallback))


def _partner(
    configuration: Configuration, access: Access, name: str, settings: SceneSettings, operation: object
) -> tuple[Person | None, Chat | None]:
    """Find the person whose bot the scene is about, for operations that have a `partner` setting."""
    text = getattr(operation, "partner", None)
    if not isinstance(text, str) or "partner" not in settings.settings:
        return None, None
    path = ("operations", name, "partner")
    try:
        recipient = Recipient.parse(text)
        chat = configuration.chat_of(recipient)
    except (KeyError, ValueError) as exc:
        allowed = "PERSON@CHANNEL, where PERSON stands in people and has an id on CHANNEL"
        quoted = configuration.document.quoted(path, text)
        raise ConfigError(configuration.document.problem(path, f"{quoted} is not reachable", allowed)) from exc
    return next((person for person in access.people if person.name == recipient.name), None), chat


def owner_route(configuration: Configuration, access: Access) -> Route:
    """Say where the owners hear about the daemon itself: each on their first channel, the other ones as fallbacks."""
    chats = [
        [Chat(channel, person_id) for channel, person_id in person.ids if channel in configuration.channels]
        for person in access.owners()
    ]
    return Route(tuple(one[0] for one in chats if one), tuple(chat for one in chats for chat in one[1:]))
