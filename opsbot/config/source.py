"""`sources:`."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from opsbot.config.refusal import refusal
from opsbot.config.scalar import ResolvedPath
from opsbot.config.settings import Settings

NOT_YET = "is not in this version of opsbot"


def _refuse_planned(value: object) -> object:
    if value in ("python", "java") or isinstance(value, dict):
        raise refusal(NOT_YET, "none")
    return value


class SourceSettings(Settings):
    """The log files behind one path or glob; `read_from` counts only where there is no checkpoint."""

    path: ResolvedPath = Field(description="the path of a log, or a glob")
    read_from: Literal["end", "beginning"] = "end"
    multiline: Annotated[Literal["none"], BeforeValidator(_refuse_planned)] = "none"
