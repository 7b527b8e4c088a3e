"""A channel as the pipelines see it: the adapter, whether it is connected, and who is logged in."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from opsbot.core.gate import Login
from opsbot.core.ports import Channel


@dataclass(slots=True)
class Link:
    """One channel and what is known about its connection.

    `allowed_account` is the platform id of the only account that may log in, "" for any. `scan_payload` is the newest
    login code while the account waits for one; it is a secret that only owners see.
    """

    channel: Channel
    kind: str
    allowed_account: str = ""
    is_connected: bool = False
    logged_in_at: datetime | None = None
    account_id: str = ""
    account_name: str = ""
    scan_payload: str = ""
    sendable: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """The channel's key in the configuration."""
        return self.channel.name

    @property
    def login(self) -> Login:
        """What the gate needs to know about the account."""
        return Login(self.channel.capabilities.has_account, self.logged_in_at)

    def connected(self) -> None:
        """Note that the channel was entered; a channel without an account can send from now on."""
        self.is_connected = True
        if not self.channel.capabilities.has_account:
            self.sendable.set()

    def logged_in(self, account_id: str, account_name: str, at: datetime) -> None:
        """Note a login; the same account again (a reconnect) starts the settling time anew."""
        self.account_id, self.account_name, self.logged_in_at = account_id, account_name, at
        self.scan_payload = ""
        self.sendable.set()

    def logged_out(self) -> None:
        """Note that nobody is logged in: nothing can be sent."""
        self.logged_in_at = None
        if self.channel.capabilities.has_account:
            self.sendable.clear()

    def lost(self) -> None:
        """Note that the connection is gone."""
        self.is_connected = False
        self.logged_in_at = None
        self.scan_payload = ""
        self.sendable.clear()
