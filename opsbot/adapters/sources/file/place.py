"""Which files a path or a glob means, and which names are rotations of which log."""

# Strings and not Path objects: every sweep handles all paths, and there may be ten thousand.
# ruff: noqa: PTH100, PTH112, PTH113, PTH116, PTH118, PTH119, PTH120, PTH122

import fnmatch
import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from opsbot.adapters.sources.file.directory import at_any_depth, children

_DATE = r"(?:\d{4}[-_.]?\d\d[-_.]?\d\d(?:[-_.T]?\d\d(?:[-_.:]?\d\d){0,2})?|\d{10,19})"  # or seconds since 1970
_ROTATED = (
    # app.log.1  app.log-20261120  app.log.2026-11-20  app.log-20261120.1  app.log.old  app.log~
    re.compile(rf"(?P<stem>.+?)(?P<end>)(?:(?:[._-]{_DATE})?(?:\.\d{{1,4}})|[._-]{_DATE}|\.old|\.bak|~)", re.DOTALL),
    # bob-out__2026-11-20_00-00-00.log (pm2-logrotate)  app-20261120.log  app.1.log (logrotate with `extension`)
    re.compile(rf"(?P<stem>.+?)(?:__\d[\w.:-]*|[._-]{_DATE}(?:\.\d{{1,4}})?|\.\d{{1,4}})(?P<end>\.[A-Za-z]\w*)", re.DOTALL),
)
_COUNTED = re.compile(r"\.(\d{1,4})(?:\.[A-Za-z]\w*)?\Z")
_MAGIC = re.compile(r"[*?[]")
COMPRESSED = (".gz", ".xz", ".bz2", ".zst", ".lz4", ".zip")
_NAMES_KEPT = 50_000


Identity = tuple[int, int]
"""Device and inode: what a file is, whatever its name."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """A file that belongs to a place.

    `family` is the log it belongs to: its own path, or for a rotated file the path it had before. `is_matched` says that the
    pattern names it; a rotated file may belong to a place without that. `real` is the path that events about it carry, `home`
    its directory. `named_by` is the pattern, or the path where one was given. `seen` are its size and time of change (ns), None
    when nothing could be seen there.
    """

    path: str
    family: str
    is_matched: bool
    real: str
    named_by: str = ""
    home: Identity | None = None
    seen: tuple[int, int] | None = None
    identity: Identity = (0, 0)
    is_link: bool = False
    is_directory: bool = False


@dataclass(slots=True)
class Listing:
    """What stands at a place now: its files, and the identity of every directory that could be listed.

    `absent` are the paths and patterns that no file stands at.
    """

    entries: list[Entry] = field(default_factory=list)
    homes: dict[str, Identity] = field(default_factory=dict)
    watched: set[str] = field(default_factory=set)
    absent: list[str] = field(default_factory=list)


def original_names(name: str) -> Iterator[str]:
    """Give the names that a file may have had before it was rotated; compressed files have none.

    >>> list(original_names("bob-out__2026-11-20_00-00-00.log")), list(original_names("app.log.1"))
    (['bob-out.log'], ['app.log'])
    >>> list(original_names("bob-out-2.log"))
    []
    """
    for pattern in _ROTATED:
        if found := pattern.fullmatch(name):
            yield found["stem"] + found["end"]


def directory_of(path: str) -> str:
    """Give the directory part of a path."""
    return os.path.dirname(path)


def name_of(path: str) -> str:
    """Give the last part of a path."""
    return os.path.basename(path)


def has_wildcard(path: str) -> bool:
    """Say whether a path is a glob pattern."""
    return bool(_MAGIC.search(path))


def status_of(path: str) -> os.stat_result:
    """Look at what stands at a path, behind symbolic links."""
    return os.stat(path)


def rotation_number(path: str) -> int:
    """Give the number that a rotation counts up with every turn (`app.log.1`, `app.log.2`), 0 if the name has none.

    >>> rotation_number("app.log.12"), rotation_number("app.log-20261120")
    (12, 0)
    """
    found = _COUNTED.search(path)
    return int(found[1]) if found else 0


class Place:
    """A path or a glob pattern (`*`, `?`, `[…]`, and `**` for directories at any depth; at the end, for all files in them).

    Directories that a pattern finds are passed over; one that is named belongs here, so that somebody is told. With `only`, of
    what the pattern names just the files of these names belong here, and their rotations.
    """

    def __init__(self, pattern: str, only: Collection[str] = ()) -> None:
        """Understand the pattern; relative ones start from the working directory."""
        self.pattern = os.path.abspath(pattern)
        self._only = only
        self.is_glob = has_wildcard(self.pattern)
        self._directories, self._file = os.path.split(self.pattern)
        if self._file == "**":
            self._directories, self._file = self.pattern, "*"
        self._matches: Callable[[str], object] = self._file.__eq__
        if self.is_glob:
            self._matches = re.compile(fnmatch.translate(self._file)).match
        if only:
            self._matches = only.__contains__
        self._has_wild_directories = bool(_MAGIC.search(self._directories))
        self._real_fixed = self._directories
        self._names: dict[str, tuple[str, bool] | None] = {}

    @property
    def wildcards(self) -> Collection[str]:
        """The pattern, if it is one."""
        return (self.pattern,) if self.is_glob and not self._only else ()

    def concerns_directory(self, real_path: str) -> bool:
        """Say whether it matters here that a directory appears or vanishes."""
        return self._has_wild_directories or f"{self._real_fixed}/".startswith(f"{real_path}/")

    def family_name(self, name: str) -> tuple[str, bool] | None:
        """Give the name of the log that a file name belongs to and whether the pattern names it, None for strangers."""
        if name not in self._names:
            if len(self._names) > _NAMES_KEPT:
                self._names.clear()
            self._names[name] = self._classify(name)
        return self._names[name]

    def _classify(self, name: str) -> tuple[str, bool] | None:
        if name.endswith(COMPRESSED) and not self._file.endswith(COMPRESSED):
            return None
        is_hidden = name.startswith(".") and not self._file.startswith(".") and not self._only
        is_matched = bool(self._matches(name)) and not is_hidden
        for original in original_names(name):
            if self._matches(original) and (self.is_glob or not is_matched):
                return original, is_matched
        return (name, True) if is_matched else None

    def family(self, path: str) -> str | None:
        """Give the path of the log that a path belongs to, None for strangers."""
        directory, name = os.path.split(path)
        found = self.family_name(name)
        return os.path.join(directory, found[0]) if found else None

    def any_family(self, path: str) -> str | None:
        """Give the path of the log that a path belongs to, compressed or not, None for strangers."""
        stem, suffix = os.path.splitext(path)
        return self.family(path) or (self.family(stem) if suffix in COMPRESSED else None)

    def archives(self, directory: str) -> dict[str, list[Entry]]:
        """Give the compressed rotations in a directory by log, the oldest first.

        Left out is what is just being compressed: the rotation itself is still there, too.
        """
        found: dict[str, list[Entry]] = {}
        if not self._has_wild_directories and directory != self._directories:
            return found
        try:
            with os.scandir(directory) as items:
                names = {item.name for item in items}
        except OSError:
            return found
        for name in names:
            stem = os.path.splitext(name)[0]
            family = self.family_name(stem) if name.endswith(COMPRESSED) and self.family_name(name) is None else None
            if family is not None and (stem not in names or stem == family[0]):
                path = os.path.join(directory, name)
                entry = Entry(path=path, family=os.path.join(directory, family[0]), is_matched=False, real=path)
                _look_at(entry)
                if entry.seen and os.path.isfile(path):
                    found.setdefault(entry.family, []).append(entry)
        for entries in found.values():
            entries.sort(key=lambda entry: (entry.seen[1] if entry.seen else 0, entry.path))
            # Numbers say more, for clocks are set back; but only where all have one.
            if all(rotation_number(entry.path) for entry in entries):
                entries.sort(key=lambda entry: -rotation_number(entry.path))
        return found

    def certain_family(self, path: str) -> str | None:
        """Give the path of the log that a path belongs to, if its name leaves no doubt about that.

        A date in a name that the pattern matches may be part of the name of a log that has never had another.
        """
        found = self.family_name(name := os.path.basename(path))
        is_certain = found is not None and (found[0] == name or not found[1] or rotation_number(name) > 0)
        return self.family(path) if is_certain else None

    def look(self) -> Listing:
        """Look at the file system; what cannot be looked at is left out of `homes`."""
        listing = Listing()
        for directory in self._expand(listing):
            self._list_directory(directory, listing)
        # Of two names for one file the log's own counts.
        listing.entries.sort(key=lambda entry: entry.path is not entry.family)
        listing.absent.extend(self._absent({entry.path for entry in listing.entries if entry.is_matched and entry.seen}))
        return listing

    def _absent(self, present: set[str]) -> Iterable[str]:
        if self._only:
            return sorted({os.path.join(self._directories, name) for name in self._only} - present)
        return () if present else (self.pattern,)

    def _expand(self, listing: Listing) -> list[str]:
        """Give the directories that may hold the files, and note which must be watched to see new ones appear."""
        fixed = self._directories
        while _MAGIC.search(fixed):
            fixed = os.path.dirname(fixed)
        existing = fixed
        while not os.path.isdir(existing) and existing != os.path.dirname(existing):
            existing = os.path.dirname(existing)
        real = os.path.realpath(existing)
        # The directory above too: it tells when this one is renamed.
        listing.watched.update((real, os.path.dirname(real)))
        self._real_fixed = os.path.normpath(os.path.join(real, os.path.relpath(fixed, existing)))
        if existing != fixed:
            return []
        found = [fixed]
        for part in self._directories[len(fixed) :].strip("/").split("/"):
            found = at_any_depth(found) if part == "**" else children(found, part)
            listing.watched.update(os.path.realpath(path) for path in found)
        return found

    def _list_directory(self, directory: str, listing: Listing) -> None:
        real = os.path.realpath(directory)
        prefix = directory.rstrip("/") + "/"
        real_prefix = prefix if real == directory else real.rstrip("/") + "/"
        try:
            status = os.stat(directory)
            home = (status.st_dev, status.st_ino)
            with os.scandir(directory) as names:
                known = ((item, self.family_name(item.name)) for item in names)
                entries = [_entry(item, found, home, prefix, real_prefix) for item, found in known if found]
        except OSError:
            return
        listing.homes[directory] = home
        is_named = self._only or not self.is_glob
        for entry in entries:
            entry.named_by = entry.family if self._only else self.pattern
            if entry.is_directory and not (is_named and entry.is_matched):
                continue
            listing.entries.append(entry)
            # Events come with the name of what a link points to, and from the directory that is in.
            if entry.is_link and os.path.isdir(target_directory := os.path.dirname(entry.real)):
                listing.watched.add(target_directory)


def _entry(item: os.DirEntry[str], found: tuple[str, bool], home: Identity, prefix: str, real_prefix: str) -> Entry:
    name, (family, is_matched) = item.name, found
    path = prefix + name
    is_link = item.is_symlink()
    entry = Entry(
        path=path,
        family=path if family == name else prefix + family,
        is_matched=is_matched,
        real=os.path.realpath(path) if is_link else path if real_prefix is prefix else real_prefix + name,
        home=home,
        is_link=is_link,
    )
    _look_at(entry)
    return entry


def _look_at(entry: Entry) -> None:
    try:
        status = os.stat(entry.path)
    except OSError:
        return  # it is just being renamed, or a link to nothing
    entry.identity = (status.st_dev, status.st_ino)
    entry.is_directory = stat.S_ISDIR(status.st_mode)
    entry.seen = (status.st_size, status.st_mtime_ns)
