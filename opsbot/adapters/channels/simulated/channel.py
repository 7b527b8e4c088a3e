"""A channel for one account of the demo's hub: what the wechaty channel is for one account of WeChat."""

import asyncio
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
import structlog

from opsbot.adapters.channels.simulated.wire import (
    FILE_LIMIT_BYTES,
    FRAME_LIMIT_BYTES,
    TEXT_LIMIT_CHARS,
    Frame,
    read_event,
    write_attachment,
)
from opsbot.core.chat import AccountEvent, Capabilities, Chat, Contact, IncomingMessage, OutgoingMessage
from opsbot.core.errors import ChannelUnavailableError, MessageRejectedError
from opsbot.core.ports import Clock

CONNECT_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = 20.0
HEARTBEAT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
WAITING_ITEMS = 1000

Item = TypeVar("Item")
log = structlog.get_logger(__name__)


class SimulatedChannel:
    """Connects as the one gateway client of `account_id`.

    `hub_url` is the hub's address with its token in the fragment, as `Hub.url` gives it.
    """

    def __init__(
        self,
        name: str,
        hub_url: str,
        account_id: str,
        clock: Clock,
        *,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        address = urlsplit(hub_url)
        self._name = name
        self._gateway_url = f"{address.scheme}://{address.netloc}/gateway/{quote(account_id, safe='')}"
        self._headers = {"Authorization": f"Bearer {address.fragment.removeprefix('token=')}"}
        self._clock = clock
        self._request_timeout_s = request_timeout_s
        self._heartbeat_s = heartbeat_s
        self._stack = AsyncExitStack()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Frame]] = {}
        self._messages = _Inbox[IncomingMessage]()
        self._events = _Inbox[AccountEvent]()
        self._own_name = ""

    @property
    def name(self) -> str:
        """The channel's key in the configuration."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """What the hub's accounts can do."""
        return Capabilities(text_limit_chars=TEXT_LIMIT_CHARS, file_limit_bytes=FILE_LIMIT_BYTES, has_account=True)

    async def __aenter__(self) -> Self:
        """Connect to the hub."""
        self._messages = _Inbox[IncomingMessage]()
        self._events = _Inbox[AccountEvent]()
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            self._socket = await self._connect(session)
            stack.push_async_callback(self._socket.close)
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            reader = tasks.create_task(self._read(self._socket), name=f"read:{self._name}")
            stack.callback(reader.cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect; both streams end."""
        self._end("")
        await self._stack.aclose()

    def messages(self) -> AsyncIterator[IncomingMessage]:
        """Stream the account's messages."""
        return self._messages.items()

    def account_events(self) -> AsyncIterator[AccountEvent]:
        """Stream what happens to the account."""
        return self._events.items()

    async def send(self, message: OutgoingMessage) -> str:
        """Send a message; the hub drops repeats of one key."""
        answer = await self._ask(
            "send",
            to=message.chat.chat_id,
            text=message.text,
            key=message.key,
            attachment=write_attachment(message.attachment),
        )
        return str(answer["message_id"])

    async def edit(self, message_id: str, message: OutgoingMessage) -> None:  # noqa: ARG002 - the port's names
        """Refuse: the hub has no edits."""
        raise MessageRejectedError(f"{self._name} cannot edit messages")

    async def log_out(self) -> None:
        """Log the account out at the hub."""
        await self._ask("log_out")

    async def contacts(self) -> Sequence[Contact]:
        """List the other accounts, and the rooms this account is in."""
        answer = await self._ask("contacts")
        return [Contact(one["id"], one["name"], is_room=one["is_room"]) for one in answer["contacts"]]

    async def _connect(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        timeout = aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await session.ws_connect(
                    self._gateway_url,
                    headers=self._headers,
                    heartbeat=self._heartbeat_s,
                    timeout=timeout,
                    max_msg_size=FRAME_LIMIT_BYTES,
                )
        except aiohttp.WSServerHandshakeError as error:
            raise ChannelUnavailableError(f"the hub refuses the connection: {error.status}") from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ChannelUnavailableError(f"the hub cannot be reached: {error or 'no answer'}") from error

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        reason = "the connection to the hub was cut"
        while (received := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            try:
                self._take(json.loads(received.data))
            except (KeyError, TypeError, ValueError):
                log.warning("frame_skipped", channel=self._name)
            except OverflowError:
                reason = "messages arrive faster than they are taken"
                break
        if received.type is aiohttp.WSMsgType.CLOSE and received.extra:
            reason = str(received.extra)
        self._end(reason)

    def _take(self, frame: Frame) -> None:
        if "re" in frame:
            answer = self._answers.get(frame["re"])
            if answer is not None and not answer.done():
                answer.set_result(frame)
        elif "message" in frame:
            self._take_message(frame["message"])
        elif "event" in frame:
            self._events.put(read_event(frame["event"]))
        elif "hello" in frame:
            self._own_name = str(frame["hello"]["name"])

    def _take_message(self, fields: dict[str, Any]) -> None:
        if fields["kind"] != "text":
            return
        self._messages.put(
            IncomingMessage(
                message_id=fields["id"],
                chat=Chat(self._name, fields["chat"], is_room=fields["is_room"]),
                sender_id=fields["sender"],
                sender_name=fields["sender_name"],
                text=self._without_mention(fields["text"]) if fields["mentions_reader"] else fields["text"],
                sent_at=datetime.fromisoformat(fields["sent_at"]),
                received_at=self._clock.now(),
                is_own=fields["is_own"],
                mentions_bot=fields["mentions_reader"],
            )
        )

    def _without_mention(self, text: str) -> str:
        return text.lstrip().removeprefix(f"@{self._own_name}").lstrip(" \u2005,:，：")

    async def _ask(self, do: str, **fields: Any) -> Frame:  # noqa: ANN401 - JSON values
        if self._socket is None or self._messages.has_ended:
            raise ChannelUnavailableError(f"{self._name} is not connected")
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._request_timeout_s):
                await self._socket.send_json({"id": number, "do": do, **fields})
                answer = await self._answers[number]
        except TimeoutError as error:
            raise ChannelUnavailableError("the hub does not answer", maybe_sent=True) from error
        except (ConnectionError, aiohttp.ClientError) as error:
            raise ChannelUnavailableError("the connection to the hub was cut", maybe_sent=True) from error
        finally:
            del self._answers[number]
        return _accepted(answer)

    def _end(self, reason: str) -> None:
        self._messages.end(reason)
        self._events.end("")
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError(reason))


class _Inbox(Generic[Item]):
    """What has arrived and waits for its one consumer; bounded."""

    def __init__(self) -> None:
        self._waiting: deque[Item] = deque()
        self._change = asyncio.Event()
        self._reason = ""
        self.has_ended = False

    def put(self, item: Item) -> None:
        """Add an item. Raises OverflowError when too many wait."""
        if len(self._waiting) >= WAITING_ITEMS:
            raise OverflowError
        self._waiting.append(item)
        self._change.set()

    def end(self, reason: str) -> None:
        """End the stream after what has arrived; with a reason, by an error. Only the first call counts."""
        if not self.has_ended:
            self.has_ended = True
            self._reason = reason
            self._change.set()

    async def items(self) -> AsyncIterator[Item]:
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self.has_ended:
                break
            self._change.clear()
            await self._change.wait()
        if self._reason:
            raise ChannelUnavailableError(self._reason)


def _accepted(answer: Frame) -> Frame:
    """Give an answer that is none of the hub's refusals."""
    match answer.get("error"):
        case None:
            return answer
        case "unavailable":
            raise ChannelUnavailableError(answer["reason"])
        case _:
            raise MessageRejectedError(answer["reason"])
