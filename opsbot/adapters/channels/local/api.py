"""The part of the API that is the chat: who am I, reading, waiting, writing, attachments."""

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import quote

from aiohttp import web

from opsbot.adapters.channels.local.guard import Caller, RefusedError, Route, json_response
from opsbot.adapters.channels.local.history import READ_LIMIT, History
from opsbot.adapters.channels.local.schema import AttachmentNote, Entry, Posting
from opsbot.adapters.channels.local.settings import ROOM_PREFIX, LocalSettings
from opsbot.core.ports import Clock

BODY_LIMIT_BYTES = 64 * 1024
BODY_WITHIN_S = 10.0
TEXT_LIMIT_CHARS = 16_000
REPEAT_KEY_LIMIT_CHARS = 128
WAIT_LIMIT_S = 60.0
WAITING_LIMIT = 32
"""So many requests of one person may wait at once."""

_SEQ_LIMIT = 2**62
_SHOWN_IN_PAGE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


class ChatApi:
    """Answers what the page and `opsbot chat` ask."""

    def __init__(self, settings: LocalSettings, history: History, clock: Clock) -> None:
        """Take who is there and the history, which may still be closed."""
        self._settings = settings
        self._history = history
        self._clock = clock
        self._waiting: Counter[str] = Counter()

    def table(self) -> list[Route]:
        """Give the routes."""
        return [
            Route("GET", "/api/me", self._me),
            Route("GET", "/api/messages", self._read_all),
            Route("GET", "/api/chats/{chat}/messages", self._read),
            Route("POST", "/api/chats/{chat}/messages", self._post),
            Route("GET", "/api/chats/{chat}/attachments/{attachment}", self._attachment),
        ]

    async def _me(self, _request: web.Request, caller: Caller) -> web.Response:
        people = self._settings.people
        chats = [{"chat": caller.person, "name": self._settings.bot_name, "is_room": False}]
        chats += [{"chat": f"{ROOM_PREFIX}{room}", "name": room, "is_room": True} for room in self._settings.rooms]
        return json_response(
            {
                "id": caller.person,
                "name": people[caller.person],
                "is_owner": caller.is_owner,
                "bot_name": self._settings.bot_name,
                "language": self._settings.language,
                "chats": chats,
                "text_limit_chars": TEXT_LIMIT_CHARS,
                "last_seq": await self._history.last_seq(),
            }
        )

    async def _read_all(self, request: web.Request, caller: Caller) -> web.Response:
        """Answer like `_read`, over all chats of the caller: one waiting request serves a whole page."""
        return await self._answer_entries(request, caller, self._settings.chats_of(caller.person))

    async def _read(self, request: web.Request, caller: Caller) -> web.Response:
        return await self._answer_entries(request, caller, (self._chat(request, caller),))

    async def _answer_entries(self, request: web.Request, caller: Caller, chats: Sequence[str]) -> web.Response:
        if "last" in request.query:
            limit = int(_number(request, "last", READ_LIMIT, whole=True))
            entries = await self._history.latest(chats, min(limit, READ_LIMIT))
        else:
            seq = int(_number(request, "after", _SEQ_LIMIT, whole=True))
            entries = await self._wait(caller.person, chats, seq, _number(request, "wait_s", math.inf))
        return json_response([self._shown(entry) for entry in entries])

    async def _wait(self, person: str, chats: Sequence[str], seq: int, wait_s: float) -> Sequence[Entry]:
        if self._waiting[person] >= WAITING_LIMIT:
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS, "too_many_waiting", f"at most {WAITING_LIMIT} requests may wait at once"
            )
        self._waiting[person] += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(wait_s, WAIT_LIMIT_S)):
                    return await self._next(chats, seq)
            return await self._history.after(chats, seq) if self._history.is_open else ()
        finally:
            self._waiting[person] -= 1

    async def _next(self, chats: Sequence[str], seq: int) -> Sequence[Entry]:
        while True:
            news = self._history.news
            entries = await self._history.after(chats, seq)
            if entries:
                return entries
            await news.wait()
            if not self._history.is_open:
                return ()

    async def _post(self, request: web.Request, caller: Caller) -> web.Response:
        chat = self._chat(request, caller)
        text, repeat_key = _message(await _body(request))
        posting = Posting(chat=chat, sender=caller.person, text=text, at=self._clock.now(), repeat_key=repeat_key)
        message_id, _ = await self._history.append(posting)
        return json_response({"id": message_id}, HTTPStatus.ACCEPTED)

    async def _attachment(self, request: web.Request, caller: Caller) -> web.Response:
        chat = self._chat(request, caller)
        found = await self._history.attachment(chat, request.match_info["attachment"])
        if found is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "no_attachment", "there is no such attachment; old ones are dropped")
        # Anything that is no plain picture is only ever saved: a page or script among the files must not run here.
        is_picture = found.media_type in _SHOWN_IN_PAGE
        disposition = f"{'inline' if is_picture else 'attachment'}; filename*=UTF-8''{quote(found.name, safe='')}"
        media_type = found.media_type if is_picture else "application/octet-stream"
        headers = {"Content-Disposition": disposition, "Cache-Control": "private, max-age=3600"}
        return web.Response(body=found.content, content_type=media_type, headers=headers)

    def _chat(self, request: web.Request, caller: Caller) -> str:
        chat = request.match_info["chat"]
        if chat not in self._settings.chats_of(caller.person):
            # The same answer for what is not there and for what is somebody else's.
            raise RefusedError(HTTPStatus.NOT_FOUND, "unknown_chat", "you have no such chat; GET /api/me lists yours")
        return chat

    def _shown(self, entry: Entry) -> dict[str, object]:
        return {
            "seq": entry.seq,
            "id": entry.message_id,
            "chat": entry.chat,
            "sender": entry.sender,
            "sender_name": self._settings.people.get(entry.sender, entry.sender),
            "by_bot": entry.by_bot,
            "text": entry.text,
            "edited": entry.edited,
            "at": entry.at.isoformat(),
            "attachments": [_shown_attachment(entry.chat, note) for note in entry.attachments],
        }


def _shown_attachment(chat: str, note: AttachmentNote) -> dict[str, object]:
    url = f"/api/chats/{quote(chat, safe=':')}/attachments/{note.attachment_id}"
    return {"name": note.name, "media_type": note.media_type, "url": url, "size_bytes": note.size_bytes}


def _number(request: web.Request, name: str, most: float, *, whole: bool = False) -> float:
    text = request.query.get(name, "0")
    read: Callable[[str], float] = int if whole else float
    try:
        value = read(text)
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        kind = "a whole number" if whole else "a number"
        raise RefusedError(HTTPStatus.BAD_REQUEST, "bad_number", f"{name} must be {kind}, 0 or more")
    return value


async def _body(request: web.Request) -> bytes:
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.content.iter_chunked(8192):
                content += chunk
                if len(content) > BODY_LIMIT_BYTES:
                    raise RefusedError(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        "body_too_large",
                        f"a request may hold {BODY_LIMIT_BYTES} bytes; send less at once",
                    )
    except TimeoutError as exc:
        raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, "too_slow", f"send the whole message within {BODY_WITHIN_S:g} s") from exc
    return bytes(content)


def _message(body: bytes) -> tuple[str, str]:
    """Read what was posted: its text, and the sender's own id for it."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "bad_json", 'send a JSON object: {"text": "…"}, in UTF-8')
    text, repeat_key = content.get("text"), content.get("id", "")
    if not isinstance(text, str) or not isinstance(repeat_key, str):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "bad_fields", '"text" must be a text, and so must "id" where it is given')
    text = _plain(text)
    if not text:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "empty_text", "the text is empty; write something")
    if len(text) > TEXT_LIMIT_CHARS:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST, "text_too_long", f"the text may hold {TEXT_LIMIT_CHARS} characters; send it in parts"
        )
    if len(repeat_key) > REPEAT_KEY_LIMIT_CHARS or not repeat_key.isascii():
        raise RefusedError(HTTPStatus.BAD_REQUEST, "bad_id", f'"id" may hold {REPEAT_KEY_LIMIT_CHARS} ASCII characters')
    return text, repeat_key


def _plain(text: str) -> str:
    r"""Take out what no keyboard types: control characters but \n and \t, and halves of surrogate pairs."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in lines if c in "\n\t" or not (c < " " or "\x7f" <= c <= "\x9f" or "\ud800" <= c <= "\udfff")).strip()
