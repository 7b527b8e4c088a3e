"""Two daemons, alice and bob, each on its own real gateway, and the pm2 that `restart` is about."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.peers.daemon import OpsbotDaemon
from tests.peers.gateway import Gateway, Sent
from tests.peers.pm2 import Pm2
from tests.peers.qr import read_qr

PAYLOADS = (f"http://weixin.qq.com/x/Rescue{number:04}" for number in itertools.count(1))
PAIR_KEY = "a-key-that-only-the-pair-knows"
TOKEN = "gateway-token"
OTHER = {"alice": "bob", "bob": "alice"}
ARCHY, EVE, ROOM = "wxid_archy", "wxid_eve", "ops@chatroom"
CONTACTS = ((ARCHY, "Archy"), ("wxid_alice", "Alice"), ("wxid_bob", "Bob"), (EVE, "Archy"), ("wxid_stranger", "Stranger"))
"""Eve bears the owner's name, and is somebody else."""
WATCHERS = [f"wxid_watcher{number}" for number in range(8)]
"""They ask how things stand, in turns: a single person who asks as often as tests do is told to wait."""
ASKERS = itertools.cycle(WATCHERS)
SETTLED_S = 1.1
"""A little more than a login takes to settle, by the daemon's own clock."""
MARKERS = itertools.count(1)
ASK_AGAIN_S = 3.0
WRITTEN_WITHIN_S = 15.0
WAITING = 2
OPERATIONS = Path(__file__).parent / "operations"


@dataclass(frozen=True)
class Plan:
    """What a test changes about the two: YAML that is put in at its place, indented as it stands there."""

    scene_extra: str = ""
    extra: str = ""
    channels: str = ""
    archy_ids: str = ""
    bot_roles: str = "bot"
    signed: bool = True


def config_text(name: str, gateway: Gateway, pm2_home: str, plan: Plan) -> str:
    """Write the configuration of one of the two."""
    other = OTHER[name]
    pair_key = "pair_key: ${OPSBOT_PAIR_KEY}" if plan.signed else ""
    pm2 = f"pm2_home: {pm2_home}" if pm2_home else ""
    return f"""
name: {name}
state_dir: state/{name}
{pair_key}
log: {{file: logs/{name}.log}}
channels:
  wechat:
    kind: wechaty
    endpoint: {gateway.end_point}
    token: ${{WECHATY_TOKEN}}
    tls: false
    account: wxid_{name}
{plan.channels}
people:
  archy: {{roles: [owner], ids: {{wechat: {ARCHY}{plan.archy_ids}}}}}
  {other}: {{roles: [{plan.bot_roles}], ids: {{wechat: wxid_{other}}}}}
{watchers_text([f"rescue_{other}"])}
rooms:
  OPS: {{wechat: "{ROOM}"}}
sources:
  {other}: {{path: logs/{other}.log}}
operation_dirs: [{OPERATIONS}]
operations:
  rescue_{other}:
    use: qr_rescue
    source: {other}
    partner: {other}@wechat
    tell: [{other}@wechat, archy@wechat]
    login_test: "#ping"
{plan.scene_extra}
  restart_{other}:
    use: pm2_restart
    process: worker
    watch_s: 1
    {pm2}
  marker:
    use: marker
    source: {other}
    tell: [archy@wechat]
{plan.extra}
"""


def watchers_text(scenes: Iterable[str]) -> str:
    """Write the watchers, the last of `people:`, and their role."""
    people = "".join(f"  {who.removeprefix('wxid_')}: {{roles: [watcher], ids: {{wechat: {who}}}}}\n" for who in WATCHERS)
    grants = ", ".join(f"{{scene: {scene}}}" for scene in scenes)
    return f"{people}roles:\n  watcher: {{grants: [{grants}]}}"


@dataclass
class Side:
    """One of the two: its gateway and its daemon."""

    name: str
    gateway: Gateway
    daemon: OpsbotDaemon

    @property
    def account(self) -> str:
        return f"wxid_{self.name}"

    @property
    def log_file(self) -> Path:
        """Where this one's account is written about, for the other to read."""
        return self.daemon.config.parent / "logs" / f"{self.name}.log"

    @property
    def database(self) -> Path:
        return self.daemon.config.parent / "state" / self.name / "opsbot.db"

    async def prepare(self) -> None:
        """Tell the gateway who there is."""
        await self.gateway.start()
        known = [*CONTACTS, *((watcher, "Watcher") for watcher in WATCHERS)]
        await self.gateway.contacts([{"id": contact, "name": shown, "friend": True} for contact, shown in known])
        await self.gateway.room(ROOM, topic="OPS", members=["wxid_alice", "wxid_bob", ARCHY, EVE, "wxid_stranger"])

    async def log_in(self) -> None:
        """Log the account in and wait until the daemon obeys."""
        after = len(self.daemon.log)
        await self.gateway.login(self.account)
        await self.settle(after)

    async def settle(self, after: int) -> None:
        """Wait until the daemon has noticed a login that came after so many lines of its log, and obeys."""
        await self.daemon.wait_logged(lambda line: line.get("event") == "account logged in", after=after)
        await asyncio.sleep(SETTLED_S)

    async def reads(self) -> None:
        """Wait until the daemon reads the other one's log: what was written before its first look is history."""
        await self.daemon.wait_logged(lambda line: line.get("event") == "part running" and line.get("kind") == "source")

    async def restart_daemon(self) -> None:
        """Stop the daemon in order and start it again, until it obeys."""
        await self.daemon.stop()
        await self.start_daemon()

    async def start_daemon(self) -> None:
        """Start the daemon at an account that is logged in, until it obeys."""
        after = len(self.daemon.log)
        await self.daemon.start()
        await self.settle(after)

    async def scans(self, payload: str, status: int = WAITING) -> None:
        """Let the gateway show a code, and wait until the daemon has written of it."""
        await self._written(self.gateway.scan(payload, status))

    async def falls_out(self) -> None:
        """Log the account out, and wait until the daemon has written of it."""
        await self._written(self.gateway.logout())

    async def _written(self, act: Awaitable[None]) -> None:
        before = await asyncio.to_thread(_size, self.log_file)
        await act
        async with asyncio.timeout(WRITTEN_WITHIN_S):
            while await asyncio.to_thread(_size, self.log_file) <= before:  # noqa: ASYNC110 - a file of another process
                await asyncio.sleep(0.01)

    async def last_seq(self) -> int:
        """Give the number of what was sent last."""
        return max((sent.seq for sent in await self.gateway.sent()), default=0)

    async def obeys(self, sender: str, text: str, *, timeout_s: float = 15.0) -> Sent:
        """Send a command and give the first answer to its sender."""
        after = await self.last_seq()
        await self.gateway.message(sender, text)
        return await self.gateway.wait_sent(lambda sent: sent.contact_id == sender, timeout_s, after=after)

    async def answers(self, wanted: str, text: str, sender: str = "", *, timeout_s: float = 20.0) -> Sent:
        """Let somebody send a command, again while the daemon settles, until an answer has a pattern in it."""
        said: list[str | None] = []
        after = await self.last_seq()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while True:
                    asker = sender or next(ASKERS)
                    await self.gateway.message(asker, text)
                    with suppress(TimeoutError):
                        answer = await self.gateway.wait_sent(_text_to(asker, ""), ASK_AGAIN_S, after=after)
                        if re.search(wanted, answer.text or ""):
                            return answer
                        after = answer.seq
                        said.append(answer.text)
                    await asyncio.sleep(0.1)
        raise TimeoutError(f"{text!r} was answered with {said}\n{self.daemon.log[-10:]}")

    async def tells(self, wanted: str, to: str = ARCHY, *, after: int = 0, timeout_s: float = 20.0) -> Sent:
        """Wait for a text to somebody in which a pattern is found."""
        return await self.gateway.wait_sent(_text_to(to, wanted), timeout_s, after=after)

    async def pictures(self, to: str = ARCHY) -> list[str]:
        """Give what an independent reader finds in the pictures that somebody was sent, in order."""
        return [read_qr(sent.file.content) for sent in await self.gateway.sent() if sent.contact_id == to and sent.file]

    async def texts(self, to: str = ARCHY) -> list[str]:
        """Give the texts that somebody was sent, in order."""
        return [sent.text for sent in await self.gateway.sent() if sent.contact_id == to and sent.text]


@dataclass
class Pair:
    """Both sides."""

    alice: Side
    bob: Side
    pm2: Pm2
    directory: Path

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.alice, self.bob

    async def tidy(self) -> None:
        """Bring both back to where a test begins: running, logged in, told so, rescuing, and nothing sent yet."""
        for side in self.sides:
            await side.gateway.start()
            await side.gateway.fail(0)
            await side.gateway.delay(0)
            for contact, _ in CONTACTS:
                await side.gateway.contact(contact, friend=True)
            await self._bring_back(side)
        await self.marks()
        for side in self.sides:
            await side.answers(r"as far as its log says\.$", f"rescue_{OTHER[side.name]} rescue on")
        for side in self.sides:
            await side.gateway.clear_sent()

    async def _bring_back(self, side: Side) -> None:
        login = (await side.gateway.state()).login
        if login not in (None, side.account):
            await side.gateway.logout()
        if not side.daemon.is_running:
            await side.daemon.start()
        if login != side.account:
            await side.log_in()

    async def marks(self) -> None:
        """Write a line to bob's log and wait until alice has said it again: whatever stood before it was read and told."""
        text = f"marker {next(MARKERS)}"
        await write_line(self.bob.log_file, text)
        await self.alice.tells(f"^{text}$")


async def write_line(log: Path, *lines: str) -> None:
    """Append lines to a log as whoever may write to it could."""

    def append() -> None:
        with log.open("ab") as file:
            file.write("".join(f"{line}\n" for line in lines).encode())

    await asyncio.to_thread(append)


@asynccontextmanager
async def paired(directory: Path, plan: Plan | None = None, *, env: Mapping[str, str] | None = None) -> AsyncIterator[Pair]:
    """Start both gateways, both daemons and pm2's home; both accounts are logged in and settled."""
    await asyncio.to_thread(furnish, directory)
    places = {"HOME": str(directory / "home"), "TMPDIR": str(directory / "tmp")}
    known = {"WECHATY_TOKEN": TOKEN, "OPSBOT_PAIR_KEY": PAIR_KEY, **places, **(env or {})}
    async with AsyncExitStack() as stack:
        pm2 = await stack.enter_async_context(Pm2(directory / "pm2"))
        gateways = {name: Gateway(directory / f"gateway-{name}", token=TOKEN) for name in OTHER}
        sides = {
            name: Side(name, gateway, OpsbotDaemon(directory / f"{name}.yaml", {**pm2.environment, **known}))
            for name, gateway in gateways.items()
        }
        both = Pair(sides["alice"], sides["bob"], pm2, directory)
        for side in both.sides:
            stack.push_async_exit(side.gateway)
        await _all(side.prepare for side in both.sides)
        for side in both.sides:
            text = config_text(side.name, side.gateway, str(pm2.home), plan or Plan())
            await asyncio.to_thread(write_private, side.daemon.config, text)
            await side.gateway.wire(f"wxid_{OTHER[side.name]}", gateways[OTHER[side.name]])
        for side in both.sides:
            stack.push_async_exit(side.daemon)
        await _all(side.daemon.start for side in both.sides)
        await _all(side.reads for side in both.sides)
        await _all(side.log_in for side in both.sides)
        for side in both.sides:  # each tests the login of the other one: what follows is not to be met by that
            await side.tells("^#ping$", f"wxid_{OTHER[side.name]}")
        yield both


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def write_private(path: Path, text: str) -> None:
    """Write a configuration that may hold secrets."""
    path.touch(mode=0o600)
    path.write_text(text)


def furnish(directory: Path) -> None:
    """Make the folders of a deployment."""
    for name in ("logs", "home", "tmp"):
        (directory / name).mkdir(parents=True)


async def _all(steps: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Take steps side by side: starting two of everything one after the other takes twice as long."""
    async with asyncio.TaskGroup() as group:
        for step in steps:
            group.create_task(_step(step))


async def _step(step: Callable[[], Awaitable[None]]) -> None:
    await step()


def _text_to(to: str, wanted: str) -> Callable[[Sent], bool]:
    return lambda sent: sent.contact_id == to and sent.text is not None and re.search(wanted, sent.text) is not None


def is_picture_of(payload: str, to: str) -> "PictureOf":
    """Make the condition: a picture, sent to a contact, that an independent reader decodes to the payload."""
    return PictureOf(payload, to)


@dataclass(frozen=True)
class PictureOf:
    """A condition on what a gateway sent."""

    payload: str
    to: str

    def __call__(self, sent: Sent) -> bool:
        return sent.contact_id == self.to and sent.file is not None and read_qr(sent.file.content) == self.payload
