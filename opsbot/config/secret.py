"""Where secrets come from: `${ENV}` in a text, and files that only the operator can read."""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from opsbot.config.refusal import refusal

_DOLLAR = re.compile(r"\$(?:\$|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<torn>\{))")
_MAX_SECRET_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Expansion:
    """A text after its `${NAME}` were replaced, and the values that went in."""

    text: str
    values: frozenset[str]


def expand(text: str, environ: Mapping[str, str]) -> Expansion:
    """Replace `${NAME}` by the environment variable and `$$` by `$`; any other `$` stays.

    Raises:
        PydanticCustomError: a variable is not set or empty, or `${` is not followed by a name.

    >>> expand("a${B}$$c$", {"B": "x"}).text
    'ax$c$'
    """
    values: set[str] = set()

    def replace(found: re.Match[str]) -> str:
        if found["torn"]:
            raise refusal("${ is not followed by the name of an environment variable and }", "${NAME}, or $$ for a $")
        if not found["name"]:
            return "$"
        value = environ.get(found["name"], "")
        if not value:
            raise refusal(f"the environment variable {found['name']} is not set or is empty", f"set {found['name']}")
        values.add(value)
        return value

    return Expansion(_DOLLAR.sub(replace, text), frozenset(values))


def read_file(path: Path, limit_bytes: int) -> tuple[bytes, int]:
    """Give the content and the mode of a regular file.

    Raises:
        OSError: it cannot be read.
        PydanticCustomError: it is a folder, a pipe or a device, or larger than the limit.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        # Before it is opened: a pipe nobody writes to would wait for ever.
        raise refusal("is no file", "a file")
    with path.open("rb") as file:
        content, mode = file.read(limit_bytes + 1), os.fstat(file.fileno()).st_mode
    if len(content) > limit_bytes:
        raise refusal("is too large", f"at most {limit_bytes} bytes")
    return content, mode


def read_secret_file(path: Path) -> str:
    """Give the content of a secret file without the line end behind it.

    Raises:
        PydanticCustomError: the file cannot be read, others could read or change it, or it holds no text.
    """
    try:
        content, mode = read_file(path, _MAX_SECRET_BYTES)
    except OSError as exc:
        raise refusal(f"cannot be read ({exc.strerror})", "a file that opsbot may read") from exc
    if mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        raise refusal("can be read or changed by others", "mode 600")
    try:
        text = content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        # Without a cause, which would carry the bytes of the secret.
        raise refusal("is not UTF-8", "text") from None
    if not text:
        raise refusal("is empty", "a file with the secret on one line")
    return text
