"""From the configuration to scenes and access."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import ValidationError

from opsbot.config.document import Document
from opsbot.config.model import Configuration
from opsbot.config.people import GrantSettings
from opsbot.config.problem import operation_problems
from opsbot.config.recipient import Recipient
from opsbot.config.refusal import did_you_mean
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
    problems = [
        configuration.document.problem(("operation_dirs", position), f"there is no folder {folder}", "a folder, or no such entry")
        for position, folder in enumerate(configuration.operation_dirs)
        if not folder.is_dir()
    ]
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
    loaded = _loaded(configuration.document, loader, name, settings.use)
    missing = tuple(_missing(configuration.document, name, settings, loaded.surface))
    operation, wrong = _with_settings(configuration.document, name, loaded, settings.settings)
    if operation is None or missing:
        raise ConfigError(*missing, *wrong)
    surface, rules = _declared(configuration, name, loaded, operation)
    partner, partner_chat = _partner(configuration, access, name, settings, operation)
    route = _route(configuration, settings, partner_chat)
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


def _loaded(document: Document, loader: Loader, name: str, use: str) -> Loaded:
    """Load the operation of a scene; a name that stands for none is the configuration's fault, a broken file is not."""
    known = loader.names()
    if use not in known:
        nearest = did_you_mean(get_close_matches(use, known, n=1))
        path = ("operations", name, "use")
        raise ConfigError(
            document.problem(path, f"there is no operation {document.quoted(path, use)}{nearest}", ", ".join(sorted(known)))
        )
    return loader.load(use)


def _with_settings(
    document: Document, name: str, loaded: Loaded, settings: Mapping[str, object]
) -> tuple[Operation | None, list[Problem]]:
    """Make the operation, or say everything that it has against its settings."""
    try:
        return loaded.operation(**settings), []
    except ValidationError as exc:
        return None, operation_problems(document, name, exc, tuple(getattr(loaded.operation, "__dataclass_fields__", {})))


def _missing(document: Document, name: str, settings: SceneSettings, surface: Surface) -> Iterator[Problem]:
    """Say what of opsbot's own keys a scene that reads a log lacks."""
    if "on_log" not in surface.hooks:
        return
    if not settings.source:
        yield document.problem(("operations", name, "source"), f"{settings.use} reads a log", "source: the name of one")
    if not settings.tell and "partner" not in settings.settings:
        yield document.problem(("operations", name, "tell"), f"{settings.use} tells people things", "tell: [PERSON@CHANNEL]")


def problems_of_settings(document: Document) -> list[Problem]:
    """Say what the operations have against their settings, in a file that is wrong in other places too.

    So that all that is wrong is listed at once; scenes that cannot be understood at all are left out.
    """
    folders = [document.folder / str(folder) for folder in _listed(document.values.get("operation_dirs"))]
    loader = Loader(folders)
    found: list[Problem] = []
    scenes = document.values.get("operations")
    for name, raw in scenes.items() if isinstance(scenes, Mapping) else ():
        if not isinstance(raw, Mapping) or not isinstance(raw.get("use"), str):
            continue
        own = {str(key): value for key, value in raw.items() if key not in SceneSettings.model_fields}
        try:
            found += _with_settings(document, str(name), _loaded(document, loader, str(name), raw["use"]), own)[1]
        except OperationLoadError as exc:
            found.append(document.problem(("operations", str(name), "use"), str(exc)))
        except ConfigError as exc:
            found += exc.problems
    return found


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, (list, tuple)) else ()


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
