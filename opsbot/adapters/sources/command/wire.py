"""The lines that opsbot's `tail --json --resume` speaks: read with suspicion, for they come from another machine."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opsbot.core.log import Checkpoint, Gap

MARKER_BYTES = 256
PATH_CHARS = 4096  # Linux, PATH_MAX
NAME_CHARS = 200
REASON_CHARS = 300
MAX_OFFSET = 2**63 - 1
MAX_IDENTITY = 2**64 - 1
"""Devices and inodes are unsigned numbers of 64 bits."""


class WireError(ValueError):
    """A line of the protocol that does not keep to it; the text says in what."""


@dataclass(frozen=True, slots=True)
class Received:
    """A record as the remote gave it. `content` is what its key names the content of the file by."""

    path: str
    content: str
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the remote came: all records before this line are covered by it."""

    positions: tuple[Checkpoint, ...]
    forgotten: tuple[tuple[int, int], ...]
    gaps: tuple[Gap, ...]


def positions_line(checkpoints: Sequence[Checkpoint]) -> bytes:
    """Write where the remote shall go on, as the one line it waits for."""
    positions = [
        {
            "path": each.path,
            "device": each.device,
            "inode": each.inode,
            "offset": each.offset,
            "marker": each.marker.hex(),
            "generation": each.generation,
        }
        for each in checkpoints
    ]
    return json.dumps({"positions": positions}, separators=(",", ":")).encode() + b"\n"


def parse(line: bytes, source: str) -> Received | Progress | None:
    """Read one line; None if it is none of the protocol's (a banner, something that a later version says).

    Raises:
        WireError: it is one, and it is wrong.
    """
    if not line.startswith(b"{"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise WireError("a line that begins like JSON and is none") from exc
    if "positions" in value:
        return _progress(value, source)
    return _received(value) if "line" in value and "key" in value else None


def _received(value: Mapping[str, object]) -> Received:
    offset = _number(value, "offset", MAX_OFFSET)
    content, _, of_key = _text(value, "key").rpartition(":")[0].rpartition(":")
    if of_key != str(offset) or not 0 < len(content) <= NAME_CHARS:
        raise WireError("a record whose key does not fit its offset")
    return Received(_path(value), content, offset, _whole(_text(value, "line")))


def _whole(text: str) -> str:
    """Replace halves of characters, which JSON can hold and a decoded log cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _progress(value: Mapping[str, object], source: str) -> Progress:
    return Progress(
        tuple(_position(each, source) for each in _mappings(value, "positions")),
        tuple(_identity(each) for each in _sequence(value, "forgotten")),
        tuple(_gap(each) for each in _mappings(value, "gaps")),
    )


def _position(value: Mapping[str, object], source: str) -> Checkpoint:
    try:
        marker = bytes.fromhex(_text(value, "marker"))
    except ValueError as exc:
        raise WireError("a position whose marker is not hexadecimal") from exc
    generation = _text(value, "generation")
    if len(marker) > MARKER_BYTES or len(generation) > NAME_CHARS:
        raise WireError("a position whose marker or generation is too long")
    return Checkpoint(
        source=source,
        path=_path(value),
        device=_number(value, "device", MAX_IDENTITY),
        inode=_number(value, "inode", MAX_IDENTITY),
        offset=_number(value, "offset", MAX_OFFSET),
        marker=marker,
        generation=generation,
    )


def _identity(value: object) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 device, inode
        raise WireError("a forgotten file that is not [device, inode]")
    device, inode = ({"it": each} for each in value)
    return _number(device, "it", MAX_IDENTITY), _number(inode, "it", MAX_IDENTITY)


def _gap(value: Mapping[str, object]) -> Gap:
    reason = " ".join(_whole(_text(value, "reason")).split())[:REASON_CHARS]
    is_known = value.get("lost_bytes") is not None
    return Gap(_path(value), reason, _number(value, "lost_bytes", MAX_OFFSET) if is_known else None)


def _text(value: Mapping[str, object], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str):
        raise WireError(f"no text in {key}")
    return text


def _path(value: Mapping[str, object]) -> str:
    path = _text(value, "path")
    if len(path) > PATH_CHARS or "\0" in path:
        raise WireError("a path that is none")
    return path


def _number(value: Mapping[str, object], key: str, most: int) -> int:
    number = value.get(key)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= most:
        raise WireError(f"no number from 0 to {most} in {key}")
    return number


def _sequence(value: Mapping[str, object], key: str) -> Sequence[object]:
    items = value.get(key, [])
    if not isinstance(items, list):
        raise WireError(f"no list in {key}")
    return items


def _mappings(value: Mapping[str, object], key: str) -> Sequence[Mapping[str, object]]:
    items = _sequence(value, key)
    if not all(isinstance(item, dict) for item in items):
        raise WireError(f"something in {key} that is no object")
    return [item for item in items if isinstance(item, dict)]
