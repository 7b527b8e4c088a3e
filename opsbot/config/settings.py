"""What all parts of the configuration have in common."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A part of the configuration: immutable, with no key but its own, and no value of a neighbouring type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)
