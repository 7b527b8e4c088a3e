"""A small configuration with something in every section, and how to exchange a value in it."""

import json
from pathlib import Path

from opsbot.config.document import KeyPath

EXAMPLE = Path(__file__).parents[3] / "config.example.yaml"
ENVIRON = {"OPSBOT_PAIR_KEY": "pair-key-value", "WECHATY_TOKEN": "token-value", "APPRISE_URL": "ntfy://topic-value"}
SMALL: dict[str, object] = {
    "name": "a",
    "pair_key": "k",
    "log": {"file": "a.log", "format": "json"},
    "channels": {
        "w": {"kind": "wechaty", "endpoint": "127.0.0.1:1", "token": "t", "tls": False},
        "p": {"kind": "local", "listen": "127.0.0.1:2"},
        "o": {"kind": "apprise", "url": "ntfy://t"},
    },
    "people": {"bob": {"roles": ["r", "bot"], "ids": {"w": "b", "p": "b"}}},
    "rooms": {"OPS": {"w": "r"}},
    "roles": {"r": {"grants": [{"scene": "x", "command": "c", "from": "2026-01-01"}]}},
    "sources": {
        "s": {"path": "*.log", "read_from": "end", "encoding": "utf-16", "multiline": "none"},
        "m": {"path": "m.log", "multiline": {"start": "^x", "timeout_s": 2, "max_lines": 3}},
        "c": {"command": ["ssh", "h"]},
    },
    "operation_dirs": ["ops"],
    "operations": {
        "x": {"use": "x", "source": "s", "tell": ["bob@w"], "fallback": ["bob@o"], "confirm": True, "own": {"deep": ["v"]}}
    },
    "notifications": {"group_wait_s": 1, "repeat_minutes": [1], "per_chat_per_minute": 1},
}


def paths_of(value: object, at: KeyPath = ()) -> list[KeyPath]:
    """Give where every value in a tree stands, itself included."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for step, item in items for path in paths_of(item, (*at, step)))]


def replaced(value: object, path: KeyPath, new: object) -> object:
    """Copy a tree with the value at a path exchanged."""
    if not path:
        return new
    if isinstance(value, dict):
        return {key: replaced(item, path[1:], new) if key == path[0] else item for key, item in value.items()}
    assert isinstance(value, list)
    return [replaced(item, path[1:], new) if position == path[0] else item for position, item in enumerate(value)]


def write(folder: Path, content: str | bytes | object, *, mode: int = 0o600) -> Path:
    """Write a configuration file; a tree is written as JSON, which is YAML too."""
    file = folder / "c.yaml"
    text = content if isinstance(content, str | bytes) else json.dumps(content, default=str)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    file.chmod(mode)
    return file
