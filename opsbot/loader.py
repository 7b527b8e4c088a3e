"""From files of operations to verified classes.

Each file is imported once, under a name of its own, and never by a name that came from a chat.
"""

import importlib.util
import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from opsbot.core.errors import OperationLoadError
from opsbot.core.operation import Operation
from opsbot.core.surface import Surface, surface_of

ENTRY_POINTS = "opsbot.operations"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A class of operations, what it offers, and the file it came from."""

    name: str
    operation: type[Operation]
    surface: Surface
    path: Path


def shipped_dir() -> Path:
    """Give the folder of the operations that come with opsbot: in a wheel, or beside the package in a checkout."""
    package = Path(__file__).parent
    in_wheel = package / "shipped"
    return in_wheel if in_wheel.is_dir() else package.parent / "operations"


class Loader:
    """Finds operations by the name of their file; folders are searched in order and the first one wins."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Search `folders`, then the shipped ones, then what packages offer."""
        self._folders = [*folders, *([] if shipped_dir() in folders else [shipped_dir()])]
        self._loaded: dict[str, Loaded] = {}

    def names(self) -> dict[str, list[Path]]:
        """List what can be loaded: name → files, the first of which wins."""
        found: dict[str, list[Path]] = {}
        for folder in self._folders:
            for path in sorted(folder.glob("*.py")) if folder.is_dir() else ():
                if not path.name.startswith("_") and not path.name.startswith("test_"):
                    found.setdefault(path.stem, []).append(path)
        for entry in entry_points(group=ENTRY_POINTS):
            found.setdefault(entry.name, [])
        return found

    def load(self, name: str) -> Loaded:
        """Load an operation by its file's name, once.

        Raises:
            OperationLoadError: there is none, or its file cannot be used; the text says why.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> Loaded:
        known = self.names()
        if name not in known:
            raise OperationLoadError(f"no operation {name!r}; there are: {', '.join(sorted(known))}")
        if not known[name]:
            return self._from_package(name)
        path = known[name][0]
        for part in (path.parent, path):
            refuse_if_writable_by_others(part)
        return _loaded(name, _import_file(name, path), path)

    def _from_package(self, name: str) -> Loaded:
        (entry, *_) = entry_points(group=ENTRY_POINTS, name=name)
        try:
            cls = entry.load()
        except Exception as exc:  # anything may happen while foreign code is imported
            raise OperationLoadError(f"{entry.value}: {type(exc).__name__}: {exc}") from exc
        if not (isinstance(cls, type) and issubclass(cls, Operation)):
            raise OperationLoadError(f"{entry.value}: is no Operation")
        return Loaded(name, cls, surface_of(cls), Path(sys.modules[cls.__module__].__file__ or entry.value))


def refuse_if_writable_by_others(path: Path) -> None:
    """Refuse a file or folder that somebody else could put code into.

    Raises:
        OperationLoadError: it is writable by everybody, or by a group that is not its owner's own.
    """
    status = path.stat()
    if status.st_mode & stat.S_IWOTH:
        raise OperationLoadError(f"{path}: is writable by everybody, who could run code as opsbot; chmod o-w {path}")
    if status.st_mode & stat.S_IWGRP and status.st_gid not in (os.getegid(), status.st_uid):
        raise OperationLoadError(f"{path}: is writable by its group, who could run code as opsbot; chmod g-w {path}")
    if status.st_uid not in (0, os.geteuid()):
        raise OperationLoadError(f"{path}: belongs to another user (uid {status.st_uid}); chown it to yours or root's")


def _import_file(name: str, path: Path) -> ModuleType:
    module_name = f"opsbot_operations.{name}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise OperationLoadError(f"{path}: is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as exc:  # anything may happen while foreign code is imported
        del sys.modules[module_name]
        raise OperationLoadError(f"{path}: {type(exc).__name__}: {exc}") from exc
    return module


def _loaded(name: str, module: ModuleType, path: Path) -> Loaded:
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Operation)
        and value is not Operation
        and value.__module__ == module.__name__
    ]
    # A file may define a common parent; the operation is the class that nothing else in the file builds on.
    leaves = [cls for cls in classes if not any(other is not cls and issubclass(other, cls) for other in classes)]
    if len(leaves) != 1:
        raise OperationLoadError(f"{path}: must define exactly one operation, but defines {len(leaves)}")
    try:
        return Loaded(name, leaves[0], surface_of(leaves[0]), path)
    except OperationLoadError as exc:
        raise OperationLoadError(f"{path}: {exc}") from exc
