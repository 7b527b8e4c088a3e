"""Who is told: a person or a room, on a channel."""

import re
from dataclasses import dataclass
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from opsbot.config.refusal import refusal

_FORM = re.compile(r"(?P<room>room:)?(?P<name>[\w.-]+)@(?P<channel>[\w.-]+)")


@dataclass(frozen=True, slots=True)
class Recipient:
    """A name of `people:` (or of `rooms:`) and the channel on which it is reached."""

    name: str
    channel: str
    is_room: bool = False

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read `PERSON@CHANNEL` or `room:ROOM@CHANNEL`.

        Raises:
            PydanticCustomError: it is something else.

        >>> Recipient.parse("room:OPS@wechat")
        Recipient(name='OPS', channel='wechat', is_room=True)
        """
        if isinstance(value, cls):
            return value
        found = _FORM.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise refusal("is no recipient", "PERSON@CHANNEL or room:ROOM@CHANNEL")
        return cls(found["name"], found["channel"], is_room=found["room"] is not None)

    def __str__(self) -> str:
        """Write it as it is configured."""
        return f"{'room:' if self.is_room else ''}{self.name}@{self.channel}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic read it with `parse`."""
        return core_schema.no_info_plain_validator_function(cls.parse)
