"""A headless Chromium, driven over the DevTools protocol: what the tests of the page need and no more."""

import asyncio
import base64
import json
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--mute-audio",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
START_WITHIN_S = 40.0
SEEN_WITHIN_S = 15.0
KEYS = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40, " ": 32}


class Browser:
    """One Chromium process with a profile of its own; both are gone when it is left."""

    def __init__(self) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="opsbot-chromium-", ignore_cleanup_errors=True)
        self._session = aiohttp.ClientSession()
        self._last_call = 0

    async def __aenter__(self) -> Self:
        assert CHROMIUM, "chromium is missing"
        self._process = await asyncio.create_subprocess_exec(
            CHROMIUM, *FLAGS, f"--user-data-dir={self._profile.name}", stderr=asyncio.subprocess.PIPE, start_new_session=True
        )
        async with asyncio.timeout(START_WITHIN_S):
            address = await self._address()
            self._socket = await self._session.ws_connect(address, max_msg_size=0)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.communicate()
        self._profile.cleanup()

    async def _address(self) -> str:
        assert self._process.stderr
        async for line in self._process.stderr:
            if b"DevTools listening on " in line:
                return line.decode().split(" on ", 1)[1].strip()
        raise AssertionError("chromium ended before it could be driven")

    async def open(self, url: str, *, width: int = 1180, height: int = 780, dark: bool = False, language: str = "en") -> "Page":
        target = await self.call("Target.createTarget", {"url": "about:blank"})
        attached = await self.call("Target.attachToTarget", {"targetId": target["targetId"], "flatten": True})
        page = Page(self, attached["sessionId"], target["targetId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.call(f"{domain}.enable")
        await page.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        await page.call("Emulation.setEmulatedMedia", {"features": [scheme, still]})
        await page.call("Emulation.setLocaleOverride", {"locale": language})
        await page.call("Page.navigate", {"url": url})
        return page

    async def call(self, method: str, params: dict[str, Any] | None = None, page: "Page | None" = None) -> dict[str, Any]:
        self._last_call = number = self._last_call + 1
        session = {"sessionId": page.session} if page else {}
        await self._socket.send_json({"id": number, "method": method, "params": params or {}, **session})
        async with asyncio.timeout(START_WITHIN_S):
            while True:
                answer = await self._socket.receive_json()
                if answer.get("id") == number:
                    assert "error" not in answer, f"{method}: {answer['error']}"
                    return dict(answer["result"])
                if page and answer.get("sessionId") == page.session:
                    page.heard(answer)


class Page:
    """One tab; `complaints` are what its console had to say against it, `requested` every address it asked for."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self.session = session
        self.target = target
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self._browser = browser

    def heard(self, event: dict[str, Any]) -> None:
        if event.get("method") in {"Runtime.exceptionThrown", "Log.entryAdded"}:
            self.complaints.append(json.dumps(event["params"]))
        if event.get("method") == "Network.requestWillBeSent":
            self.requested.append(event["params"]["request"]["url"])

    async def call(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        return await self._browser.call(method, params, self)

    async def js(self, expression: str, **where: Any) -> Any:
        params = {"expression": expression, "awaitPromise": True, "returnByValue": True, "userGesture": True, **where}
        answer = await self.call("Runtime.evaluate", params)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def sees(self, condition: str) -> Any:
        """Wait in the page until an expression is true there, and give its value."""
        limit_ms = SEEN_WITHIN_S * 1000
        value = await self.js(
            f"new Promise((done) => {{ const end = performance.now() + {limit_ms}; const look = () => {{ let value;"
            f" try {{ value = ({condition}); }} catch {{}}"
            " value || performance.now() > end ? done(value instanceof Node || value) : setTimeout(look, 15); }; look(); })"
        )
        assert value, f"never seen: {condition}\n{await self.js('document.body.innerText')}\n{self.complaints}"
        return value

    async def child_frame(self) -> dict[str, Any]:
        """Give the first frame inside the page: its `url` and `id`."""
        tree = await self.call("Page.getFrameTree")
        return dict(tree["frameTree"]["childFrames"][0]["frame"])

    async def js_in_frame(self, frame_id: str, expression: str) -> Any:
        world = await self.call("Page.createIsolatedWorld", {"frameId": frame_id})
        return await self.js(expression, contextId=world["executionContextId"])

    async def text(self, selector: str) -> str:
        return str(await self.js(f"document.querySelector({json.dumps(selector)}).innerText"))

    async def press(self, key: str, *, shift: bool = False) -> None:
        event = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key], "modifiers": 8 if shift else 0}
        text = {"text": "\r"} if key == "Enter" else {}
        await self.call("Input.dispatchKeyEvent", {"type": "keyDown", **event, **text})
        await self.call("Input.dispatchKeyEvent", {"type": "keyUp", **event})

    async def type(self, text: str) -> None:
        await self.call("Input.insertText", {"text": text})

    async def click(self, selector: str) -> None:
        await self.js(f"document.querySelector({json.dumps(selector)}).click()")

    async def resize(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.call("Emulation.setDeviceMetricsOverride", metrics)

    async def close(self) -> None:
        await self._browser.call("Target.closeTarget", {"targetId": self.target})

    async def shoot(self, path: Path) -> None:
        picture = await self.call("Page.captureScreenshot", {"format": "png"})
        await asyncio.to_thread(path.write_bytes, base64.b64decode(picture["data"]))
