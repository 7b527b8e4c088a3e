"""Speaks to a running opsbot over the API of its local channel; `opsbot chat` is made of this."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from opsbot.core.errors import ChannelUnavailableError, CommandError

ANSWER_WITHIN_S = 20.0
"""On top of the time that a request asks the daemon to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Who the token belongs to, and where the history stands."""

    person: str
    bot_name: str
    language: str
    chats: tuple[str, ...]
    last_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidFile:
    """A file that goes with what was said; fetched by its `url`."""

    name: str
    media_type: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One entry of the history as a client sees it."""

    seq: int
    message_id: str
    sender: str
    sender_name: str
    by_bot: bool
    text: str
    edited: bool
    files: tuple[SaidFile, ...]


class LocalClient:
    """One person's connection to the embedded chat. Enter it to use it.

    Every method raises ChannelUnavailableError when opsbot cannot be reached just now, and CommandError, with the mend, when it
    refuses.
    """

    def __init__(self, url: str, token: str) -> None:
        """Take the address of the server (without the token in its fragment) and the token."""
        self._url = url.partition("#")[0]
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Get ready; nothing is sent yet."""
        self._session = aiohttp.ClientSession(self._url, headers={"Authorization": f"Bearer {self._token}"}, trust_env=False)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Drop the connections."""
        if self._session is not None:
            await self._session.close()

    async def me(self) -> Me:
        """Ask who we are."""
        known = await self._json("GET", "/api/me")
        return Me(
            person=known["id"],
            bot_name=known["bot_name"],
            language=known["language"],
            chats=tuple(chat["chat"] for chat in known["chats"]),
            last_seq=known["last_seq"],
        )

    async def after(self, chat: str, seq: int, wait_s: float = 0.0) -> Sequence[Said]:
        """Read what was said in a chat after a `seq`, and wait so long for something if there is nothing."""
        path = f"/api/chats/{quote(chat, safe=':')}/messages"
        entries = await self._json("GET", path, query={"after": seq, "wait_s": wait_s}, within_s=wait_s + ANSWER_WITHIN_S)
        return [_said(entry) for entry in entries]

    async def say(self, chat: str, text: str, repeat_key: str = "") -> str:
        """Post a message and give its id; with the same `repeat_key` it is said once, however often it is posted."""
        content = {"text": text} | ({"id": repeat_key} if repeat_key else {})
        answer = await self._json("POST", f"/api/chats/{quote(chat, safe=':')}/messages", content=content)
        return str(answer["id"])

    async def fetch(self, url: str) -> bytes:
        """Fetch an attachment."""
        return await self._ask("GET", url)

    async def _json(self, method: str, path: str, **more: Any) -> Any:  # noqa: ANN401 - JSON is anything
        body = await self._ask(method, path, **more)
        try:
            return json.loads(body)
        except ValueError as exc:
            raise CommandError(f"{self._url} is no opsbot; give the address that opsbot printed at its start") from exc

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, float] | None = None,
        content: Mapping[str, str] | None = None,
        within_s: float = ANSWER_WITHIN_S,
    ) -> bytes:
        assert self._session is not None, "enter the client first"  # noqa: S101 - a bug of the caller
        # Chinese as it is: escaped, it would be twice as long, and the longest text would not fit into one request.
        body = json.dumps(content, ensure_ascii=False).encode() if content else None
        try:
            async with self._session.request(
                method, path, params=query, data=body, timeout=aiohttp.ClientTimeout(total=within_s), allow_redirects=False
            ) as response:
                answer = await response.read()
        except (aiohttp.ClientError, TimeoutError) as exc:
            reason = f"opsbot does not answer at {self._url}; is it running?"
            raise ChannelUnavailableError(reason, maybe_sent=method == "POST") from exc
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ChannelUnavailableError(_reason(answer))
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise CommandError(_reason(answer))
        return answer


def _said(entry: Mapping[str, Any]) -> Said:
    return Said(
        seq=entry["seq"],
        message_id=entry["id"],
        sender=entry["sender"],
        sender_name=entry["sender_name"],
        by_bot=entry["by_bot"],
        text=entry["text"],
        edited=entry["edited"],
        files=tuple(SaidFile(name=file["name"], media_type=file["media_type"], url=file["url"]) for file in entry["attachments"]),
    )


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return "opsbot refuses without saying why; look at its log"
