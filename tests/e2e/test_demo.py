"""The demo as a newcomer meets it: one command, one page, bob falls out and comes back. Real daemons, a real browser."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
import pytest

from tests.peers.browser import CHROMIUM, Browser, Page

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.real,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is missing: apt-get install chromium"),
]

READY_WITHIN_S = 25.0
SEEN_WITHIN_S = 15.0
END_WITHIN_S = 8.0
POSTED_WITHIN_S = 3.0  # well below one second where the machine does nothing else; the benchmarks measure it
DESKTOP = (1360, 850)
PHONE = (390, 844)
BRIEF = "import asyncio,pathlib,sys; from opsbot.demo import run_demo; "
BRIEF += "asyncio.run(run_demo(None, pathlib.Path(sys.argv[1]), False, code_life_s=2.0))"
SHOTS = os.environ.get("OPSBOT_SHOTS", "")


@dataclass
class Demo:
    """A demo that runs: its page, and its API with the token."""

    url: str
    process: asyncio.subprocess.Process
    session: aiohttp.ClientSession

    async def state(self) -> dict[str, Any]:
        async with self.session.get("/api/state") as response:
            return dict(await response.json())

    async def pictures(self, account: str) -> list[str]:
        """Give what is inside the codes on an account's phone, as an independent reader reads them."""
        letters = (await self.state())["phones"][account]
        return [await self._payload(letter["id"]) for letter in letters if letter["attachment"]]

    async def _payload(self, message_id: str) -> str:
        async with self.session.get(f"/api/files/{message_id}") as response:
            picture = cv2.imdecode(np.frombuffer(await response.read(), np.uint8), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        return str(cv2.QRCodeDetectorAruco().detectAndDecode(picture)[0])

    async def post(self, path: str, body: object = None) -> None:
        async with self.session.post(path, json=body) as response:
            assert response.ok, await response.text()

    async def until(self, holds: Any) -> Any:
        """Follow the state until something holds."""
        seq = 0
        async with asyncio.timeout(SEEN_WITHIN_S):
            while not (value := holds(await self.state())):
                async with self.session.get(f"/api/state?after={seq}&wait_s=0.2") as response:
                    seq = (await response.json())["seq"]
        return value


@asynccontextmanager
async def running(directory: Path, *argv: str) -> AsyncIterator[Demo]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        url = ""
        async with asyncio.timeout(READY_WITHIN_S):
            while not url:
                line = await process.stdout.readline()
                assert line, await _why_it_ended(process, directory)
                found = re.search(rb"http://\S+", line)
                url = found.group().decode() if found else ""
        origin, _, token = url.partition("/#token=")
        async with aiohttp.ClientSession(origin, headers={"Authorization": f"Bearer {token}"}) as session:
            yield Demo(url, process, session)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(END_WITHIN_S):
                await process.communicate()


async def _why_it_ended(process: asyncio.subprocess.Process, directory: Path) -> str:
    _, errors = await process.communicate()
    return f"{errors.decode()} (see {directory})"


def n_pictures(state: dict[str, Any], account: str = "bob") -> int:
    return sum(bool(letter["attachment"]) for letter in state["phones"][account])


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running(tmp_path, "-m", "opsbot", "demo", "--state-dir", str(tmp_path)) as demo:
        yield demo


class Visitor:
    """Somebody at the demo's page, with a keyboard and without a mouse."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self._name = name
        self._shots = 0

    async def look(self) -> None:
        """Keep what the page looks like now, when somebody wants to see it."""
        if SHOTS:
            self._shots += 1
            await self.page.shoot(Path(SHOTS) / f"{self._name}-{self._shots}.png")

    async def go_to(self, selector: str) -> None:
        """Press Tab until something has the focus."""
        for _ in range(40):
            if await self.page.js(f"document.activeElement?.matches({json.dumps(selector)}) ?? false"):
                return
            await self.page.press("Tab")
        raise AssertionError(f"the keyboard does not reach {selector}")

    async def press(self, selector: str) -> None:
        await self.go_to(selector)
        await self.page.press("Enter")

    async def in_frame(self, name: str, expression: str) -> Any:
        """Evaluate in a daemon's own page until it gives something."""
        async with asyncio.timeout(SEEN_WITHIN_S):
            while True:
                if value := await self._once_in_frame(name, expression):
                    return value
                await asyncio.sleep(0.05)

    async def _once_in_frame(self, name: str, expression: str) -> Any:
        tree = await self.page.call("Page.getFrameTree")
        panes = await self.page.js("[...document.querySelectorAll('iframe')].map((one) => one.closest('section').id)")
        frame = tree["frameTree"]["childFrames"][panes.index(f"pane-{name}")]["frame"]["id"]
        world = await self.page.call("Page.createIsolatedWorld", {"frameId": frame, "worldName": "visitor"})
        what = {"contextId": world["executionContextId"], "awaitPromise": True, "returnByValue": True}
        try:
            answer = await self.page.call("Runtime.evaluate", {"expression": f"(() => {expression})()", **what})
        except AssertionError:
            return None  # the frame has just been given its page
        return answer["result"].get("value")


@asynccontextmanager
async def visiting(
    demo: Demo, name: str, size: tuple[int, int] = DESKTOP, *, dark: bool = False, loses_daemons: bool = False
) -> AsyncIterator[Visitor]:
    async with Browser() as browser:
        page = await browser.open(demo.url, width=size[0], height=size[1], dark=dark)
        await page.sees("document.querySelector('#step-out')?.dataset.state === 'next'")
        yield Visitor(page, name)
        # A browser always complains about a request that was lost, or came before the daemon was up.
        expected = ("net::ERR_", "status of 503") if loses_daemons else ()
        assert [one for one in page.complaints if not any(sign in one for sign in expected)] == []
        assert {re.match(r"(blob:)?http://127\.0\.0\.1:\d+/", url) is not None for url in page.requested} == {True}


@pytest.mark.parametrize(("name", "size"), [("desktop", DESKTOP), ("phone", PHONE)])
async def test_bob_falls_out_and_is_back_with_the_keyboard_alone(demo: Demo, name: str, size: tuple[int, int]) -> None:
    async with visiting(demo, name, size) as visitor:
        page = visitor.page
        await visitor.in_frame("alice", "document.querySelector('#composer')?.hidden === false")
        await visitor.look()
        await visitor.press("#log-out")
        await page.sees("document.querySelector('#step-code').dataset.state === 'done'")
        await page.sees("[...document.querySelectorAll('#letters img')].some((one) => one.naturalWidth > 50)")
        took_s = float((re.search(r"([\d.]+) s", await page.text("[data-detail=code]")) or ["", "99"])[1])
        await visitor.in_frame("alice", "[...document.querySelectorAll('#messages img')].some((one) => one.naturalWidth > 50)")
        await visitor.look()
        payloads = await demo.pictures("bob")
        await visitor.press("#scan")
        await page.sees("document.querySelector('#step-scan').dataset.state === 'done'")
        await page.sees("document.querySelector('#letters').textContent.includes('#ping')")
        await page.sees("[...document.querySelectorAll('#letters .own')].some((one) => one.textContent.includes('pong'))")
        await visitor.look()
        is_wider_than_its_window = await page.js("document.documentElement.scrollWidth > innerWidth")

    assert took_s < POSTED_WITHIN_S
    assert payloads[0].startswith("http://weixin.qq.com/x/")
    assert not is_wider_than_its_window


async def test_it_works_the_other_way_round_in_chinese_and_in_the_dark(demo: Demo) -> None:
    async with visiting(demo, "zh-dark", dark=True) as visitor:
        await visitor.press("#language")
        await visitor.go_to("input[name=subject]")
        await visitor.page.press("ArrowDown")
        await visitor.press("#log-out")
        await visitor.page.sees("document.querySelector('#step-code').dataset.state === 'done'")
        button = await visitor.page.text("#scan")
        await visitor.look()
        await visitor.press("#scan")
        await visitor.page.sees("document.querySelector('#step-scan').dataset.state === 'done'")
        account = (await demo.state())["accounts"]["alice"]

    assert button == "用 Alice 的手机扫码"
    assert account["state"] == "logged_in"


async def test_restart_at_alice_restarts_bobs_process_and_streams_its_output(demo: Demo) -> None:
    before = (await demo.state())["published"]["daemons"]["bob"]["pid"]
    async with visiting(demo, "restart", loses_daemons=True) as visitor:
        await visitor.in_frame("alice", "document.querySelector('#composer')?.hidden === false")
        await visitor.in_frame("alice", "document.querySelector('#text').focus() ?? true")
        await visitor.page.type("restart")
        await visitor.page.press("Enter")
        said = await visitor.in_frame("alice", "document.body.innerText.match(/bob is ready after/) && document.body.innerText")
        await visitor.look()
    after = (await demo.state())["published"]["daemons"]["bob"]["pid"]

    assert f"stopping bob (pid {before})" in said
    assert f"bob started (pid {after})" in said
    assert before != after


async def test_qr_from_bobs_own_phone_brings_the_same_code_again(demo: Demo) -> None:
    await demo.post("/api/accounts/bob/log-out")
    await demo.until(lambda state: n_pictures(state) == 1)
    async with asyncio.timeout(SEEN_WITHIN_S):
        # What arrives in the first second after a login is not obeyed, and the demo has only just begun.
        while n_pictures(await demo.state()) == 1:
            await demo.post("/api/accounts/bob/messages", {"to": "alice", "text": "qr"})
            await asyncio.sleep(0.5)
        payloads = await demo.pictures("bob")

    assert len(payloads) >= 2
    assert len(set(payloads)) == 1


async def test_each_new_code_is_posted(tmp_path: Path) -> None:
    async with running(tmp_path, "-c", BRIEF, str(tmp_path)) as demo:
        await demo.post("/api/accounts/bob/log-out")
        await demo.until(lambda state: n_pictures(state) >= 3)
        payloads = await demo.pictures("bob")

    assert len(set(payloads)) == len(payloads) >= 3


async def test_a_daemon_that_dies_comes_back_and_answers(demo: Demo) -> None:
    pid = (await demo.state())["published"]["daemons"]["alice"]["pid"]
    os.kill(pid, signal.SIGKILL)
    await demo.until(lambda state: state["published"]["daemons"]["alice"]["pid"] not in (0, pid))
    await demo.until(lambda state: state["published"]["daemons"]["alice"]["state"] == "ready")
    await demo.post("/api/accounts/bob/log-out")

    assert await demo.until(n_pictures)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_ending_the_demo_ends_its_daemons(demo: Demo, number: signal.Signals) -> None:
    pids = [one["pid"] for one in (await demo.state())["published"]["daemons"].values()]
    demo.process.send_signal(number)
    async with asyncio.timeout(5.0):
        await demo.process.communicate()

    assert demo.process.returncode == 0
    assert not [pid for pid in pids if is_alive(pid)]
