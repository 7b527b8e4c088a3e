"""The end of a log, for people who want to read it."""

from glob import glob
from pathlib import Path


def read_tail(pattern: str, limit_bytes: int) -> tuple[str, bytes]:
    """Give the name and the last whole lines of the newest file behind a path or glob, at most `limit_bytes`. Blocking.

    Raises:
        FileNotFoundError: there is no such file now.
        OSError: it cannot be read.
    """
    # Not Path.glob: the pattern may be absolute, and may have a wildcard in any part.
    files = [path for path in map(Path, glob(pattern)) if path.is_file()]  # noqa: PTH207
    if not files:
        raise FileNotFoundError(pattern)
    newest = max(files, key=lambda path: path.stat().st_mtime)
    with newest.open("rb") as log:
        size = log.seek(0, 2)
        log.seek(max(0, size - limit_bytes))
        content = log.read(limit_bytes)
    if size > limit_bytes:
        content = content[content.find(b"\n") + 1 :]
    return newest.name, content
