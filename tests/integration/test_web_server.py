"""The one web server: where it listens, what it says when it cannot, how it stops."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from opsbot.adapters.web.server import WebServer
from opsbot.core.errors import ConfigError, StateError

LEAVES_WITHIN_S = 1.5


async def hello(_request: web.Request) -> web.Response:
    return web.Response(text="hello")


@asynccontextmanager
async def served(listen: str = "127.0.0.1:0") -> AsyncIterator[WebServer]:
    async with WebServer(listen, [web.get("/", hello)]) as server:
        yield server


async def get(url: str) -> tuple[str, str]:
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Authorization": "Bearer s3cr3t"}) as answer:
        return await answer.text(), answer.headers["Server"]


async def test_port_0_picks_a_free_one_and_tells_it() -> None:
    async with served() as server:
        text, _ = await get(server.url)

    assert (text, server.port > 0, server.url) == ("hello", True, f"http://127.0.0.1:{server.port}")


async def test_answers_do_not_tell_versions() -> None:
    async with served() as server:
        _, name = await get(server.url)

    assert name == "opsbot"


async def test_taken_port_says_the_mend() -> None:
    async with served() as server:
        with pytest.raises(StateError, match="choose another port"):
            await WebServer(f"127.0.0.1:{server.port}", []).__aenter__()


async def test_port_can_be_taken_again_at_once_after_leaving() -> None:
    async with served() as server:
        await get(server.url)
    async with served(f"127.0.0.1:{server.port}") as again:
        text, _ = await get(again.url)

    assert text == "hello"


async def test_address_of_another_machine_says_the_mend() -> None:
    with pytest.raises(StateError, match="no such address"):
        await WebServer("203.0.113.1:0", [], allow_anywhere=True).__aenter__()


@pytest.mark.parametrize("listen", ["0.0.0.0:8010", "192.168.1.5:8010", "[::]:8010", "example.com:80", "localhost.evil:80"])
def test_address_beyond_the_loopback_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError, match="dangerously_listen_anywhere"):
        WebServer(listen, [])


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:0", "[::1]:0", "127.9.9.9:0"])
def test_loopback_addresses_are_taken(listen: str) -> None:
    assert WebServer(listen, []).port == 0


@pytest.mark.parametrize(
    "listen", ["", "8010", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", ":8010", "::1:8010", "127.0.0.1:-1", "127.0.0.1:²"]
)
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        WebServer(listen, [])


async def test_leaving_is_bounded_although_somebody_waits_for_an_answer() -> None:
    arrived = asyncio.Event()

    async def never(_request: web.Request) -> web.Response:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError

    server = WebServer("127.0.0.1:0", [web.get("/", never)])
    await server.__aenter__()
    _reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await arrived.wait()

    async with asyncio.timeout(LEAVES_WITHIN_S):
        await server.__aexit__(None, None, None)
    writer.close()


async def test_leaving_twice_is_fine() -> None:
    server = WebServer("127.0.0.1:0", [])
    await server.__aenter__()

    await server.__aexit__(None, None, None)
    await server.__aexit__(None, None, None)


async def test_requests_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async with served() as server:
        await get(server.url)

    assert "s3cr3t" not in caplog.text
    assert "GET" not in caplog.text


def test_ipv6_is_served_where_there_is_one() -> None:
    async def there_and_back() -> str:
        async with served("[::1]:0") as server:
            return (await get(server.url))[0]

    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")

    assert asyncio.run(there_and_back()) == "hello"
