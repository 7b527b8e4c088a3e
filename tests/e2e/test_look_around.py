"""`opsbot contacts` and `opsbot doctor` against a real gateway, as a user runs them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.peers.gateway import Gateway

pytestmark = [pytest.mark.e2e, pytest.mark.real]

CONFIG = """
name: alice
state_dir: state
channels:
  wechat: {{kind: wechaty, endpoint: "{endpoint}", token: "${{WECHATY_TOKEN}}", tls: false}}
sources:
  bob: {{path: bob.log}}
"""


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with Gateway(tmp_path / "gateway") as running:
        await running.contact("wxid_bob", name="Bob", weixin="bob_1990", friend=True)
        await running.room("ops@chatroom", topic="OPS", members=["wxid_bob"])
        await running.login("wxid_alice")
        yield running


async def opsbot(  # the token guards a loopback port of a test
    folder: Path,
    gateway: Gateway,
    *argv: str,
    token: str = "gateway-token",  # noqa: S107
) -> tuple[int, str]:
    """Run a command to its end; gives its status and all that it printed."""
    config = folder / "config.yaml"
    await asyncio.to_thread(config.write_text, CONFIG.format(endpoint=gateway.end_point))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "opsbot", *argv, "-c", str(config)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "WECHATY_TOKEN": token},
    )
    async with asyncio.timeout(60):
        stdout, _ = await process.communicate()
    return process.returncode or 0, stdout.decode()


async def test_contacts_lists_ids_handles_and_names(gateway: Gateway, tmp_path: Path) -> None:
    status, printed = await opsbot(tmp_path, gateway, "contacts")

    lines = printed.splitlines()
    assert status == 0
    assert "wechat\tperson\twxid_bob\tbob_1990\tBob" in lines
    assert "wechat\troom\tops@chatroom\t\tOPS" in lines


async def test_contacts_of_a_gateway_that_is_down_is_one_line_with_the_mend(gateway: Gateway, tmp_path: Path) -> None:
    await gateway.kill()
    status, printed = await opsbot(tmp_path, gateway, "contacts")

    assert status == 1
    assert "is not running or not reachable" in printed
    assert "Traceback" not in printed


async def test_doctor_says_how_each_part_of_the_machine_does(gateway: Gateway, tmp_path: Path) -> None:
    status, printed = await opsbot(tmp_path, gateway, "doctor")

    assert status == 0
    assert "gateway.wechat: reachable, and nobody else takes it away" in printed
    assert {line.split()[1].rstrip(":") for line in printed.splitlines()} >= {"clock", "state.dir", "source.bob", "program.node"}


async def test_doctor_names_a_wrong_token_without_showing_it(gateway: Gateway, tmp_path: Path) -> None:
    status, printed = await opsbot(tmp_path, gateway, "doctor", token="a-wrong-token")

    assert status == 1
    assert "refuses the token" in printed
    assert "a-wrong-token" not in printed
