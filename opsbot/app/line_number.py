"""Which line of a file stands at which byte."""

from collections.abc import Sequence
from typing import BinaryIO

from opsbot.adapters.sources.file.encoding import encoding_of

_STEP_BYTES = 1024 * 1024


class LineNumbers:
    """Counts the lines of a file as far as it is asked; what was counted is not read again as long as the offsets grow."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        """Count nothing yet; the file is not closed here."""
        self._file = file
        self._encoding = encoding
        self._offset = 0
        self._number = 1

    def at(self, offsets: Sequence[int]) -> list[int]:
        """Give the lines, from 1 on, that begin at these bytes. Blocking."""
        self._file.seek(0)
        form = encoding_of(self._encoding, self._file.read(2))
        numbers = []
        for offset in offsets:
            if offset < self._offset:
                self._offset, self._number = 0, 1
            self._file.seek(self._offset)
            while part := self._file.read(min(_STEP_BYTES, offset - self._offset)):
                self._offset += len(part)
                self._number += form.count_newlines(part)
            numbers.append(self._number)
        return numbers
