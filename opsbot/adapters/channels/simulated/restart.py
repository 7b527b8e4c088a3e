"""Restarting a real daemon beside the hub: the route, and the client that asks for it."""

import json
from collections.abc import AsyncIterator, Callable
from urllib.parse import quote

import aiohttp
from aiohttp import web

from opsbot.core.errors import ChannelUnavailableError, CommandError

Restart = Callable[[str], AsyncIterator[str]]
"""Restarts the daemon of this name and says line by line how that goes; KeyError when there is none."""

RESTART_TIMEOUT_S = 60.0


def restart_route(restart: Restart) -> web.RouteDef:
    """Serve a restart as a stream of lines, one JSON object each."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            lines = restart(request.match_info["name"])
        except KeyError:
            return web.json_response({"error": f"there is no daemon {request.match_info['name']!r}"}, status=404)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})
        await response.prepare(request)
        async for line in lines:
            await response.write(json.dumps({"line": line}).encode() + b"\n")
        await response.write_eof()
        return response

    return web.post("/api/daemons/{name}/restart", answer)


async def restart_daemon(hub_url: str, token: str, name: str) -> AsyncIterator[str]:
    """Ask a running demo to restart one of its daemons; gives what happens, line by line.

    Raises:
        CommandError: there is no such daemon.
        ChannelUnavailableError: the demo does not answer.
    """
    url = f"{hub_url.partition('#')[0].rstrip('/')}/api/daemons/{quote(name, safe='')}/restart"
    timeout = aiohttp.ClientTimeout(total=RESTART_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers={"Authorization": f"Bearer {token}"}) as session,
            session.post(url) as response,
        ):
            if response.status != web.HTTPOk.status_code:
                raise CommandError((await response.json())["error"])
            async for line in response.content:
                yield json.loads(line)["line"]
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ChannelUnavailableError(f"the demo does not answer: {error or 'no answer in time'}") from error
