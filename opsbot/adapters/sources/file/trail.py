"""Where the reading of a file stood before."""

from opsbot.adapters.sources.file.block import Block
from opsbot.adapters.sources.file.cursor import Cursor

_KEPT = 64
_HALVINGS = 5


class Trail:
    """Some places that a file was read through, the later the denser.

    Whoever copies and truncates a log may copy less of it than is read before the truncation. When the log is truncated, only
    these places tell that the copy was read.
    """

    __slots__ = ("_places",)

    def __init__(self) -> None:
        """Have been nowhere."""
        self._places: tuple[Cursor, ...] = ()

    def follow(self, block: Block) -> None:
        """Note that a block was read."""
        places = self._places
        if not places and block.has_several_lines:
            places = tuple(block.cursor_after(len(block.data) >> step) for step in range(_HALVINGS, 0, -1))
        self._places = (*(places if len(places) < _KEPT else places[::2]), block.end)

    def clear(self) -> None:
        """Forget it: another content begins."""
        self._places = ()

    def shorten(self) -> None:
        """Keep only the end: other files are more recent."""
        self._places = self._places[-1:]

    @property
    def end(self) -> Cursor:
        """The place up to which the file was searched."""
        return self._places[-1] if self._places else Cursor()

    def before(self, offset: int) -> Cursor | None:
        """Give the last place that is not behind an offset, None if none is known."""
        return next((each for each in reversed(self._places) if each.offset <= offset), None)
