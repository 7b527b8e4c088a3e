"""The hub's page and the JSON it works with."""

from pathlib import Path

from aiohttp import web

from opsbot.adapters.channels.simulated.exchange import Exchange
from opsbot.core.change import Json

PAGE_DIR = Path(__file__).parent / "page"
PAGE = {
    "/": "text/html",
    "/icon.svg": "image/svg+xml",
    "/hub.css": "text/css",
    "/hub.js": "text/javascript",
    "/guide.js": "text/javascript",
    "/panes.js": "text/javascript",
    "/phone.js": "text/javascript",
    "/words.js": "text/javascript",
}
WAIT_LIMIT_S = 25.0


class Api:
    """The routes that the page and the tests use; the hub guards them."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._published: dict[str, Json] = {}
        self._is_closed = False

    def routes(self) -> list[web.RouteDef]:
        """Give the table of routes."""
        return [
            *(web.get(path, self._page_file) for path in PAGE),
            web.get("/api/state", self._state),
            web.get("/api/files/{message}", self._file),
            web.post("/api/accounts/{account}/log-out", self._log_out),
            web.post("/api/accounts/{account}/scan", self._scan),
            web.post("/api/accounts/{account}/messages", self._write),
        ]

    def publish(self, name: str, value: Json) -> None:
        """Show something under `published`."""
        if self._published.get(name) != value:
            self._published[name] = value
            self._exchange.phones.change()

    def close(self) -> None:
        """Let those who wait for a change go."""
        self._is_closed = True
        self._exchange.phones.change()

    async def _page_file(self, request: web.Request) -> web.StreamResponse:
        response = web.FileResponse(PAGE_DIR / (request.path.lstrip("/") or "index.html"))
        response.content_type = PAGE[request.path]
        response.charset = "utf-8"
        return response

    async def _state(self, request: web.Request) -> web.Response:
        try:
            after, wait_s = int(request.query.get("after", "0")), float(request.query.get("wait_s", "0"))
        except ValueError:
            return web.json_response({"error": "after and wait_s are numbers"}, status=400)
        phones = self._exchange.phones
        await phones.wait_beyond(after, 0.0 if self._is_closed else min(wait_s, WAIT_LIMIT_S))
        return web.json_response(
            {
                "seq": phones.seq,
                "accounts": self._exchange.stand(),
                "phones": phones.shown_after(after),
                "published": self._published,
            }
        )

    async def _file(self, request: web.Request) -> web.Response:
        file = self._exchange.phones.file(request.match_info["message"])
        if file is None:
            return web.json_response({"error": "this file is not kept any more"}, status=404)
        # Whatever a file says it is, only a picture may be shown in the page; the rest is for saving.
        media_type = file.media_type if file.media_type in {"image/png", "image/jpeg"} else "application/octet-stream"
        return web.Response(body=file.content, content_type=media_type)

    async def _log_out(self, request: web.Request) -> web.Response:
        self._exchange.account(request.match_info["account"]).log_out("logged out on the phone")
        return web.json_response({})

    async def _scan(self, request: web.Request) -> web.Response:
        self._exchange.account(request.match_info["account"]).scan()
        return web.json_response({})

    async def _write(self, request: web.Request) -> web.Response:
        account_id = self._exchange.account(request.match_info["account"]).owner.account_id
        try:
            fields = await request.json()
            to_id, text = fields["to"], fields["text"]
        except (KeyError, TypeError, ValueError):
            return web.json_response({"error": 'wanted: {"to": "ID", "text": "TEXT"}'}, status=400)
        if not (isinstance(to_id, str) and isinstance(text, str) and text.strip()):
            return web.json_response({"error": "to and text are texts that are not empty"}, status=400)
        return web.json_response({"id": self._exchange.send(account_id, to_id, text)}, status=202)
