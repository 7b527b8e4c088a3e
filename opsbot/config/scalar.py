"""The single values of the configuration that are more than text or a number."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from opsbot.config.document import Document
from opsbot.config.refusal import refusal

NAME_CHARS = 64
_NAME = re.compile(rf"[\w.-]{{1,{NAME_CHARS}}}")
_MODULE = re.compile(r"[a-z_][a-z0-9_]*")


def _check_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise refusal("is no name", f"1 to {NAME_CHARS} letters (Chinese too), digits, and . _ -")
    return text


def _check_module(text: str) -> str:
    if not _MODULE.fullmatch(text):
        raise refusal("is no operation's name", "the name of its file without .py: a to z, 0 to 9 and _")
    return text


def _check_text(text: str) -> str:
    if not text.strip():
        raise refusal("is empty", "some text")
    if not text.isprintable():
        raise refusal("holds a control character", "printable text on one line")
    return text


def resolve(folder: Path, text: str) -> Path:
    """Give the absolute path that a text in a file of this folder means; `~` is a home directory.

    Raises:
        PydanticCustomError: the text can be no path, or the home directory is not known.
    """
    if not text or "\0" in text:
        raise refusal("is no path", "a path, relative to this file or absolute")
    try:
        return folder / Path(text).expanduser()
    except RuntimeError as exc:
        raise refusal("names a home directory that is not known", "an absolute path") from exc


def _resolve_in_document(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, (str, Path)):
        raise refusal("must be a path", "text, in quotes if it looks like a number")
    folder = info.context.folder if isinstance(info.context, Document) else Path()
    return resolve(folder, str(value))


Name = Annotated[str, AfterValidator(_check_name)]
"""What a channel, person, room, role, source or scene is called: neither spaces nor `@` nor `:`."""

ModuleName = Annotated[str, AfterValidator(_check_module)]
"""The name of a Python file without its `.py`."""

Text = Annotated[str, AfterValidator(_check_text)]
"""Printable text that is not empty."""

ResolvedPath = Annotated[Path, BeforeValidator(_resolve_in_document)]
"""A path; a relative one is resolved against the configuration file it stands in."""
