"""What happens to a channel's own account: written to the account log for the partner, and held against the white list."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from opsbot.core.catalogue import text
from opsbot.core.chat import AccountEvent, AccountEventKind, ScanStatus
from opsbot.core.context import PartState
from opsbot.core.errors import ChannelError, ChannelUnavailableError
from opsbot.core.ports import Account
from opsbot.pipeline.context import Daemon
from opsbot.pipeline.hooks import Hooks
from opsbot.pipeline.link import Link
from opsbot.pipeline.parts import Parts

log = structlog.get_logger(__name__)

LOG_OUT_WITHIN_S = 10.0


class AccountLog(Protocol):
    """Where the records for the partner go; appending is durable and in order."""

    async def append(self, event: AccountEvent) -> None:
        """Write one record, or nothing for an event that is no business of the log."""
        ...


class AccountKeeper:
    """Follows the account of one channel."""

    def __init__(self, account_log: AccountLog | None, hooks: Hooks, daemon: Daemon, parts: Parts) -> None:
        """`account_log` is None when the configuration names no `log.file`."""
        self._account_log = account_log
        self._hooks = hooks
        self._daemon = daemon
        self._parts = parts

    async def follow(self, link: Link, lives: Callable[[], None]) -> None:
        """Handle the account's events until the connection ends; `lives` is called for each."""
        async for event in link.channel.account_events():
            lives()
            await self._handle(link, event)

    async def _handle(self, link: Link, event: AccountEvent) -> None:
        if self._account_log is not None:
            await self._write(self._account_log, event)
        match event.kind:
            case AccountEventKind.SCAN:
                self._note_scan(link, event)
            case AccountEventKind.LOGIN:
                await self._note_login(link, event)
            case AccountEventKind.LOGOUT:
                link.logged_out()
                log.warning("account logged out", channel=link.name, account=event.account_id, reason=event.reason)
                self._parts.set("channel", link.name, PartState.RUNNING, "logged out")
            case _:
                log.debug("account event", channel=link.name, kind=event.kind)

    async def _write(self, account_log: AccountLog, event: AccountEvent) -> None:
        """Write the record; a full disk must not take the daemon down, which may still be told what to do."""
        try:
            await account_log.append(event)
        except OSError as exc:
            log.error("account log not written", reason=str(exc))  # noqa: TRY400 - the machine's fault: no trace
            said = text("log_not_written", self._daemon.language, reason=exc.strerror or type(exc).__name__)
            await self._hooks.commit(self._hooks.report(said, key="log_not_written"))

    def _note_scan(self, link: Link, event: AccountEvent) -> None:
        link.logged_out()
        link.scan_payload = event.payload if event.scan_status is ScanStatus.WAITING else ""
        log.info("login code", channel=link.name, status=event.scan_status)
        self._parts.set("channel", link.name, PartState.RUNNING, f"waits for a login: {event.scan_status}")

    async def _note_login(self, link: Link, event: AccountEvent) -> None:
        if link.allowed_account and event.account_id != link.allowed_account:
            await self._send_away(link, event)
            return
        link.logged_in(event.account_id, event.account_name, self._daemon.clock.now())
        log.info("account logged in", channel=link.name, account=event.account_id)
        self._parts.set("channel", link.name, PartState.RUNNING, f"logged in as {event.account_name or event.account_id}")

    async def _send_away(self, link: Link, event: AccountEvent) -> None:
        """Log a foreign account out before it can be obeyed or can read anything, and tell the owners elsewhere.

        Raises:
            ChannelUnavailableError: it could not be logged out; the next connection meets it again and tries again.
        """
        link.logged_out()
        log.error("foreign account", channel=link.name, account=event.account_id, allowed=link.allowed_account)
        self._parts.set("channel", link.name, PartState.RUNNING, f"a foreign account is logged in: {event.account_id}")
        said = text(
            "other_account",
            self._daemon.language,
            account=event.account_id,
            channel=link.name,
            allowed=link.allowed_account,
        )
        await self._hooks.commit(self._hooks.report(said, key=f"other_account:{link.name}"))
        if not isinstance(link.channel, Account):
            return
        try:
            async with asyncio.timeout(LOG_OUT_WITHIN_S):
                await link.channel.log_out()
        except (ChannelError, TimeoutError) as exc:
            raise ChannelUnavailableError(f"the foreign account {event.account_id} could not be logged out: {exc}") from exc
