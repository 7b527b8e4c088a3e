"""A small chat platform on loopback that stands in for WeChat: accounts, phones, login codes."""

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Self

from aiohttp import web

from opsbot.adapters.channels.simulated.account import Owner
from opsbot.adapters.channels.simulated.api import Api
from opsbot.adapters.channels.simulated.exchange import Exchange, Room
from opsbot.adapters.channels.simulated.gateway import Gateway
from opsbot.adapters.channels.simulated.restart import Restart, restart_route
from opsbot.adapters.channels.simulated.wire import FRAME_LIMIT_BYTES
from opsbot.core.change import Json
from opsbot.core.errors import ChannelUnavailableError, MessageRejectedError
from opsbot.core.ports import Clock

LOOPBACK = "127.0.0.1"
BODY_LIMIT_BYTES = 64 * 1024
HEARTBEAT_S = 20.0
GUARDED_PATHS = ("/api/", "/gateway/")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Hub:
    """Serves the accounts in `owners` to daemons, to the page and to tests.

    `port` 0 picks a free one. `restart` restarts a daemon for whoever asks through the API; `frame_origins` are the
    pages that the hub's page may show inside itself.
    """

    def __init__(
        self,
        owners: Sequence[Owner],
        clock: Clock,
        *,
        rooms: Sequence[Room] = (),
        port: int = 0,
        refresh_s: float = 30.0,
        scan_step_s: float = 0.6,
        restart: Restart | None = None,
        frame_origins: Sequence[str] = (),
    ) -> None:
        self.exchange = Exchange(owners, rooms, clock, refresh_s=refresh_s, scan_step_s=scan_step_s)
        self.token = secrets.token_urlsafe(24)
        self._port = port
        self._restart = restart
        self._frame_origins = tuple(frame_origins)
        self._stack = AsyncExitStack()
        self._api = Api(self.exchange)

    @property
    def origin(self) -> str:
        """Where the hub listens, without the token."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def url(self) -> str:
        """The address that opens the page and lets a daemon connect; it carries the token, so it is a secret."""
        return f"{self.origin}/#token={self.token}"

    async def __aenter__(self) -> Self:
        """Listen, and begin to let time pass for the accounts.

        Raises:
            ChannelUnavailableError: the port is taken.
        """
        async with AsyncExitStack() as stack:
            runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            try:
                await web.TCPSite(runner, LOOPBACK, self._port).start()
            except OSError as error:
                raise ChannelUnavailableError(f"cannot listen on {self.origin}: {error.strerror}") from error
            self._port = runner.addresses[0][1]
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            for account_id, account in self.exchange.accounts.items():
                stack.callback(tasks.create_task(account.live(), name=f"live:{account_id}").cancel)
            stack.callback(self._stop)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cut all daemons off and stop."""
        await self._stack.aclose()

    def publish(self, name: str, value: Json) -> None:
        """Add something of the hub's owner to what the page sees under `published`."""
        self._api.publish(name, value)

    def _stop(self) -> None:
        self._api.close()
        self.exchange.end_all()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard], client_max_size=BODY_LIMIT_BYTES)
        application.add_routes([web.get("/gateway/{account}", self._serve_gateway), *self._api.routes()])
        if self._restart is not None:
            application.add_routes([restart_route(self._restart)])
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = self._refusal(request) or await handler(request)
        except MessageRejectedError as error:
            response = web.json_response({"error": str(error)}, status=404)
        except ChannelUnavailableError as error:
            response = web.json_response({"error": str(error)}, status=409)
        if not response.prepared:
            response.headers.update(self._headers())
        return response

    def _refusal(self, request: web.Request) -> web.Response | None:
        hosts = {f"{LOOPBACK}:{self._port}", f"localhost:{self._port}"}
        origin = request.headers.get("Origin")
        # A page of another site, or a name that was made to point here, must not reach the hub through a browser.
        if request.host not in hosts or (origin is not None and origin not in {f"http://{host}" for host in hosts}):
            return web.json_response({"error": "this address is not for you"}, status=403)
        if request.path.startswith(GUARDED_PATHS) and not self._has_token(request):
            return web.json_response({"error": "the token is missing or wrong"}, status=401)
        return None

    def _has_token(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "").encode()
        return hmac.compare_digest(given, f"Bearer {self.token}".encode())

    def _headers(self) -> dict[str, str]:
        frames = " ".join(self._frame_origins) or "'none'"
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
            f"frame-src {frames}; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'; require-trusted-types-for 'script'"
        )
        return {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }

    async def _serve_gateway(self, request: web.Request) -> web.WebSocketResponse:
        account_id = request.match_info["account"]
        self.exchange.account(account_id)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=FRAME_LIMIT_BYTES)
        await socket.prepare(request)
        transport = request.transport
        gateway = Gateway(socket, partial(self.exchange.answer, account_id), transport.abort if transport else _nothing)
        self.exchange.connect(account_id, gateway)
        try:
            await gateway.serve()
        finally:
            self.exchange.disconnect(account_id, gateway)
        return socket


def _nothing() -> None:
    """Stand in for the abort of a connection that is gone already."""
