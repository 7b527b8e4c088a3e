"""The one web server: whatever has a web face hands it a table of routes."""

import errno
import ipaddress
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from aiohttp import web

from opsbot.core.errors import ConfigError, Problem, StateError

SHUTDOWN_S = 0.4
"""aiohttp waits so long twice: for answers to end, then for what it has cancelled."""

_PORT_LIMIT = 65535
_MENDS = {
    errno.EADDRINUSE: "something listens there already; stop it, or choose another port in `listen` (0 picks a free one)",
    errno.EACCES: "ports below 1024 belong to root; choose another port in `listen`",
    errno.EADDRNOTAVAIL: "this machine has no such address; use 127.0.0.1 in `listen`",
}


class WebServer:
    """Serves routes on one address while it is entered.

    Leaving is bounded to a second, requests that wait included. Requests are not logged: their headers hold tokens.
    """

    def __init__(self, listen: str, routes: Iterable[web.AbstractRouteDef], *, allow_anywhere: bool = False) -> None:
        """Take "HOST:PORT" (port 0 picks a free one) and the routes.

        Raises:
            ConfigError: `listen` cannot be understood, or is no loopback address and `allow_anywhere` is not set.
        """
        self._host, self._port = parse_listen(listen)
        if not allow_anywhere and not _is_loopback(self._host):
            raise ConfigError(
                _problem(f"{listen} is no loopback address", "127.0.0.1:PORT, or set dangerously_listen_anywhere: true")
            )
        self._routes = tuple(routes)
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that is served; the picked one once entered."""
        return self._port

    @property
    def url(self) -> str:
        """The address of the server, as a browser on this machine takes it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    async def __aenter__(self) -> Self:
        """Begin to serve.

        Raises:
            StateError: the address cannot be taken; the text says the mend.
        """
        app = web.Application()
        app.add_routes(self._routes)
        app.on_response_prepare.append(_hide_versions)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as exc:
            await runner.cleanup()
            # From Python 3.12.4 on asyncio passes over addresses that are not there, and gives no number when none is left.
            mend = _MENDS.get(exc.errno or errno.EADDRNOTAVAIL, "choose another address in `listen`")
            raise StateError(f"cannot listen on {self._host}:{self._port}: {mend}") from exc
        self._runner = runner
        self._port = int(runner.addresses[0][1])
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop serving."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()


def parse_listen(listen: str) -> tuple[str, int]:
    """Read "HOST:PORT"; an IPv6 address stands in brackets.

    Raises:
        ConfigError: it is none.

    >>> parse_listen("127.0.0.1:8010"), parse_listen("[::1]:0")
    (('127.0.0.1', 8010), ('::1', 0))
    """
    host, _, port = listen.rpartition(":")
    is_port = port.isascii() and port.isdigit() and int(port) <= _PORT_LIMIT
    bare = host.removeprefix("[").removesuffix("]")
    if not bare or not is_port or (":" in bare) == (bare == host):
        raise ConfigError(_problem(f"{listen!r} is no address", "HOST:PORT, for example 127.0.0.1:8010; IPv6 as [::1]:8010"))
    return bare, int(port)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _problem(reason: str, allowed: str) -> Problem:
    return Problem(file="config.yaml", line=0, key="listen", reason=reason, allowed=allowed)


async def _hide_versions(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "opsbot"
