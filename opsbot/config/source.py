"""`sources:`."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationInfo, field_validator

from opsbot.config.document import Document
from opsbot.config.refusal import refusal
from opsbot.config.scalar import ResolvedPath
from opsbot.config.settings import Settings
from opsbot.core.log import Multiline

NOT_YET = "is not in this version of opsbot"


class StartSettings(Settings):
    """Records that begin where a regular expression is found in a line."""

    start: str = Field(description="a regular expression that is found in the first line of each record")
    timeout_s: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    max_lines: int = Field(default=500, ge=1, le=100_000)

    @field_validator("start")
    @classmethod
    def _check_start(cls, start: str, info: ValidationInfo) -> str:
        try:
            re.compile(start)
        except re.error as exc:
            words = f"is no regular expression: {exc}"
            raise refusal(
                info.context.masked(words) if isinstance(info.context, Document) else words, "one of Python's"
            ) from None
        return start


def _check_word(value: object) -> object:
    if value not in ("none", "python", "java"):
        raise refusal("has a value that is not allowed", "none, python, java, or {start: REGEX}")
    return value


_Word = Annotated[Literal["none", "python", "java"], BeforeValidator(_check_word), Tag("(word)")]
_Start = Annotated[StartSettings, Tag("(mapping)")]


class SourceSettings(Settings):
    """The log files behind one path or glob; `read_from` counts only where there is no checkpoint."""

    path: ResolvedPath = Field(description="the path of a log, or a glob")
    read_from: Literal["end", "beginning"] = "end"
    encoding: Literal["utf-8", "gb18030", "utf-16"] = "utf-8"
    multiline: Annotated[
        _Word | _Start, Discriminator(lambda value: "(mapping)" if isinstance(value, dict | Settings) else "(word)")
    ] = "none"

    def records(self) -> Multiline | None:
        """Say how lines become records; None: each line is one."""
        match self.multiline:
            case "none":
                return None
            case StartSettings(start=start, timeout_s=timeout_s, max_lines=max_lines):
                return Multiline(kind="start", start=start, timeout_s=timeout_s, max_lines=max_lines)
            case kind:
                return Multiline(kind=kind)
