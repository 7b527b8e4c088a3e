"""Several paths and patterns as one place, so that one reader with one watch serves them all."""

import os
from collections.abc import Collection, Iterable, Sequence

from opsbot.adapters.sources.file.place import Entry, Listing, Place, directory_of, has_wildcard, name_of

_NAMES_KEPT = 50_000


def place_of(pattern: str | Sequence[str]) -> "Place | Places":
    """Understand one path or pattern, or several."""
    patterns = (pattern,) if isinstance(pattern, str) else tuple(dict.fromkeys(pattern))
    return Place(patterns[0]) if len(patterns) == 1 else Places(patterns)


class Places:
    """Several paths and patterns; a file that more than one of them names belongs to the first.

    Paths of one directory are looked for together: a shell makes a thousand paths of one pattern.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        """Understand the patterns; relative ones start from the working directory."""
        named: dict[str, set[str]] = {}
        self._wild: list[Place] = []
        for pattern in map(os.path.abspath, patterns):
            if has_wildcard(pattern):
                self._wild.append(Place(pattern))
            else:
                named.setdefault(directory_of(pattern), set()).add(name_of(pattern))
        self._named = {directory: Place(f"{directory.rstrip('/')}/*", names) for directory, names in named.items()}
        self._all = (*self._named.values(), *self._wild)
        self._names: dict[str, tuple[str, bool] | None] = {}

    @property
    def wildcards(self) -> Collection[str]:
        """The patterns among them."""
        return [place.pattern for place in self._wild]

    def concerns_directory(self, real_path: str) -> bool:
        """Say whether it matters here that a directory appears or vanishes."""
        return any(place.concerns_directory(real_path) for place in self._all)

    def family_name(self, name: str) -> tuple[str, bool] | None:
        """Give the name of the log that a file name may belong to; only the whole path tells whether it does."""
        if name not in self._names:
            if len(self._names) > _NAMES_KEPT:
                self._names.clear()
            self._names[name] = next((found for place in self._all if (found := place.family_name(name))), None)
        return self._names[name]

    def family(self, path: str) -> str | None:
        """Give the path of the log that a path belongs to, None for strangers."""
        return next((family for place in self._candidates(path) if (family := place.family(path))), None)

    def certain_family(self, path: str) -> str | None:
        """Give the path of the log that a path belongs to, if its name leaves no doubt about that."""
        return next((family for place in self._candidates(path) if (family := place.certain_family(path))), None)

    def any_family(self, path: str) -> str | None:
        """Give the path of the log that a path belongs to, compressed or not, None for strangers."""
        return next((family for place in self._candidates(path) if (family := place.any_family(path))), None)

    def archives(self, directory: str) -> dict[str, list[Entry]]:
        """Give the compressed rotations in a directory by log, the oldest first."""
        found: dict[str, list[Entry]] = {}
        for place in reversed(self._all):
            found |= place.archives(directory)
        return found

    def look(self) -> Listing:
        """Look at the file system; what cannot be looked at is left out of `homes`."""
        listing = Listing()
        for place in self._all:
            found = place.look()
            listing.entries += found.entries
            listing.homes |= found.homes
            listing.watched |= found.watched
            listing.absent += found.absent
        listing.entries.sort(key=lambda entry: entry.path is not entry.family)
        return listing

    def _candidates(self, path: str) -> Iterable[Place]:
        named = self._named.get(directory_of(path))
        return self._wild if named is None else (named, *self._wild)
