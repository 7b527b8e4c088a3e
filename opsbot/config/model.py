"""The whole configuration as frozen values."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PrivateAttr, SecretStr

from opsbot.config.channel import AppriseSettings, ChannelSettings, Secret
from opsbot.config.document import Document
from opsbot.config.people import PersonSettings, RoleSettings
from opsbot.config.recipient import Recipient
from opsbot.config.scalar import Name, ResolvedPath, Text
from opsbot.config.scene import SceneSettings
from opsbot.config.settings import Settings
from opsbot.config.source import SourceSettings
from opsbot.core.chat import Chat

DAY_S = 86_400
WEEK_MINUTES = 10_080


class LogSettings(Settings):
    """The account's own log; without `file` none is written."""

    file: ResolvedPath | None = None
    format: Literal["starter", "json"] = "starter"


class NotificationSettings(Settings):
    """How much is said, and how often."""

    group_wait_s: Annotated[float, Field(ge=0, le=DAY_S, allow_inf_nan=False)] = 5
    repeat_minutes: Annotated[tuple[Annotated[int, Field(ge=1, le=WEEK_MINUTES)], ...], Field(strict=False)] = (15, 30, 60)
    per_chat_per_minute: Annotated[int, Field(ge=1, le=600)] = 10
    fallback_after_s: Annotated[float, Field(gt=0, le=DAY_S, allow_inf_nan=False)] = 60


class Configuration(Settings):
    """Everything that a deployment decides, checked and with its secrets inside.

    `pair_key_file` is what the file said; `pair_key` holds the secret either way.
    """

    name: Name = Field(description="what this bot is called")
    state_dir: ResolvedPath = Field(default=Path("state"), validate_default=True)
    language: Literal["zh", "en"] = "en"
    pair_key: Secret | None = None
    pair_key_file: ResolvedPath | None = None
    log: LogSettings = LogSettings()
    channels: Mapping[Name, ChannelSettings] = Field(min_length=1, description="NAME: {kind: …}, at least one")
    people: Mapping[Name, PersonSettings] = Field(default_factory=dict)
    rooms: Mapping[Name, Mapping[Name, Text]] = Field(default_factory=dict)
    roles: Mapping[Name, RoleSettings] = Field(default_factory=dict)
    sources: Mapping[Name, SourceSettings] = Field(default_factory=dict)
    operation_dirs: Annotated[tuple[ResolvedPath, ...], Field(strict=False)] = ()
    operations: Mapping[Name, SceneSettings] = Field(default_factory=dict)
    notifications: NotificationSettings = NotificationSettings()

    _document: Document = PrivateAttr(default_factory=Document)

    def model_post_init(self, context: Any, /) -> None:  # noqa: ANN401 pydantic's signature
        """Keep the document that the values came from."""
        if isinstance(context, Document):
            self._document = context

    @property
    def document(self) -> Document:
        """The file as it was read, for the lines of problems that are found later; empty if there was no file."""
        return self._document

    def secrets(self) -> frozenset[str]:
        """Give every text that must never be shown, for masking."""
        return self._document.secrets | frozenset(_secrets_in(self))

    def chat_of(self, recipient: Recipient) -> Chat:
        """Give the chat in which a recipient is reached; on an outgoing-only channel its id is the person's name.

        Raises:
            KeyError: the recipient is not reachable (`reason_unreachable` says why).
        """
        if recipient.is_room:
            return Chat(recipient.channel, self.rooms[recipient.name][recipient.channel], is_room=True)
        person = self.people[recipient.name]
        if isinstance(self.channels[recipient.channel], AppriseSettings):
            return Chat(recipient.channel, recipient.name)
        return Chat(recipient.channel, person.ids[recipient.channel])

    def __repr__(self) -> str:
        """Show it without its secrets, those from the environment included."""
        return self._document.masked(super().__repr__())

    __str__ = __repr__


def _secrets_in(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets_in(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secrets_in(item)
