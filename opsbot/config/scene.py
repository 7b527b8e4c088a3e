"""`operations:`."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import ConfigDict, Field

from opsbot.config.recipient import Recipient
from opsbot.config.scalar import ModuleName, Name
from opsbot.config.settings import Settings


class SceneSettings(Settings):
    """A configured operation: five keys are opsbot's, every other one is the operation's own."""

    model_config = ConfigDict(extra="allow")

    use: ModuleName = Field(description="the name of an operation's file, without .py")
    source: Name = ""
    tell: Annotated[tuple[Recipient, ...], Field(strict=False)] = ()
    fallback: Annotated[tuple[Recipient, ...], Field(strict=False)] = ()
    confirm: bool = True

    @property
    def settings(self) -> Mapping[str, object]:
        """The operation's own settings as they stand in the file; nobody has checked them yet."""
        return dict(self.model_extra or {})
