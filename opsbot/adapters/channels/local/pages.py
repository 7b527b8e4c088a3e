"""The page: a few static files, served from memory."""

from dataclasses import dataclass
from importlib import resources

from aiohttp import web

from opsbot.adapters.channels.local.guard import Caller, Route
from opsbot.adapters.channels.local.settings import LocalSettings
from opsbot.core.errors import StateError

_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
_FILES = {
    "/": "index.html",
    "/app.js": "app.js",
    "/server.js": "server.js",
    "/model.js": "model.js",
    "/composer.js": "composer.js",
    "/log.js": "log.js",
    "/view.js": "view.js",
    "/board.js": "board.js",
    "/words.js": "words.js",
    "/style.css": "style.css",
    "/icon.svg": "icon.svg",
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str


class Pages:
    """Serves the page and nothing else: the paths are a fixed table, no path of a request reaches the disk."""

    def __init__(self, settings: LocalSettings) -> None:
        """Take who may embed the page."""
        self._files: dict[str, _File] = {}
        self._headers = {
            "Cache-Control": "no-cache",
            "Content-Security-Policy": (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
                "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
                f"frame-ancestors {settings.frame_ancestors}"
            ),
        }

    def load(self) -> None:
        """Read the files. Blocking.

        Raises:
            StateError: opsbot is not installed whole.
        """
        folder = resources.files("opsbot.adapters.channels.local").joinpath("page")
        try:
            self._files = {
                path: _File(folder.joinpath(name).read_bytes(), _TYPES[name.rpartition(".")[2]]) for path, name in _FILES.items()
            }
        except OSError as exc:
            raise StateError(f"the page cannot be read: {exc}; install opsbot again") from exc

    def table(self) -> list[Route]:
        """Give the routes."""
        return [Route("GET", path, self._file, needs_token=False) for path in _FILES]

    async def _file(self, request: web.Request, _caller: Caller) -> web.Response:
        file = self._files.get(request.path)
        if file is None:
            raise StateError("the page is not loaded")
        return web.Response(body=file.content, content_type=file.media_type, charset="utf-8", headers=self._headers)
