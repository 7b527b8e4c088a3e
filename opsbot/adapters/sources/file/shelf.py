"""The compressed rotations of each log, and which of them were consumed."""

from collections.abc import Iterable, Iterator, Sequence

from opsbot.adapters.sources.file.parcel import Parcel
from opsbot.adapters.sources.file.place import Entry, Identity, Place, directory_of
from opsbot.adapters.sources.file.places import Places
from opsbot.core.log import Checkpoint

_CONSUMED = "consumed"


class Shelf:
    """Knows the newest compressed rotation of each log that need not be read, by a checkpoint of its own.

    That checkpoint outlives the files that were compressed: after a restart all that is newer is unread, and whatever is older
    is history. Its offset is the time of the last change of the file, in nanoseconds, in case that was deleted.
    """

    def __init__(self, source: str, checkpoints: Iterable[Checkpoint], place: Place | Places, parcel: Parcel) -> None:
        """Remember where each log's history ends."""
        self._source = source
        self._place = place
        self._parcel = parcel
        self._ends = {family: each for each in checkpoints if is_end(each) and (family := place.any_family(each.path))}
        self._found: dict[str, dict[str, list[Entry]]] = {}
        self._asked_for: set[str] = set()
        self._gone: dict[str, list[Identity]] = {}

    def refresh(self) -> None:
        """Look anew when asked next."""
        self._found.clear()

    def new_logs(self, directories: Iterable[str]) -> set[str]:
        """Give the logs of which there are compressed rotations, in those directories that were not asked for before."""
        new = set(directories) - self._asked_for
        self._asked_for |= new
        return {family for directory in new for family in self._in(directory)}

    def of(self, family: str) -> Sequence[Entry]:
        """Give all compressed rotations of a log, the oldest first."""
        return self._in(directory_of(family)).get(family, [])

    def _in(self, directory: str) -> dict[str, list[Entry]]:
        if directory not in self._found:
            self._found[directory] = self._place.archives(directory)
        return self._found[directory]

    def is_known(self, family: str) -> bool:
        """Say whether it is known where the history of a log ends."""
        return family in self._ends

    def since(self, family: str) -> Sequence[Entry]:
        """Give the compressed rotations that are newer than the history of a log, the oldest first."""
        entries, end = self.of(family), self._ends.get(family)
        if end is None:
            return entries
        for index, entry in enumerate(entries):
            if entry.identity == (end.device, end.inode) and _changed_ns(entry) == end.offset:
                return entries[index + 1 :]
        return [entry for entry in entries if _changed_ns(entry) > end.offset]

    def end_at(self, family: str, path: str, identity: Identity, changed_ns: int) -> None:
        """Note that this rotation of a log and all older ones are history."""
        last = self._ends.get(family)
        if last is not None and (last.device, last.inode, last.offset) == (*identity, changed_ns):
            return
        if last is not None and (last.device, last.inode) != identity:
            self._parcel.forget((last.device, last.inode))
        device, inode = identity
        self._ends[family] = Checkpoint(
            source=self._source, path=path, device=device, inode=inode, offset=changed_ns, generation=_CONSUMED
        )
        self._parcel.keep(self._ends[family])

    def end_at_entry(self, family: str, entry: Entry) -> None:
        """Note the same of what was found."""
        self.end_at(family, entry.path, entry.identity, _changed_ns(entry))

    def leave(self, family: str, identity: Identity, *, is_last: bool) -> Iterator[Identity]:
        """Note that a file of a log was consumed and is gone, compressed perhaps; gives those whose checkpoints may go now.

        As long as others are gone that were not consumed, it is not known which of the rotations are history.
        """
        self._gone.setdefault(family, []).append(identity)
        entries = self.of(family)
        if is_last or not entries:
            yield from self._gone.pop(family)
        if is_last and entries:
            self.end_at_entry(family, entries[-1])


def is_end(checkpoint: Checkpoint) -> bool:
    """Say whether a checkpoint only says where the history of a log ends."""
    return checkpoint.generation == _CONSUMED


def _changed_ns(entry: Entry) -> int:
    return entry.seen[1] if entry.seen is not None else 0
