"""How lines stand in the bytes of a file."""

from array import array
from dataclasses import dataclass

_NUL = 0


@dataclass(frozen=True, slots=True)
class Encoding:
    """What a reader must know of an encoding; decoding records is the matcher's business.

    Every character is one unit or several. `newline` is one: no part of a character looks like it where a unit begins. `bom` may
    stand at the beginning of a file.
    """

    codec: str
    newline: bytes
    bom: bytes
    is_swapped: bool = False
    unit_bytes: int = 1

    @property
    def nul(self) -> bytes:
        """The character zero."""
        return bytes(self.unit_bytes)

    def after_newline(self, raw: bytes | bytearray, start: int, stop: int) -> int:
        """Give the place behind the first newline, -1 if there is none; a unit begins at `start`."""
        found = self._find(raw, self.newline, start, stop)
        return found + self.unit_bytes if found >= 0 else -1

    def after_last_newline(self, raw: bytes | bytearray, start: int, stop: int) -> int:
        """Give the place behind the last newline, -1 if there is none; a unit begins at `start`."""
        found = raw.rfind(self.newline, start, stop)
        while found >= 0 and (found - start) % self.unit_bytes:
            found = raw.rfind(self.newline, start, found + 1)
        return found + self.unit_bytes if found >= 0 else -1

    def count_newlines(self, raw: bytes) -> int:
        """Say how many newlines there are in whole units."""
        return raw.count(self.newline) if self.unit_bytes == 1 else self.decode(raw).count("\n")

    def after_line_before_hole(self, raw: bytes | bytearray, start: int, stop: int) -> int:
        """Give the place behind the first newline that a NUL follows, -1 if there is none; a unit begins at `start`."""
        # Looking for one byte first is ten times faster than for two; UTF-16 is full of it.
        if self.unit_bytes == 1 and raw.find(_NUL, start, stop) < 0:
            return -1
        found = self._find(raw, self.newline + self.nul, start, stop)
        return found + self.unit_bytes if found >= 0 else -1

    def count_nuls(self, raw: bytes | bytearray, start: int, stop: int) -> int:
        """Say how many bytes from `start` on are whole NULs."""
        if start >= stop or raw[start] != _NUL:
            return 0
        size = stop - start
        return self.whole(size - len(bytes(raw[start:stop]).lstrip(b"\0")))

    def whole(self, size: int) -> int:
        """Give so many bytes, less those of a unit that is not complete."""
        return size - size % self.unit_bytes

    def decode(self, data: bytes) -> str:
        """Decode for people, with replacement."""
        return data.decode(self.codec, "replace")

    def plain(self, data: memoryview) -> memoryview | bytes:
        """Give whole units as a matcher takes them: UTF-16 with the low byte first."""
        if not self.is_swapped:
            return data
        units = array("H", bytes(data))
        units.byteswap()
        return units.tobytes()

    def _find(self, raw: bytes | bytearray, wanted: bytes, start: int, stop: int) -> int:
        found = raw.find(wanted, start, stop)
        while found >= 0 and (found - start) % self.unit_bytes:
            found = raw.find(wanted, found + 1, stop)
        return found


UTF_8 = Encoding("utf-8", b"\n", b"\xef\xbb\xbf")
_GB18030 = Encoding("gb18030", b"\n", b"\x84\x31\x95\x33")
_UTF_16_LE = Encoding("utf-16-le", b"\n\0", b"\xff\xfe", unit_bytes=2)
_UTF_16_BE = Encoding("utf-16-be", b"\0\n", b"\xfe\xff", is_swapped=True, unit_bytes=2)


def encoding_of(name: str, head: bytes = b"") -> Encoding:
    """Give the encoding with the name that stands in the configuration; a UTF-16 file's first two bytes tell its byte order."""
    if name == "utf-16":
        return _UTF_16_BE if head == _UTF_16_BE.bom else _UTF_16_LE
    return _GB18030 if name == "gb18030" else UTF_8
