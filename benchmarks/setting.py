"""One daemon on one real gateway, with a log to tail."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from opsbot.core.account_record import starter_record
from opsbot.core.chat import AccountEvent, AccountEventKind, ScanStatus
from tests.peers.daemon import OpsbotDaemon
from tests.peers.gateway import Gateway

PEOPLE = tuple(f"person{number}" for number in range(12))
"""Who sends commands: one person alone would meet the rate limit."""
PAIR_KEY = "the-key-of-the-benchmark"
CONFIG = """
name: alice
state_dir: state
pair_key: ${{OPSBOT_PAIR_KEY}}
channels:
  wechat: {{kind: wechaty, endpoint: "{endpoint}", token: "${{WECHATY_TOKEN}}", tls: false}}
people:
  archy: {{roles: [owner], ids: {{wechat: wxid_archy}}}}
  bob: {{roles: [bot], ids: {{wechat: wxid_bob}}}}
{people}
sources:
  bob: {{path: bob.log}}
operations:
  rescue_bob: {{use: qr_rescue, source: bob, partner: bob@wechat, tell: [archy@wechat]}}
"""


@dataclass
class Setting:
    """What a benchmark works with."""

    gateway: Gateway
    daemon: OpsbotDaemon
    log: Path


@asynccontextmanager
async def one_daemon(directory: Path) -> AsyncIterator[Setting]:
    """Start a gateway and a daemon, and log the daemon's account in."""
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(Gateway(directory / "gateway"))
        for contact in ("wxid_archy", "wxid_alice", "wxid_bob", *(f"wxid_{person}" for person in PEOPLE)):
            await gateway.contact(contact, name=contact, friend=True)
        config = directory / "config.yaml"
        people = "\n".join(f"  {person}: {{roles: [owner], ids: {{wechat: wxid_{person}}}}}" for person in PEOPLE)
        config.write_text(CONFIG.format(endpoint=gateway.end_point, people=people))
        log = directory / "bob.log"
        log.touch()
        await gateway.login("wxid_alice")
        daemon = OpsbotDaemon(config, {"WECHATY_TOKEN": gateway.token, "OPSBOT_PAIR_KEY": PAIR_KEY}, log_level="info")
        await stack.enter_async_context(daemon)
        await daemon.wait_logged(lambda line: line.get("event") == "account logged in")
        yield Setting(gateway, daemon, log)


def scan_line(payload: str) -> str:
    """Write a scan record as the partner's daemon writes it, signed."""
    now = datetime.now(UTC)
    event = AccountEvent(kind=AccountEventKind.SCAN, at=now, scan_status=ScanStatus.WAITING, payload=payload)
    return starter_record(event, name="bob", pair_key=PAIR_KEY, at_ms=int(now.timestamp() * 1000))
