"""`sources:`."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from opsbot.config.document import Document
from opsbot.config.refusal import refusal
from opsbot.config.scalar import ResolvedPath
from opsbot.config.settings import Settings
from opsbot.core.invocation import invocation
from opsbot.core.log import Multiline

ONE_OF_TWO = "path: the path of a log or a glob, or command: [PROGRAM, ARGUMENT…]"


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


def _check_argument(argument: str) -> str:
    if "\0" in argument:
        raise refusal("holds a zero byte", "text")
    return argument


def _check_program(argv: tuple[str, ...]) -> tuple[str, ...]:
    if not argv or not argv[0].strip():
        raise refusal("names no program", "[PROGRAM, ARGUMENT…]")
    return argv


Argv = Annotated[tuple[Annotated[str, AfterValidator(_check_argument)], ...], Field(strict=False), AfterValidator(_check_program)]


class SourceSettings(Settings):
    """The log files behind one path or glob, or what a command prints: one of the two.

    `read_from` counts only for files, and only where there is no checkpoint.
    """

    path: ResolvedPath | None = None
    command: Argv | None = None
    read_from: Literal["end", "beginning"] = "end"
    encoding: Literal["utf-8", "gb18030", "utf-16"] = "utf-8"
    multiline: Annotated[
        _Word | _Start, Discriminator(lambda value: "(mapping)" if isinstance(value, dict | Settings) else "(word)")
    ] = "none"

    @property
    def kind(self) -> str:
        """Say what it is, in one word for people."""
        return "file" if self.command is None else "command"

    @model_validator(mode="after")
    def _check_origin(self) -> Self:
        if self.path is not None and self.command is not None:
            raise refusal("has both path and command", ONE_OF_TWO)
        if self.path is None and self.command is None:
            raise refusal("has neither path nor command", ONE_OF_TWO)
        if self.command is not None and "read_from" in self.model_fields_set:
            raise refusal("has read_from, which counts for files only", "--from-start in the command, if it is opsbot's tail")
        if self.command is not None:
            self._check_records_of(self.command)
        return self

    def _check_records_of(self, command: Argv) -> None:
        given = [key for key in ("multiline", "encoding") if key in self.model_fields_set]
        if given and invocation(command).is_protocol:
            raise refusal(
                f"has {' and '.join(given)}, but the tail --json in the command makes the records",
                f"{' and '.join(f'--{key}' for key in given)} in the command",
            )
        if self.encoding == "utf-16":
            raise refusal("has encoding: utf-16, which is read from files only", "utf-8 or gb18030; iconv in the command")

    def records(self) -> Multiline | None:
        """Say how lines become records; None: each line is one."""
        match self.multiline:
            case "none":
                return None
            case StartSettings(start=start, timeout_s=timeout_s, max_lines=max_lines):
                return Multiline(kind="start", start=start, timeout_s=timeout_s, max_lines=max_lines)
            case kind:
                return Multiline(kind=kind)
