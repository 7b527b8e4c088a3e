"""Which directories the parts of a pattern name."""

# Strings and not Path objects, as all paths of a place are.
# ruff: noqa: PTH116, PTH118, PTH207

import glob
import os
from collections import deque
from collections.abc import Iterable


def children(directories: Iterable[str], part: str) -> list[str]:
    """Give the directories below these that one part of a pattern names; "": these themselves."""
    found = (path for above in directories for path in glob.glob(os.path.join(glob.escape(above), part, "")))
    return list(dict.fromkeys(path.rstrip("/") or "/" for path in found))


def at_any_depth(directories: Iterable[str]) -> list[str]:
    """Give these and all below them, each once: links may lead in circles. Where there are several ways, not by a link."""
    found: dict[tuple[int, int], str] = {}
    waiting = deque(directories)
    while waiting:
        path = waiting.popleft()
        try:
            status = os.stat(path)
            if found.setdefault((status.st_dev, status.st_ino), path) is not path:
                continue
            with os.scandir(path) as items:
                below = [item for item in items if not item.name.startswith(".") and item.is_dir()]
        except OSError:
            continue
        waiting.extend(item.path for item in below if item.is_symlink())
        waiting.extendleft(item.path for item in below if not item.is_symlink())
    return list(found.values())
