"""The part of the API that tells how the daemon stands: status, login codes, health, metrics."""

import asyncio
import hashlib
import hmac
import secrets
from http import HTTPStatus

from aiohttp import web

from opsbot.adapters.channels.local.guard import Caller, RefusedError, Route, json_response
from opsbot.adapters.channels.local.settings import LocalSettings
from opsbot.adapters.channels.local.status import Insight, PartState, StatusSnapshot


class BoardApi:
    """Answers from the snapshot that the app hands in; only owners see more than one word."""

    def __init__(self, settings: LocalSettings, insight: Insight) -> None:
        """Take what may be shown."""
        self._settings = settings
        self._insight = insight
        self._version_key = secrets.token_bytes(16)
        self._drawn: dict[str, tuple[str, bytes]] = {}

    def table(self) -> list[Route]:
        """Give the routes."""
        return [
            Route("GET", "/api/status", self._status),
            Route("GET", "/api/logins/{channel}", self._login_code),
            Route("GET", "/healthz", self._health, needs_token=False),
            Route("GET", "/metrics", self._metrics, needs_token=False),
        ]

    async def _status(self, _request: web.Request, caller: Caller) -> web.Response:
        snapshot = self._insight.status.snapshot()
        return json_response(self._whole(snapshot) if caller.is_owner else {"ready": snapshot.ready, "word": snapshot.word})

    async def _health(self, _request: web.Request, caller: Caller) -> web.Response:
        snapshot = self._insight.status.snapshot()
        status = HTTPStatus.OK if snapshot.ready else HTTPStatus.SERVICE_UNAVAILABLE
        if caller.is_owner:
            return json_response(self._whole(snapshot), status)
        return web.Response(text=f"{snapshot.word}\n", status=status)

    async def _metrics(self, _request: web.Request, caller: Caller) -> web.Response:
        if not (self._settings.metrics_open or caller.reads_metrics):
            raise RefusedError(
                HTTPStatus.UNAUTHORIZED,
                "no_token",
                'send the token that local-tokens.json keeps under "#metrics", or set metrics_open: true',
            )
        text = self._insight.metrics()
        return web.Response(body=text.encode(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _login_code(self, request: web.Request, caller: Caller) -> web.Response:
        if not caller.is_owner:
            raise RefusedError(HTTPStatus.FORBIDDEN, "owners_only", "login codes are shown to owners only")
        channel = request.match_info["channel"]
        payload = self._insight.status.snapshot().login.get(channel)
        if payload is None:
            self._drawn.pop(channel, None)
            raise RefusedError(HTTPStatus.NOT_FOUND, "no_login", "this channel does not wait for a login")
        drawn = self._drawn.get(channel)
        if drawn is None or drawn[0] != payload:
            drawn = (payload, await asyncio.to_thread(self._insight.render_qr, payload))
            self._drawn[channel] = drawn
        return web.Response(body=drawn[1], content_type="image/png")

    def _whole(self, snapshot: StatusSnapshot) -> dict[str, object]:
        return {
            "ready": snapshot.ready,
            "word": snapshot.word,
            "channels": [_part(part) for part in snapshot.channels],
            "sources": [_part(part) for part in snapshot.sources],
            "logins": [
                {"channel": channel, "url": f"/api/logins/{channel}", "version": self._version(payload)}
                for channel, payload in snapshot.login.items()
            ],
        }

    def _version(self, payload: str) -> str:
        # Changes with the code, so that the page knows when to fetch the picture again, and says nothing about it.
        return hmac.new(self._version_key, payload.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:12]


def _part(part: PartState) -> dict[str, object]:
    since = part.since.isoformat() if part.since else None
    return {"name": part.name, "kind": part.kind, "state": part.state, "since": since, "detail": part.detail}
