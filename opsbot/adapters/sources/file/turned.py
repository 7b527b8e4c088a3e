"""Symbolic links that were turned to another file."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from opsbot.adapters.sources.file.place import Entry, Listing, directory_of, status_of
from opsbot.adapters.sources.file.tracked import Tracked
from opsbot.core.log import Checkpoint


def old_targets(newcomers: Iterable[Tracked], left: Mapping[str, Sequence[Checkpoint]], encoding: str) -> Iterator[Tracked]:
    """Open what links led to before they were turned while nobody read, if it is beside the link or what that leads to now.

    A checkpoint holds the name of the link only, so that the old file is looked for by its identity. `left` are the checkpoints
    by log that no file was met for.
    """
    inodes: dict[str, dict[int, str]] = {}
    for link in newcomers:
        if link.is_claimed or not link.is_live or link.real == link.path:
            continue
        for checkpoint in left.get(link.family, ()):
            for directory in (directory_of(link.real), directory_of(link.path)):
                if directory not in inodes:
                    inodes[directory] = _inodes_in(directory)
                path = inodes[directory].get(checkpoint.inode)
                if path is not None and (old := _open(path, link, checkpoint, encoding)) is not None:
                    yield old
                    break


def _inodes_in(directory: str) -> dict[int, str]:
    try:
        with os.scandir(directory) as items:
            return {item.inode(): item.path for item in items if not item.is_symlink()}
    except OSError:
        return {}


def _open(path: str, link: Tracked, checkpoint: Checkpoint, encoding: str) -> Tracked | None:
    """Open it as if the link had been turned while we read: by the name of the link, at which it is no longer found."""
    try:
        old = Tracked.open(Entry(path=path, family=link.family, is_matched=False, real=path, home=link.home), encoding)
    except OSError:
        return None
    if old.identity != (checkpoint.device, checkpoint.inode):
        old.close()
        return None
    old.path, old.is_found, old.is_checked = link.path, False, True
    return old


def is_deleted(tracked: Tracked, listing: Listing) -> bool:
    """Say whether a file is no longer where it was; one that only a link pointed to may still be there, and be linked again."""
    if listing.homes.get(directory_of(tracked.path)) != tracked.home:
        return False
    try:
        status = status_of(tracked.real)
    except OSError:
        return True
    return (status.st_dev, status.st_ino) != tracked.identity
