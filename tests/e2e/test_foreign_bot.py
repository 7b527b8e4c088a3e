"""The normal case: the partner is an unmodified npm bot under a real pm2, whose logs a real pm2-logrotate copies and truncates.

The bot's account lives in a mock puppet inside the bot, which no gateway reaches; `Courier` stands in for WeChat between the two.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.foreign import PING, rescuing
from tests.e2e.pair import ARCHY, PAYLOADS, Side, is_picture_of
from tests.peers.pm2 import Pm2
from tests.peers.starter import SCRIPT, Starter, StarterRefusedError

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

ROTATES_AT = "1K"
CHATTER = "".join(f"a line that has nothing to say, number {number}\n" for number in range(60))
STATE = "as far as its log says"
ROTATED_WITHIN_S = 30.0


@dataclass
class Foreign:
    """One bot under pm2, and what alice does about it."""

    alice: Side
    bot: Starter
    logs: Path

    @property
    def key(self) -> str:
        return self.bot.account.removeprefix("wxid_")

    @property
    def partner(self) -> str:
        return f"{self.key}@wechat"

    async def is_in(self) -> None:
        """Log the bot in, if it is not, and wait until alice knows."""
        with suppress(StarterRefusedError):
            await self.bot.login()
            await self.alice.tells(f"^{PING}$", self.bot.account)  # then its answer is waited for below
        await self.alice.answers(rf"^{self.partner} is logged in.*{STATE}\.$", f"rescue_{self.key} status")
        await self.alice.gateway.clear_sent()

    async def rotates(self) -> None:
        """Let the bot talk until pm2-logrotate has taken its log away once more."""
        before = await self._rotated()
        async with asyncio.timeout(ROTATED_WITHIN_S):
            while await self._rotated() == before:
                await self.bot.prints(CHATTER)
                await asyncio.sleep(0.3)  # it looks once a second

    async def _rotated(self) -> int:
        return len(await asyncio.to_thread(lambda: list(self.logs.glob(f"{self.key}-out__*.log"))))

    async def pictures(self) -> list[str]:
        return await self.alice.pictures()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def all_bots(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Foreign]]:
    directory = tmp_path_factory.mktemp("pm2")
    logs = directory / "home" / "logs"
    async with AsyncExitStack() as stack:
        pm2 = await stack.enter_async_context(Pm2(directory / "home"))
        await pm2.install_logrotate(max_size=ROTATES_AT)
        bots = {
            name: await stack.enter_async_context(Starter(directory / f"{name}.json", f"wxid_{name}", name.title()))
            for name in ("plain", "stamped")
        }
        for name, bot in bots.items():
            await pm2.start(SCRIPT, name, time=name == "stamped", env=bot.env)
        for bot in bots.values():
            await bot.wait_up()
        watched = {logs / f"{name}-out.log": bot for name, bot in bots.items()}
        alice = await stack.enter_async_context(rescuing(directory / "alice", watched))
        yield {name: Foreign(alice, bot, logs) for name, bot in bots.items()}


@pytest_asyncio.fixture(loop_scope="module", params=["plain", "stamped"])
async def foreign(all_bots: dict[str, Foreign], request: pytest.FixtureRequest) -> Foreign:
    it = all_bots[request.param]
    await it.is_in()
    return it


async def test_foreign_bot_is_rescued_through_rotations_of_its_log(foreign: Foreign) -> None:
    first, second = next(PAYLOADS), next(PAYLOADS)
    alice = foreign.alice
    await foreign.bot.logout()
    out = await alice.tells(f"^{foreign.partner}: is out")
    await foreign.rotates()
    await foreign.bot.scan(first)
    await alice.gateway.wait_sent(is_picture_of(first, ARCHY))
    await foreign.rotates()
    await foreign.bot.scan(second)
    await alice.gateway.wait_sent(is_picture_of(second, ARCHY))
    await foreign.rotates()
    await foreign.bot.login()
    back = await alice.tells(rf"^{foreign.partner}: is back\.$", after=out.seq)
    test = await alice.tells(f"^{PING}$", foreign.bot.account, after=out.seq)
    await alice.answers(rf"^{foreign.partner} is logged in.*{STATE}\.$", f"rescue_{foreign.key} status")

    assert await foreign.pictures() == [first, second]
    assert test.seq < back.seq  # nobody signed the login: it is believed once its test is answered
    assert await foreign.bot.said()


async def test_code_of_a_foreign_bot_is_held_back_until_a_ping_stays_unanswered(foreign: Foreign) -> None:
    payload = next(PAYLOADS)
    await foreign.bot.logout()
    await foreign.bot.scan(payload)
    picture = await foreign.alice.gateway.wait_sent(is_picture_of(payload, ARCHY))
    ping = await foreign.alice.tells(f"^{PING}$", foreign.bot.account)

    assert ping.seq < picture.seq
