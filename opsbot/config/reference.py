"""What no model can see alone: names that lead nowhere, and values that do not go together.

Works on the plain values, so that it can speak even where a part of the file does not fit its model; what has the
wrong type is passed over here, for the models have said so.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from pydantic_core import PydanticCustomError

from opsbot.config.address import Address
from opsbot.config.document import Document, KeyPath
from opsbot.config.people import BUILT_IN_ROLES
from opsbot.config.recipient import Recipient
from opsbot.config.refusal import did_you_mean
from opsbot.core.access import OWNER
from opsbot.core.command import BUILT_IN
from opsbot.core.errors import Problem
from opsbot.core.folding import fold_name


def reference_problems(document: Document) -> Iterator[Problem]:
    """Give every name that leads nowhere and every pair of values that do not go together."""
    yield from _channels(document)
    yield from _ids(document, "people", ("people", "*", "ids"))
    yield from _ids(document, "rooms", ("rooms", "*"))
    yield from _roles(document)
    yield from _scenes(document)


def reason_unreachable(document: Document, recipient: Recipient) -> tuple[str, str] | None:
    """Say why nothing can be sent to a recipient and what is allowed instead; None if it can."""
    section, what = ("rooms", "room") if recipient.is_room else ("people", "person")
    if not document.has("channels", recipient.channel):
        return _nowhere(document, "channel", recipient.channel, "channels")
    if not document.has(section, recipient.name):
        return _nowhere(document, what, recipient.name, section)
    channel = _mapping(_mapping(document.values.get("channels")).get(recipient.channel))
    if channel.get("kind") == "apprise":
        return ("leads to a room on an outgoing-only channel", "PERSON@CHANNEL") if recipient.is_room else None
    ids: KeyPath = ("rooms", recipient.name) if recipient.is_room else ("people", recipient.name, "ids")
    if document.has(*ids, recipient.channel):
        return None
    known = ", ".join(_mapping(_at(document, ids)))
    return f"{recipient.name} has no id on {recipient.channel}", f"an id on it, or a channel with one: {known or 'none'}"


def _at(document: Document, path: KeyPath) -> object:
    value: object = document.values
    for step in path:
        value = _mapping(value).get(str(step))
    return value


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _entries(document: Document, section: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Give the entries of a section that are mappings themselves."""
    for name, entry in _mapping(document.values.get(section)).items():
        if isinstance(entry, Mapping):
            yield name, entry


def _texts(value: object) -> Iterator[tuple[int, str]]:
    return ((position, item) for position, item in enumerate(value if isinstance(value, list) else ()) if isinstance(item, str))


def _nowhere(document: Document, what: str, name: str, section: str, more: Iterable[str] = ()) -> tuple[str, str]:
    known = [*more, *_mapping(document.values.get(section))]
    reason = f"there is no {what} {name}{did_you_mean(get_close_matches(name, known, n=1))}"
    return reason, ", ".join(known) or f"add it to {section}:"


def _channels(document: Document) -> Iterator[Problem]:
    first_local = ""
    for name, channel in _entries(document, "channels"):
        path = ("channels", name)
        if channel.get("kind") == "local":
            if first_local:
                yield document.problem((*path, "kind"), f"channels.{first_local} is local already", "one local channel per bot")
            first_local = first_local or name
            yield from _local(document, path, channel)
        if channel.get("kind") == "wechaty":
            yield from _wechaty(document, path, channel)


def _local(document: Document, path: KeyPath, channel: Mapping[str, object]) -> Iterator[Problem]:
    address = _address(channel.get("listen", "127.0.0.1:8010"))
    if address and not address.is_loopback and channel.get("dangerously_listen_anywhere") is not True:
        reason = "listens beyond this machine"
        yield document.problem((*path, "listen"), reason, "a loopback address, or dangerously_listen_anywhere: true")


def _wechaty(document: Document, path: KeyPath, channel: Mapping[str, object]) -> Iterator[Problem]:
    if channel.get("tls", True) is not False:
        return
    address = _address(channel.get("endpoint"))
    if address and not address.is_loopback and channel.get("dangerously_plaintext_gateway") is not True:
        reason = "sends the token and every message in plain text over the network"
        yield document.problem((*path, "tls"), reason, "true, or dangerously_plaintext_gateway: true")
    if "tls_ca_file" in channel:
        yield document.problem((*path, "tls_ca_file"), "has no effect with tls: false", "tls: true, or no tls_ca_file")


def _address(value: object) -> Address | None:
    try:
        return Address.parse(value)
    except PydanticCustomError:
        return None


def _ids(document: Document, section: str, form: tuple[str, ...]) -> Iterator[Problem]:
    """Check the ids of all people, or of all rooms: each belongs to a channel that knows it, and to one of them."""
    owners: dict[tuple[str, str], str] = {}
    for name, _ in _entries(document, section):
        path: KeyPath = (section, name, *form[2:])
        for channel, platform_id in _mapping(_at(document, path)).items():
            at = (*path, channel)
            if not document.has("channels", channel):
                yield document.problem(at, *_nowhere(document, "channel", channel, "channels"))
            elif _mapping(_at(document, ("channels", channel))).get("kind") == "apprise":
                yield document.problem(
                    at, "is on an outgoing-only channel, where nobody has an id", "ids on channels that listen"
                )
            elif _is_reserved(platform_id) and _mapping(_at(document, ("channels", channel))).get("kind") == "local":
                yield document.problem(
                    at, "cannot be an id of the local channel", "an id that begins neither with room: nor with #"
                )
            if isinstance(platform_id, str) and (other := owners.setdefault((channel, platform_id), name)) != name:
                yield document.problem(at, f"is also the id of {other}", "an id of its own")


def _is_reserved(platform_id: object) -> bool:
    return isinstance(platform_id, str) and platform_id.startswith(("room:", "#"))


def _roles(document: Document) -> Iterator[Problem]:
    if document.has("roles", OWNER):
        yield document.problem(("roles", OWNER), "is built in and has every grant", "another name")
    for name, person in _entries(document, "people"):
        for position, role in _texts(person.get("roles")):
            path = ("people", name, "roles", position)
            if role not in BUILT_IN_ROLES and not document.has("roles", role):
                yield document.problem(path, *_nowhere(document, "role", document.quoted(path, role), "roles", BUILT_IN_ROLES))
    for name, role_entry in _entries(document, "roles"):
        grants = role_entry.get("grants")
        for position, grant in enumerate(grants if isinstance(grants, list) else ()):
            at = ("roles", name, "grants", position, "scene")
            scene = _mapping(grant).get("scene")
            if isinstance(scene, str) and scene not in BUILT_IN and not document.has("operations", scene):
                yield document.problem(at, *_nowhere(document, "operation", document.quoted(at, scene), "operations"))


def _scenes(document: Document) -> Iterator[Problem]:
    folded: dict[str, str] = {}
    for name, scene in _entries(document, "operations"):
        if (other := folded.setdefault(fold_name(name), name)) != name:
            yield document.problem(("operations", name), f"is the same as {other} to somebody who types it", "a name of its own")
        source = scene.get("source")
        path: KeyPath = ("operations", name, "source")
        if isinstance(source, str) and not document.has("sources", source):
            yield document.problem(path, *_nowhere(document, "source", document.quoted(path, source), "sources"))
        for key in ("tell", "fallback"):
            for position, text in _texts(scene.get(key)):
                yield from _recipient(document, ("operations", name, key, position), text)


def _recipient(document: Document, path: KeyPath, text: str) -> Iterator[Problem]:
    try:
        recipient = Recipient.parse(text)
    except PydanticCustomError:
        return
    if unreachable := reason_unreachable(document, recipient):
        yield document.problem(path, *(("leads nowhere", "") if path in document.tainted else unreachable))
