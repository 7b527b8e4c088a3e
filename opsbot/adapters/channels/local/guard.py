"""What stands in front of every route: where a request comes from, who asks, and how it is refused."""

import ipaddress
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import web

from opsbot.adapters.channels.local.settings import LocalSettings
from opsbot.adapters.channels.local.tokens import Tokens
from opsbot.core.errors import StateError

log = structlog.get_logger(__name__)

_HTTP_PORT = 80

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""On every answer that does not set its own."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, as far as its token tells.

    `person` is "" without a person's token; `reads_metrics` tells that it was the token for the metrics.
    """

    person: str = ""
    is_owner: bool = False
    reads_metrics: bool = False


Answer = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table of routes; without `needs_token` the answer itself decides what a stranger sees."""

    method: str
    path: str
    answer: Answer
    needs_token: bool = True


class RefusedError(Exception):
    """A request is refused: the status, a code for programs, a sentence for people that says the mend."""

    def __init__(self, status: HTTPStatus, code: str, sentence: str) -> None:
        """Say which and why."""
        super().__init__(sentence)
        self.status = status
        self.code = code

    def response(self) -> web.Response:
        """Give the refusal as JSON."""
        headers = {"WWW-Authenticate": "Bearer"} if self.status is HTTPStatus.UNAUTHORIZED else {}
        return json_response({"error": str(self), "code": self.code}, self.status, headers)


class Guard:
    """Checks every request before it reaches its answer."""

    def __init__(self, settings: LocalSettings) -> None:
        """Take who is there; nobody has a token until `admit`."""
        self._settings = settings
        self._tokens: Tokens | None = None

    def admit(self, tokens: Tokens) -> None:
        """Let the owners of these tokens in."""
        self._tokens = tokens

    def token_of(self, person: str) -> str:
        """Give the token of a person.

        Raises:
            StateError: there are no tokens yet, or the person has no id on this channel.
        """
        if self._tokens is None or person not in self._settings.people:
            raise StateError(f"{person} has no token on the local channel; give the person an id on it, and start opsbot")
        return self._tokens.of(person)

    def route(self, route: Route) -> web.RouteDef:
        """Put the guard in front of a route."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                self._check_place(request)
                response = await route.answer(request, self._caller(request, needs_token=route.needs_token))
            except RefusedError as refused:
                response = refused.response()
            except StateError as exc:
                log.warning("local_chat_request_failed", path=route.path, reason=str(exc))
                response = RefusedError(
                    HTTPStatus.SERVICE_UNAVAILABLE, "away", "the chat is not open just now; try again"
                ).response()
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return web.route(route.method, route.path, answer)

    def _check_place(self, request: web.Request) -> None:
        # A page of a foreign site can make a browser talk to the loopback address, under the site's own name if its DNS
        # says so. Such a request carries the foreign name as Host, or the foreign site as Origin.
        if not self._settings.any_host and not _is_our_address(request):
            raise RefusedError(
                HTTPStatus.FORBIDDEN, "foreign_host", "call this server by its loopback address or localhost, with its port"
            )
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() not in {f"http://{request.host}".lower(), f"https://{request.host}".lower()}:
            raise RefusedError(HTTPStatus.FORBIDDEN, "foreign_origin", "only pages of this server may call it")

    def _caller(self, request: web.Request, *, needs_token: bool) -> Caller:
        header = request.headers.get("Authorization")
        if header is None and needs_token:
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "no_token", "send your token: Authorization: Bearer TOKEN")
        if header is None:
            return Caller()
        if self._tokens is None:  # who called it wrong would not come back, though the token is right in a moment
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "away", "opsbot is starting; try again")
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() == "bearer":
            person = self._tokens.person_of(token)
            if person is not None:
                return Caller(person, is_owner=person in self._settings.owners)
            if self._tokens.opens_metrics(token) and not needs_token:
                return Caller(reads_metrics=True)
        raise RefusedError(
            HTTPStatus.UNAUTHORIZED, "wrong_token", "the token is wrong; open the address that opsbot printed at its start"
        )


def json_response(content: object, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with JSON, Chinese readable as it is."""
    return web.json_response(content, status=status, headers=headers, dumps=lambda value: json.dumps(value, ensure_ascii=False))


def _is_our_address(request: web.Request) -> bool:
    hosts = request.headers.getall("Host", [])
    socket = request.transport.get_extra_info("sockname") if request.transport else None
    if len(hosts) != 1 or not isinstance(socket, tuple):
        return False
    host, separator, port = hosts[0].rpartition(":")
    if not separator or not port.isascii() or not port.isdigit():
        host, port = hosts[0], str(_HTTP_PORT)
    return port == str(socket[1]) and _is_loopback(host)


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
