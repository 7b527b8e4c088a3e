"""The name of a content: where it came from, and how it begins.

A generation is twenty-four hex digits. The last eight are of the first line, so that a content of which nothing was read yet can
be known again under another name, in a copy, or decompressed. The first sixteen are of its origin. For a new file that is what
the kernel calls it: the handle that it would give to an NFS server, which no other file ever gets, not even one that takes over
the inode. For what takes the place of a truncated content it is the generation of that. Both are the same when they are asked
for again, so that a reader that was killed before anything was committed comes to the same name.

As long as the first line is not there, a file has no generation (""), or only the first sixteen digits when what it held before
had a generation.
"""

import ctypes
import os
import secrets
from hashlib import blake2b
from pathlib import Path

_HEAD_BYTES = 256
_ORIGIN_DIGITS = 16
_UNKNOWN = "0" * 8
_AT_EMPTY_PATH = 0x1000
_AT_FDCWD = -100
_AT_SYMLINK_FOLLOW = 0x400
_AT_HANDLE_FID = 0x200
"""Since Linux 6.5: a handle that only identifies, which more file systems have."""


class _Handle(ctypes.Structure):
    _fields_ = (("size", ctypes.c_uint), ("kind", ctypes.c_int), ("bytes", ctypes.c_ubyte * 128))


def head_of(fd: int) -> bytes | None:
    """Give the first line, at most 256 bytes of it, None while it is unfinished; b"" when zeroes may yet be filled in there."""
    head = os.pread(fd, _HEAD_BYTES, 0)
    if head.startswith(b"\0"):
        return b""
    newline = head.find(b"\n") + 1
    return head[:newline] if newline else head if len(head) == _HEAD_BYTES else None


def origin_of(fd: int, device: int, inode: int) -> str:
    """Name a new file; where the file system has no handles, by chance, so that no other file has the same name."""
    return _digest(f"{device}:{inode}:{handle_of(fd) or secrets.token_hex(8)}")


def is_complete(generation: str) -> bool:
    """Say whether this is the name of a content, and not only of its origin."""
    return len(generation) > _ORIGIN_DIGITS


def complete(origin: str, head: bytes) -> str:
    """Name a content; b"" stands for a head that is not known."""
    return origin + _name_head(head)


def after(generation: str, inode: int) -> str:
    """Name the origin of what a file holds after it was truncated; a copy that is written anew comes to another name."""
    return _digest(f"{generation}:{inode}") if is_complete(generation) else generation


def begins_like(fd: int, generation: str) -> bool:
    """Say whether a file may hold the content of that name."""
    known = generation[_ORIGIN_DIGITS:]
    return known in {"", _UNKNOWN} or known == _name_head(head_of(fd) or b"")


def _digest(origin: str) -> str:
    return blake2b(origin.encode(), digest_size=_ORIGIN_DIGITS // 2).hexdigest()


def _name_head(head: bytes) -> str:
    return blake2b(head, digest_size=4).hexdigest() if head else _UNKNOWN


def handle_of(file: Path | int | str) -> str:
    """Say what the kernel calls a file, by descriptor or by path: no other file ever gets that; "" where it does not tell."""
    call = getattr(ctypes.CDLL(None), "name_to_handle_at", None)
    handle, mount = _Handle(), ctypes.c_int()
    fd, path, flag = (file, b"", _AT_EMPTY_PATH) if isinstance(file, int) else (_AT_FDCWD, os.fsencode(file), _AT_SYMLINK_FOLLOW)
    for flags in (flag, flag | _AT_HANDLE_FID):
        handle.size = 128
        if call is not None and call(fd, path, ctypes.byref(handle), ctypes.byref(mount), flags) == 0:
            return bytes(handle.bytes[: handle.size]).hex()
    return ""
