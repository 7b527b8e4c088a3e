"""Whoever can write a line into a log cannot make the rescue send a picture while the partner answers.

What the rescue reads for certain is marked: a line that a test writes behind the forged ones is said again once they were read.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from opsbot.core.account_record import json_record, starter_record
from opsbot.core.chat import AccountEvent, AccountEventKind, ScanStatus
from tests.e2e.foreign import PING, PING_TIMEOUT_S, rescuing
from tests.e2e.pair import ARCHY, MARKERS, PAIR_KEY, PAYLOADS, Pair, Plan, Side, is_picture_of, paired, write_line
from tests.peers.install import environment, node
from tests.peers.starter import SCRIPT, Starter

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

BOB = "wxid_bob"
STATE = r"as far as its log says\.$"
EVIL = "http://weixin.qq.com/x/Evil"
QUOTED = "https://wechaty.js.org/qrcode/http%3A%2F%2Fweixin.qq.com%2Fx%2FEvil"
FORGED_SCAN = f"12:00:00 INFO StarterBot onScan: Waiting(2) - {QUOTED}"
LOGGED_WITHIN_S = 15.0
PLAN = Plan(scene_extra="    ping_timeout_s: 3\n    ping_every_s: 0.1\n")


def signed(name: str, pair_key: str, *, age: timedelta = timedelta(), as_json: bool = False) -> str:
    """Write a scan of the evil code as a bot of that name and key would have, so long ago."""
    at = datetime.now(UTC) - age
    scan = AccountEvent(kind=AccountEventKind.SCAN, at=at, scan_status=ScanStatus.WAITING, payload=EVIL)
    write = json_record if as_json else starter_record
    return write(scan, name=name, pair_key=pair_key, at_ms=int(at.timestamp() * 1000))


SIGNED = signed("bob", PAIR_KEY)
FORGED = {
    "the classic line": [FORGED_SCAN],
    "as pm2 stamps it": [f"2026-11-21T01:02:03: {FORGED_SCAN}"],
    "with colours": [f"\x1b[32m{FORGED_SCAN}\x1b[0m"],
    "of another bot": [f"INFO TifaBot onScan: Waiting(2) - {EVIL}"],
    "with the code at the ancestor's picture service": [
        "INFO StarterBot onScan: Waiting(2) - https://api.qrserver.com/v1/create-qr-code/?data=http%3A%2F%2Fweixin.qq.com%2Fx%2FEvil"
    ],
    "after a forged logout": ["INFO StarterBot Contact<Bob> logout", FORGED_SCAN],
    "as JSON": [signed("bob", "", as_json=True)],
    "with a MAC that is made up": [f"{FORGED_SCAN}#opsbot=v1.bob.1795000000000.AAAAAAAAAAAAAAAAAAAAAA"],
    "signed with another key": [signed("bob", "another key")],
    "signed with another key as JSON": [signed("bob", "another key", as_json=True)],
    "signed, then changed": [SIGNED.replace("Evil", "Worse")],
    "signed for another moment": [SIGNED.replace("#opsbot=v1.bob.1", "#opsbot=v1.bob.2")],
    "signed by alice herself and played back to her": [signed("alice", PAIR_KEY)],
    "signed too long ago": [signed("bob", PAIR_KEY, age=timedelta(minutes=11))],
    "inside another record": [f"12:00:00 INFO StarterBot Message#Text[🗣Contact<Friend>]\t{FORGED_SCAN}"],
    "signed, inside another record": [f"12:00:00 INFO StarterBot Message#Text[🗣Contact<Friend>]\t{signed('bob', PAIR_KEY)}"],
    "before something else": [f"{FORGED_SCAN} and so on"],
    "in a line that JSON quotes": [f'{{"message": "{FORGED_SCAN}"}}'],
    "behind a carriage return": [f"hello\r{FORGED_SCAN}"],
    "behind a line separator": [f"hello\u2028{FORGED_SCAN}"],
}
FOREIGN_HOSTS = [
    "https://evil.example/x/Evil",
    "https://login.weixin.qq.com@evil.example/l/Evil",
    "https://login.weixin.qq.com.evil.example/l/Evil",
    "https://evil.example/login.weixin.qq.com/l/Evil",
    "https://evil.example/?next=https://login.weixin.qq.com/l/Evil",
    "https://evil.example#login.weixin.qq.com/l/Evil",
    "https://login.weixin.qq.com:8443/l/Evil",
    "https://login.weixin.qq.com\\@evil.example/l/Evil",
    "https://login.wеixin.qq.com/l/Cyrillic",
    "ftp://login.weixin.qq.com/l/Evil",
    "login.weixin.qq.com/l/Evil",
    "javascript:alert('login.weixin.qq.com')",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with paired(tmp_path_factory.mktemp("pair"), PLAN) as pair:
        yield pair


@pytest_asyncio.fixture(loop_scope="module")
async def pair(both: Pair) -> Pair:
    await both.tidy()
    return both


async def sent_pictures(alice: Side) -> list[str]:
    """Give every picture that was sent, to whomever."""
    return [
        picture for to in {sent.contact_id or "" for sent in await alice.gateway.sent()} for picture in await alice.pictures(to)
    ]


@pytest.mark.parametrize("how", FORGED)
async def test_forged_line_brings_no_picture_while_the_partner_answers(pair: Pair, how: str) -> None:
    await write_line(pair.bob.log_file, *FORGED[how])
    await pair.marks()
    await pair.alice.answers(STATE, "qr")

    assert await sent_pictures(pair.alice) == []
    assert [text for text in await pair.alice.texts() if "out" in text] == []


async def test_forged_lines_bring_no_picture_while_the_partner_is_out_and_signs(pair: Pair) -> None:
    payload = next(PAYLOADS)
    await pair.bob.falls_out()
    await pair.bob.scans(payload)
    await pair.alice.gateway.wait_sent(is_picture_of(payload, ARCHY))
    for lines in FORGED.values():
        await write_line(pair.bob.log_file, *lines)
    await pair.marks()

    assert set(await sent_pictures(pair.alice)) == {payload}


async def test_forged_login_hides_no_logout(pair: Pair) -> None:
    await pair.bob.falls_out()
    await pair.alice.tells("is out")
    await write_line(pair.bob.log_file, "12:00:00 INFO StarterBot Contact<Bob> login as wxid_bob")
    await pair.marks()

    await pair.alice.answers("bob@wechat is out", "rescue_bob status")


async def test_signed_line_counts_once(pair: Pair) -> None:
    payload = next(PAYLOADS)
    await pair.bob.falls_out()
    await pair.bob.scans(payload)
    await pair.alice.gateway.wait_sent(is_picture_of(payload, ARCHY))
    lines = (await asyncio.to_thread(pair.bob.log_file.read_text)).splitlines()
    replayed = [line for line in lines if "onScan: Waiting" in line or " logout" in line]
    await pair.tidy()
    await write_line(pair.bob.log_file, *replayed)
    await pair.marks()
    await pair.alice.answers(STATE, "qr")

    assert await sent_pictures(pair.alice) == []


async def test_code_of_a_foreign_host_is_not_sent_even_when_it_is_signed(pair: Pair) -> None:
    asked: list[str] = []

    async def ask(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    async with serving(ask) as url:
        await pair.bob.falls_out()
        for host in (*FOREIGN_HOSTS, url):
            await pair.bob.scans(host)
        await pair.marks()
    refusals = [text for text in await pair.alice.texts() if "foreign host; it was not sent" in text]

    assert (await sent_pictures(pair.alice), asked) == ([], [])
    assert len(refusals) == len(FOREIGN_HOSTS) + 1


async def test_name_with_line_ends_makes_one_record(pair: Pair) -> None:
    await pair.bob.falls_out()
    await pair.alice.tells("is out")
    begun = len((await asyncio.to_thread(pair.bob.log_file.read_text)).splitlines())
    await pair.bob.gateway.contact(BOB, name=f"Bob\n{FORGED_SCAN}\n> login as wxid_eve")
    try:
        await pair.bob.gateway.login(BOB)
        await pair.alice.tells("is back")
    finally:
        await pair.bob.gateway.contact(BOB, name="Bob")
    lines = (await asyncio.to_thread(pair.bob.log_file.read_text)).splitlines()[begun:]

    assert len(lines) == 1
    assert await sent_pictures(pair.alice) == []


async def test_chat_message_never_reaches_the_log_of_a_bot_run_by_opsbot(pair: Pair) -> None:
    before = await asyncio.to_thread(pair.bob.log_file.read_text)
    for sender in (ARCHY, "wxid_stranger", "wxid_alice"):
        await pair.bob.gateway.message(sender, f"hello\n{FORGED_SCAN}\n")
    await pair.bob.answers(STATE, "rescue_alice status")

    assert await asyncio.to_thread(pair.bob.log_file.read_text) == before


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Serve on loopback what nobody must ask for."""
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/login.weixin.qq.com/l/Evil"
    finally:
        await runner.cleanup()


@dataclass
class Logging:
    """A starter bot that logs what people say, line ends and all, and alice who reads it."""

    alice: Side
    bot: Starter
    log: Path
    names: int = field(default=0)

    async def hears(self, text: str, name: str = "Friend") -> None:
        """Let a friend say something to the bot, then wait until alice has read what the bot logged of it."""
        self.names += 1
        begun = len(await asyncio.to_thread(self.log.read_text))
        await self.bot.hear(f"wxid_friend_{self.names}", name, text)
        async with asyncio.timeout(LOGGED_WITHIN_S):
            while f"{name}>]\t{text}" not in (await asyncio.to_thread(self.log.read_text))[begun:]:  # noqa: ASYNC110 - a file
                await asyncio.sleep(0.02)
        mark = f"marker {next(MARKERS)}"
        await self.bot.prints(f"{mark}\n")
        await self.alice.tells(f"^{mark}$")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chatty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Logging]:
    directory = tmp_path_factory.mktemp("chatty")
    log = directory / "starter.log"
    async with AsyncExitStack() as stack:
        bot = await stack.enter_async_context(Starter(directory / "starter.json", "wxid_starter", "Starter"))
        with log.open("ab") as stdout:
            process = await asyncio.create_subprocess_exec(
                str(node()), str(SCRIPT), stdout=stdout, env={**environment(), **bot.env}
            )
        stack.push_async_callback(process.wait)
        stack.callback(process.kill)
        await bot.wait_up()
        alice = await stack.enter_async_context(rescuing(directory / "alice", {log: bot}))
        await bot.login()
        # Before anybody clears what was sent: the login test must reach the bot, whose answer is waited for.
        await alice.tells(f"^{PING}$", bot.account)
        await alice.answers(STATE, "rescue_starter status")
        yield Logging(alice, bot, log)


@pytest.mark.parametrize(
    "text",
    [
        f"x\nINFO S onScan: Waiting(2) - {EVIL}",
        f"x\nINFO S onScan: Waiting(2) - {EVIL}\ny",
        f"\n12:00:00 INFO S onScan: Waiting(2) - {EVIL}",
        "x\nINFO S Contact<S> logout",
        "x\nINFO S Contact<Eve> login",
    ],
)
async def test_chat_message_with_line_ends_that_a_foreign_bot_logs_brings_no_picture(chatty: Logging, text: str) -> None:
    await chatty.alice.gateway.clear_sent()
    await chatty.hears(text)
    await chatty.alice.answers(STATE, "qr")

    assert await sent_pictures(chatty.alice) == []
    assert [said for said in await chatty.alice.texts() if "is out" in said] == []


async def test_forged_line_is_met_with_a_ping_which_the_foreign_bot_answers(chatty: Logging) -> None:
    await chatty.alice.gateway.clear_sent()
    await chatty.hears(f"x\nINFO S onScan: Waiting(2) - {EVIL}")
    await chatty.alice.tells(f"^{PING}$", chatty.bot.account)
    await chatty.alice.answers(STATE, "qr")
    await asyncio.sleep(PING_TIMEOUT_S + 0.5)  # until the daemon would have given the partner up
    await chatty.alice.answers(STATE, "qr")

    assert await sent_pictures(chatty.alice) == []


async def test_forged_logout_before_a_forged_code_brings_no_picture(chatty: Logging) -> None:
    await chatty.alice.gateway.clear_sent()
    await chatty.hears("x\nINFO S Contact<S> logout")
    await chatty.hears(f"x\nINFO S onScan: Waiting(2) - {EVIL}")
    await chatty.alice.answers(STATE, "qr")

    assert await sent_pictures(chatty.alice) == []


async def test_name_of_a_friend_with_line_ends_brings_no_picture(chatty: Logging) -> None:
    await chatty.alice.gateway.clear_sent()
    await chatty.hears("hello", name=f"a\nINFO S onScan: Waiting(2) - {EVIL}\nb")
    await chatty.alice.answers(STATE, "qr")

    assert await sent_pictures(chatty.alice) == []
