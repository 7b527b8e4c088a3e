"""One account at the hub: logged in, or showing a login code until its phone scans it."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from opsbot.core.chat import AccountEvent, AccountEventKind, ScanStatus
from opsbot.core.errors import ChannelUnavailableError
from opsbot.core.ports import Clock


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody with an account at the hub.

    `has_gateway` is false for people who only have a phone: nothing of theirs can be logged out.
    """

    account_id: str
    name: str
    has_gateway: bool = True
    logged_in: bool = True


class AccountState(StrEnum):
    """How an account stands, in the order in which it comes back."""

    CODE_SHOWN = "code_shown"
    LETTING_IN = "letting_in"
    LOGGED_IN = "logged_in"


class Account:
    """Makes what happens to one account; `tell` gets each event in order.

    `refresh_s` is the life of one login code, `scan_step_s` the pause between Scanned, Confirmed, login and ready.
    """

    def __init__(
        self, owner: Owner, clock: Clock, tell: Callable[[AccountEvent], None], *, refresh_s: float, scan_step_s: float
    ) -> None:
        self.owner = owner
        self.state = AccountState.LOGGED_IN
        self.scan_status = ScanStatus.UNKNOWN
        self.code = ""
        self.codes_shown = 0
        self.code_shown_at: datetime | None = None
        self._clock = clock
        self._tell = tell
        self.refresh_s = refresh_s
        self._scan_step_s = scan_step_s
        self._is_out = asyncio.Event()
        self._is_scanned = asyncio.Event()
        if not owner.logged_in:
            self._go_out()

    def log_out(self, reason: str) -> None:
        """Log the account out, for instance from its phone; the first login code is shown at once.

        Raises:
            ChannelUnavailableError: it is not logged in.
        """
        if self.state is not AccountState.LOGGED_IN:
            raise ChannelUnavailableError(f"{self.owner.name} is not logged in")
        self._tell(self._event(AccountEventKind.LOGOUT, reason=reason))
        self._go_out()

    def scan(self) -> None:
        """Scan the code that is shown now with the account's phone; the rest of the login follows by itself.

        Raises:
            ChannelUnavailableError: there is no code to scan.
        """
        if self.state is not AccountState.CODE_SHOWN:
            raise ChannelUnavailableError(f"{self.owner.name} has no code to scan")
        self.state = AccountState.LETTING_IN
        self._say_scan(ScanStatus.SCANNED)
        self._is_scanned.set()

    def greeting(self) -> list[AccountEvent]:
        """Say what a client that connects now has to know, as a gateway does."""
        if self.state is AccountState.LOGGED_IN:
            return [self._event(AccountEventKind.LOGIN), self._event(AccountEventKind.READY)]
        return [self._scan_event(self.scan_status)]

    async def live(self) -> None:
        """Refresh the codes while the account is out, and let it in when one was scanned; never ends."""
        while True:
            await self._is_out.wait()
            while not await self._scanned_in_time():
                self._say_scan(ScanStatus.TIMEOUT)
                self._show_code()
            await self._let_in()

    async def _scanned_in_time(self) -> bool:
        try:
            async with asyncio.timeout(self.refresh_s):
                await self._is_scanned.wait()
        except TimeoutError:
            # A scan may have come between the deadline and this line: then the code was still good.
            return self._is_scanned.is_set()
        return True

    async def _let_in(self) -> None:
        await self._clock.sleep(self._scan_step_s)
        self._say_scan(ScanStatus.CONFIRMED)
        await self._clock.sleep(self._scan_step_s)
        self.state = AccountState.LOGGED_IN
        self.code = ""
        self._is_out.clear()
        self._tell(self._event(AccountEventKind.LOGIN))
        await self._clock.sleep(self._scan_step_s)
        # Logged out again meanwhile: then it never became ready.
        if self.state is AccountState.LOGGED_IN:
            self._tell(self._event(AccountEventKind.READY))

    def _go_out(self) -> None:
        self.state = AccountState.CODE_SHOWN
        self._is_scanned.clear()
        self._is_out.set()
        self.codes_shown = 0
        self._show_code()

    def _show_code(self) -> None:
        self.code = f"http://weixin.qq.com/x/{secrets.token_urlsafe(15)}"
        self.codes_shown += 1
        self.code_shown_at = self._clock.now()
        self._say_scan(ScanStatus.WAITING)

    def _say_scan(self, status: ScanStatus) -> None:
        self.scan_status = status
        self._tell(self._scan_event(status))

    def _scan_event(self, status: ScanStatus) -> AccountEvent:
        return AccountEvent(kind=AccountEventKind.SCAN, at=self._clock.now(), scan_status=status, payload=self.code)

    def _event(self, kind: AccountEventKind, reason: str = "") -> AccountEvent:
        return AccountEvent(
            kind=kind, at=self._clock.now(), account_id=self.owner.account_id, account_name=self.owner.name, reason=reason
        )
