"""The end of a log, for people who want to read it."""

import os
from collections.abc import Callable
from pathlib import Path

from opsbot.adapters.sources.file.descriptor import open_file
from opsbot.adapters.sources.file.encoding import encoding_of
from opsbot.adapters.sources.file.place import Entry, Identity, name_of
from opsbot.adapters.sources.file.places import place_of


def read_tail(
    pattern: str, limit_bytes: int, encoding: str = "utf-8", is_own: Callable[[str, Identity], bool] = lambda *_: False
) -> tuple[str, str]:
    """Give the name and the last whole lines of the newest log behind a path or glob, at most `limit_bytes`. Blocking.

    The pattern means what it means to the source that reads these logs, and `is_own` too.

    Raises:
        FileNotFoundError: there is no such file now.
        OSError: it cannot be read.
    """
    path = _newest(pattern, is_own)
    with os.fdopen(open_file(path), "rb") as log:
        form = encoding_of(encoding, log.read(2))
        size = log.seek(0, 2)
        start = -form.whole(-max(0, size - limit_bytes))
        log.seek(start)
        content = log.read(limit_bytes)
    first = max(0, form.after_newline(content, 0, len(content))) if start else len(form.bom) * content.startswith(form.bom)
    return name_of(path), form.decode(content[first:])


def _newest(pattern: str, is_own: Callable[[str, Identity], bool]) -> str:
    """Find the log that was written to last; a rotated file counts only while there is none by the log's own name."""
    entries = [entry for entry in place_of(pattern).look().entries if entry.is_matched and entry.seen is not None]
    paths = {entry.path for entry in entries}
    logs = [entry for entry in entries if entry.path == entry.family or entry.family not in paths]
    for entry in sorted(logs, key=_changed_ns, reverse=True):
        if Path(entry.path).is_file() and not is_own(entry.real, entry.identity):
            return entry.path
    raise FileNotFoundError(pattern)


def _changed_ns(entry: Entry) -> int:
    return entry.seen[1] if entry.seen is not None else 0
