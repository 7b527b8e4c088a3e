"""One web server per address: every part that has routes gets them mounted there."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, cast

from opsbot.config.channel import LocalSettings
from opsbot.config.model import Configuration
from opsbot.pipeline.link import Link

if TYPE_CHECKING:
    from opsbot.adapters.channels.local import LocalChannel


@asynccontextmanager
async def serve_pages(configuration: Configuration, links: Sequence[Link]) -> AsyncIterator[dict[str, str]]:
    """Serve the pages of the local channels; gives the address of each, without a token.

    Raises:
        StateError: a port is taken.
    """
    async with AsyncExitStack() as stack:
        pages: dict[str, str] = {}
        for link in links:
            settings = configuration.channels[link.name]
            if not isinstance(settings, LocalSettings):
                continue
            from opsbot.adapters.web.server import WebServer  # noqa: PLC0415 - the web library loads only when configured

            routes = cast("LocalChannel", link.channel).routes()
            server = WebServer(str(settings.listen), routes, allow_anywhere=settings.dangerously_listen_anywhere)
            pages[link.name] = (await stack.enter_async_context(server)).url
        yield pages
