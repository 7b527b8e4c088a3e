"""A compressed rotation: decompressed into a file without a name, and read from there like any other."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO

from opsbot.adapters.sources.file.descriptor import open_file
from opsbot.adapters.sources.file.generation import origin_of
from opsbot.adapters.sources.file.handover import StoppedError
from opsbot.adapters.sources.file.place import Entry, directory_of, status_of
from opsbot.adapters.sources.file.tracked import Tracked

_STEP_BYTES = 1024 * 1024
_IN_MEMORY_BYTES = 8 * 1024 * 1024


class Archive(Tracked):
    """A compressed file that holds something unread. It is decompressed when its turn has come, and dropped when it was read.

    `damage` says why not all of it could be read, "" as long as that is not known.
    """

    is_archive = True

    def __init__(self, entry: Entry, limit_bytes: int, encoding: str, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Touch nothing; at most so many bytes will be decompressed, and only as long as `goes_on` says so."""
        super().__init__(entry, None, *entry.identity, encoding)
        self.is_checked = True
        if entry.seen is not None:
            self.seen = entry.seen
        self.damage = ""
        self._limit_bytes = limit_bytes
        self._goes_on = goes_on

    def __del__(self) -> None:
        """Give back what was decompressed before the reader was stopped in the middle of another."""
        self.close()

    def unpacks(self) -> bool:
        """Decompress it now, to look into it; False when that cannot be.

        Raises:
            StoppedError: the reader is to stop.
        """
        try:
            return self.reopen(self.path)
        except OSError:
            return False

    def reopen(self, path: str) -> bool:
        """Decompress it, under whatever name it has by now."""
        if self.fd is None:
            try:
                self.fd, self.damage = unpack(self._find(path), self._limit_bytes, self._goes_on)
            except OSError as error:
                self.damage = error.strerror or str(error)
                raise
        return True

    def origin(self) -> str:
        """Name the compressed file; once that is deleted, its content."""
        try:
            fd = open_file(self._find(self.path))
        except OSError:
            return super().origin()
        try:
            return origin_of(fd, *self.identity)
        finally:
            os.close(fd)

    def _find(self, path: str) -> str:
        try:
            status = status_of(path)
        except FileNotFoundError:
            status = None
        if status is not None and (status.st_dev, status.st_ino) == self.identity:
            return path
        with os.scandir(directory_of(path)) as items:
            return next((item.path for item in items if item.inode() == self.identity[1]), path)


def unpacked_bytes(path: str) -> int | None:
    """Say how large a file is when it is decompressed, as far as that is written in it (`.gz` below 4 GiB)."""
    if not path.endswith(".gz"):
        return None
    with suppress(OSError), os.fdopen(open_file(path), "rb") as compressed:
        compressed.seek(-4, os.SEEK_END)
        return int.from_bytes(compressed.read(4), "little")
    return None


def unpack(path: str, limit_bytes: int, goes_on: Callable[[], bool]) -> tuple[int, str]:
    """Decompress a file; gives a descriptor without a name, and why not all of it is there, "" if it is.

    Raises:
        OSError: the compressed file cannot be opened.
        StoppedError: `goes_on` says no.
    """
    with os.fdopen(open_file(path), "rb") as raw:
        fd = _scratch()
        damage, size = "", 0
        try:
            for chunk in _content(raw, path, goes_on):
                size += len(chunk)
                fd = _write(fd, chunk, size)
                if size > limit_bytes:
                    damage = f"is larger than {limit_bytes} bytes when decompressed; what is behind them was not read"
                    break
        except StoppedError:
            os.close(fd)
            raise
        except Exception as error:  # noqa: BLE001 each library has errors of its own, and any of them means a damaged file
            damage = f"cannot be decompressed to its end: {error}"
    return fd, damage


def is_cut(path: str, limit_bytes: int, goes_on: Callable[[], bool]) -> bool:
    """Say whether a compressed file ends in the middle, as one does that is still being written.

    Raises:
        OSError: it cannot be opened.
        StoppedError: `goes_on` says no.
    """
    with os.fdopen(open_file(path), "rb") as raw:
        try:
            size = 0
            for chunk in _content(raw, path, goes_on):
                size += len(chunk)
                if size > limit_bytes:
                    return False
        except EOFError:
            return True
        except StoppedError:
            raise
        except Exception:  # noqa: BLE001 it is damaged otherwise, see unpack
            return False
        return not os.fstat(raw.fileno()).st_size  # for gzip nothing at all is whole


def _content(raw: IO[bytes], path: str, goes_on: Callable[[], bool]) -> Iterator[bytes]:
    with _reader(raw, path) as content:
        while chunk := content.read1(_STEP_BYTES):  # type: ignore[attr-defined]
            if not goes_on():
                raise StoppedError
            yield chunk


def _reader(raw: IO[bytes], path: str) -> IO[bytes]:
    # Loaded when needed: few restarts find anything compressed.
    match os.path.splitext(path)[1]:  # noqa: PTH122
        case ".gz":
            import gzip  # noqa: PLC0415

            return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
        case ".bz2":
            import bz2  # noqa: PLC0415

            return bz2.BZ2File(raw)
        case ".xz":
            import lzma  # noqa: PLC0415

            return lzma.LZMAFile(raw)
        case suffix:
            raise ValueError(f"{suffix} is not understood; only .gz, .bz2 and .xz are")


def _scratch() -> int:
    return os.memfd_create("opsbot") if hasattr(os, "memfd_create") else _unnamed_file()


def _unnamed_file() -> int:
    with tempfile.TemporaryFile() as scratch:
        return os.dup(scratch.fileno())


def _write(fd: int, chunk: bytes, size: int) -> int:
    """Append; gives the descriptor to go on with, for what grows large moves from memory to a disk."""
    before = size - len(chunk)
    if before <= _IN_MEMORY_BYTES < size:
        larger = _unnamed_file()
        _write_all(larger, os.pread(fd, before, 0))
        os.close(fd)
        fd = larger
    _write_all(fd, chunk)
    return fd


def _write_all(fd: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]
