"""The end of a log, for people who want to read it."""

from glob import glob
from pathlib import Path

from opsbot.adapters.sources.file.encoding import encoding_of


def read_tail(pattern: str, limit_bytes: int, encoding: str = "utf-8") -> tuple[str, str]:
    """Give the name and the last whole lines of the newest file behind a path or glob, at most `limit_bytes`. Blocking.

    Raises:
        FileNotFoundError: there is no such file now.
        OSError: it cannot be read.
    """
    # Not Path.glob: the pattern may be absolute, and may have a wildcard in any part.
    files = [path for path in map(Path, glob(pattern, recursive=True)) if path.is_file()]  # noqa: PTH207
    if not files:
        raise FileNotFoundError(pattern)
    newest = max(files, key=lambda path: path.stat().st_mtime)
    with newest.open("rb") as log:
        form = encoding_of(encoding, log.read(2))
        size = log.seek(0, 2)
        start = -form.whole(-max(0, size - limit_bytes))
        log.seek(start)
        content = log.read(limit_bytes)
    first = max(0, form.after_newline(content, 0, len(content))) if start else len(form.bom) * content.startswith(form.bom)
    return newest.name, form.decode(content[first:])
