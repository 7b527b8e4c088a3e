"""`people:` and `roles:`."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from opsbot.config.refusal import refusal
from opsbot.config.scalar import Name, Text
from opsbot.config.settings import Settings
from opsbot.core.access import BOT, EVERYONE, OWNER

BUILT_IN_ROLES = (OWNER, BOT, EVERYONE)


def _read_date(value: object) -> object:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, date) or isinstance(value, datetime):
        raise refusal("is no date", "YEAR-MONTH-DAY, such as 2026-12-31")
    return value


Day = Annotated[date, BeforeValidator(_read_date)]


class PersonSettings(Settings):
    """Somebody who is known; `ids` has the platform's id per channel. Everybody has the role `everyone` besides."""

    roles: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    ids: Mapping[Name, Text] = Field(min_length=1, description="CHANNEL: ID, at least one")


class GrantSettings(Settings):
    """What a role may do: one command of a scene or, without `command`, all of them. Both days are included."""

    scene: Name = Field(description="the name of an operation below operations:")
    command: Text = ""
    starts_on: Day | None = Field(default=None, alias="from")
    ends_on: Day | None = Field(default=None, alias="until")

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.starts_on and self.ends_on and self.ends_on < self.starts_on:
            raise refusal("ends before it begins", "from: a day that is not after until")
        return self


class RoleSettings(Settings):
    """A name for a set of grants."""

    grants: Annotated[tuple[GrantSettings, ...], Field(strict=False)] = ()
