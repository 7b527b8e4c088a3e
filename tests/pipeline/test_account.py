"""What happens to a channel's own account is written down for the partner, and a foreign account is sent away."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from opsbot.core.chat import AccountEvent, AccountEventKind, ScanStatus
from opsbot.core.context import PartState
from opsbot.core.errors import ChannelUnavailableError
from opsbot.core.scene import Route
from opsbot.pipeline.account import AccountKeeper
from opsbot.pipeline.context import Daemon
from opsbot.pipeline.hooks import Hooks, Manners
from opsbot.pipeline.link import Link
from opsbot.pipeline.parts import Parts
from opsbot.testing import CAPABILITIES, NOON, FakeChannel, FakeClock, FakeRunner, FakeStore, settled
from tests.pipeline.post import PHONE

LOGIN = AccountEvent(kind=AccountEventKind.LOGIN, at=NOON, account_id="wxid_alice", account_name="Alice")
LOGOUT = AccountEvent(kind=AccountEventKind.LOGOUT, at=NOON, account_id="wxid_alice", reason="kicked")
SCAN = AccountEvent(kind=AccountEventKind.SCAN, at=NOON, scan_status=ScanStatus.WAITING, payload="http://weixin.qq.com/x/1")


class AccountLogInMemory:
    """Keeps what it was given."""

    def __init__(self) -> None:
        self.events: list[AccountEvent] = []

    async def append(self, event: AccountEvent) -> None:
        self.events.append(event)


class Account:
    """One channel with an account, and what follows from its events."""

    def __init__(self, allowed: str = "") -> None:
        self.clock = FakeClock()
        self.store = FakeStore()
        self.log = AccountLogInMemory()
        self.parts = Parts(self.clock)
        capabilities = replace(CAPABILITIES, has_account=True)
        self.channel = FakeChannel("wechat", clock=self.clock, capabilities=capabilities)
        self.link = Link(self.channel, "wechaty", allowed_account=allowed)
        daemon = Daemon(name="alice", language="en", clock=self.clock, runner=FakeRunner(self.clock), own_pid=1)
        hooks = Hooks(daemon, self.store, self.clock, Manners(), Route(tell=(PHONE,)), lambda: None)
        self._keeper = AccountKeeper(self.log, hooks, daemon, self.parts)
        self.lives = 0

    async def sees(self, *events: AccountEvent) -> None:
        async with self.channel:
            self.link.connected()
            for event in events:
                self.channel.happens(event)
            async with asyncio.TaskGroup() as group:
                following = group.create_task(self._keeper.follow(self.link, self._note_life))
                await settled()
                following.cancel()

    def _note_life(self) -> None:
        self.lives += 1

    @property
    def detail(self) -> str:
        return self.parts.all()[-1].detail


async def test_every_event_is_written_to_the_account_log() -> None:
    account = Account()
    await account.sees(SCAN, LOGIN, LOGOUT)

    assert (account.log.events, account.lives) == ([SCAN, LOGIN, LOGOUT], 3)


async def test_login_lets_messages_out() -> None:
    account = Account()
    await account.sees(LOGIN)

    assert (account.link.sendable.is_set(), account.link.account_id, account.link.logged_in_at) == (True, "wxid_alice", NOON)
    assert account.detail == "logged in as Alice"


async def test_connection_alone_lets_nothing_out() -> None:
    account = Account()
    await account.sees()

    assert (account.link.is_connected, account.link.sendable.is_set()) == (True, False)


@pytest.mark.parametrize("event", [SCAN, LOGOUT])
async def test_scan_and_logout_hold_messages_back(event: AccountEvent) -> None:
    account = Account()
    await account.sees(LOGIN, event)

    assert (account.link.sendable.is_set(), account.link.logged_in_at) == (False, None)


async def test_newest_code_is_kept_while_it_waits_and_forgotten_at_the_login() -> None:
    account = Account()
    await account.sees(SCAN)
    waiting = account.link.scan_payload
    await account.sees(LOGIN)

    assert (waiting, account.link.scan_payload) == ("http://weixin.qq.com/x/1", "")


async def test_code_that_was_scanned_is_shown_no_more() -> None:
    account = Account()
    await account.sees(SCAN, replace(SCAN, scan_status=ScanStatus.SCANNED))

    assert account.link.scan_payload == ""


async def test_code_is_not_in_the_state_that_is_shown() -> None:
    account = Account()
    await account.sees(SCAN)

    assert (account.detail, account.parts.all()[-1].state) == ("waits for a login: Waiting", PartState.RUNNING)


async def test_later_login_starts_the_settling_time_anew() -> None:
    account = Account()
    await account.sees(LOGIN)
    await account.clock.advance(60)
    await account.sees(LOGIN)

    assert account.link.logged_in_at == NOON + timedelta(seconds=60)


async def test_allowed_account_is_let_in() -> None:
    account = Account(allowed="wxid_alice")
    await account.sees(LOGIN)

    assert account.link.sendable.is_set()


async def test_foreign_account_is_logged_out_and_the_owners_are_told() -> None:
    account = Account(allowed="wxid_somebody")
    await account.sees(LOGIN)

    [told] = account.store.outbox.deliveries
    assert (told.chat, told.output) == (
        PHONE,
        "Account wxid_alice logged in on wechat, but only wxid_somebody may. I am logging it out.",
    )
    assert (account.link.sendable.is_set(), account.link.logged_in_at, account.channel.logged_out) == (False, None, 1)


async def test_foreign_account_that_cannot_be_logged_out_is_still_not_obeyed() -> None:
    account = Account(allowed="wxid_somebody")
    account.channel.fails(ChannelUnavailableError("away"))
    # The connection ends with it, so that the next one tries again.
    with pytest.RaisesGroup(pytest.RaisesExc(ChannelUnavailableError, match="could not be logged out")):
        await account.sees(LOGIN)

    assert (account.link.sendable.is_set(), account.link.login.since_at) == (False, None)
