"""What a remote says, word by word."""

import json
from collections.abc import Sequence
from typing import Any

from opsbot.core.log import Checkpoint

PATH = "/var/log/bob.log"


def record(line: object, offset: int, /, **changes: Any) -> bytes:
    """A record; say it again with another `rule` and it is the same one."""
    rule = changes.pop("rule", "r")
    content = changes.pop("content", "gen1")
    values: dict[str, Any] = {
        "source": "tail",
        "path": PATH,
        "line": line,
        "offset": offset,
        "rule": rule,
        "groups": {},
        "time": "2026-11-20T00:00:00Z",
        "key": f"{content}:{offset}:{rule:0>12}",
    }
    return _line(values | changes)


def a_position(offset: object, /, **changes: Any) -> dict[str, Any]:
    values = {"path": PATH, "device": 1, "inode": 7, "offset": offset, "marker": "0a", "generation": "gen1"}
    return values | changes


def positions(*each: Any, forgotten: Any = (), gaps: Any = ()) -> bytes:
    return _line({"positions": list(each), "forgotten": list(forgotten), "gaps": list(gaps)})


def checkpoint(offset: int, **changes: Any) -> Checkpoint:
    values: dict[str, Any] = {"source": "bob", "path": PATH, "device": 1, "inode": 7, "offset": offset, "marker": b"\n"}
    return Checkpoint(**(values | {"generation": "gen1"} | changes))


def _line(values: dict[str, Any] | Sequence[Any]) -> bytes:
    return json.dumps(values).encode() + b"\n"
