"""The embedded chat: a channel that the daemon serves itself, for the page in the browser and for `opsbot chat`."""

from opsbot.adapters.channels.local.channel import LocalChannel
from opsbot.adapters.channels.local.settings import LocalSettings
from opsbot.adapters.channels.local.status import Insight, PartState, StatusProvider, StatusSnapshot
from opsbot.adapters.channels.local.tokens import read_tokens

__all__ = ["Insight", "LocalChannel", "LocalSettings", "PartState", "StatusProvider", "StatusSnapshot", "read_tokens"]
