"""A real wechaty gateway for tests: gateway.mjs as a process, and its control API as typed calls."""

import asyncio
import base64
import io
import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Literal, Self

import aiohttp

from tests.peers.install import HERE, environment, node

READY_WITHIN_S: Final = 60.0
ANSWER_WITHIN_S: Final = 45.0


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file a client sent."""

    name: str
    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Sent:
    """One message a client sent through the gateway. Exactly one of contact_id and room_id is there."""

    seq: int
    id: str
    at_ms: float
    self_id: str
    contact_id: str | None
    room_id: str | None
    kind: str
    text: str | None
    mention_ids: tuple[str, ...]
    file: SentFile | None

    @property
    def conversation_id(self) -> str:
        return self.room_id or self.contact_id or ""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        file = record["file"]
        return cls(
            seq=record["seq"],
            id=record["id"],
            at_ms=record["at_ms"],
            self_id=record["self_id"],
            contact_id=record["contact_id"],
            room_id=record["room_id"],
            kind=record["kind"],
            text=record["text"],
            mention_ids=tuple(record["mention_ids"]),
            file=file and SentFile(file["name"], base64.b64decode(file["base64"]), file["media_type"]),
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One send a client asked for, carried out or not. outcome: 'sent', 'pending' or 'error: …'."""

    at_ms: float
    conversation_id: str
    kind: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message given to the gateway. heard: whether a client was listening; if not, it is lost, as with real gateways."""

    id: str
    heard: bool


@dataclass(frozen=True, slots=True)
class State:
    """What the gateway knows of itself. calls counts puppet calls by name."""

    connected: bool
    grpc_up: bool
    login: str | None
    scan: Mapping[str, Any] | None
    calls: Mapping[str, int]
    attempts: int
    sent: int
    wire_errors: Sequence[Mapping[str, Any]]
    raw: Mapping[str, Any]


class GatewayRefusedError(RuntimeError):
    """The control API said no."""


class Gateway:
    """Run gateway.mjs in a directory of its own. Ports, login, contacts and what was sent survive kill() and restart()."""

    def __init__(
        self,
        directory: Path,
        *,
        token: str = "gateway-token",  # noqa: S107 - it guards a loopback port of a test
        tls: bool = False,
        heartbeat_s: float = 15.0,
        port: int = 0,
    ) -> None:
        self.directory = directory
        self.token = token
        self.tls = tls
        self.port = port
        self.control_port = 0
        self._heartbeat_s = heartbeat_s
        self._process: asyncio.subprocess.Process | None = None
        self._log: BinaryIO | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        await self.kill()
        if self._session is not None:
            await self._session.close()
        if self._log is not None:
            await asyncio.to_thread(self._log.close)

    # --- the process

    @property
    def end_point(self) -> str:
        """What a client connects to."""
        return f"127.0.0.1:{self.port}"

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.control_port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the gateway is not running")
        return self._process.pid

    def _prepare(self) -> BinaryIO:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "tmp").mkdir(exist_ok=True)
        return (self.directory / "gateway.log").open("ab")

    def _argv(self) -> list[str]:
        options = {
            "port": self.port,
            "control-port": self.control_port,
            "token": self.token,
            "state": self.directory / "state.json",
            "heartbeat-ms": int(self._heartbeat_s * 1000),
        }
        flags = ["--exit-with-stdin", *(["--tls"] if self.tls else [])]
        return [str(HERE / "gateway.mjs"), *(f"--{name}={value}" for name, value in options.items()), *flags]

    async def start(self) -> None:
        """Start the process and wait until it takes connections; at once when it runs. Keeps its ports from the first start."""
        if self._process is not None:
            return
        if self._log is None:
            self._log = await asyncio.to_thread(self._prepare)
        program = await asyncio.to_thread(node)
        self._process = await asyncio.create_subprocess_exec(
            str(program),
            *self._argv(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log,
            env={**environment(), "TMPDIR": str(self.directory / "tmp")},
        )
        stdout = self._process.stdout
        if stdout is None:
            raise RuntimeError("no stdout")
        async with asyncio.timeout(READY_WITHIN_S):
            line = await stdout.readline()
        if not line:
            raise RuntimeError(f"the gateway did not start: {await self.log_tail()}")
        ready = json.loads(line)
        self.port, self.control_port = ready["port"], ready["control_port"]

    async def log_tail(self) -> str:
        """Return the end of what the gateway wrote to stderr."""
        text = await asyncio.to_thread((self.directory / "gateway.log").read_text, errors="replace")
        return text[-3000:]

    async def kill(self) -> None:
        """Kill it with -9 and wait until it is gone. Does nothing when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        if process.stdout is not None:
            await process.stdout.read()
        await process.wait()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def restart(self) -> None:
        """Kill it with -9 and start it on the same ports."""
        await self.kill()
        await self.start()

    def freeze(self) -> None:
        """Stop the process as a hung host would: connections stay open, nothing answers, this API neither."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    # --- the control API

    async def _call(
        self, method: Literal["GET", "POST", "DELETE"], path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S))
        given = None if body is None else json.dumps({name: value for name, value in body.items() if value is not None})
        data = None if given is None else io.BytesIO(given.encode())  # aiohttp warns of large bodies given otherwise
        async with self._session.request(method, f"{self.control_url}{path}", data=data) as answer:
            said: dict[str, Any] = await answer.json()
            if answer.status != 200:
                raise GatewayRefusedError(f"{method} {path}: {answer.status} {said['error']}")
            return said

    async def contact(
        self,
        contact_id: str,
        *,
        name: str | None = None,
        weixin: str | None = None,
        alias: str | None = None,
        friend: bool | None = None,
    ) -> None:
        """Create a contact, or change the given parts of one; clients then hear that it is dirty."""
        await self._call("POST", "/contact", {"id": contact_id, "name": name, "weixin": weixin, "alias": alias, "friend": friend})

    async def contacts(self, payloads: Sequence[Mapping[str, Any]]) -> None:
        """Create many contacts in one call; each payload has an id and what else contact() takes."""
        await self._call("POST", "/contacts", {"contacts": list(payloads)})

    async def room(
        self,
        room_id: str,
        *,
        topic: str | None = None,
        members: Sequence[str] | None = None,
        owner: str | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """Create a room of known contacts, or change the given parts of one."""
        await self._call("POST", "/room", {"id": room_id, "topic": topic, "members": members, "owner": owner, "aliases": aliases})

    async def scan(self, qrcode: str, status: int = 2) -> None:
        """Show a QR. 0 Unknown, 1 Cancel, 2 Waiting, 3 Scanned, 4 Confirmed, 5 Timeout."""
        await self._call("POST", "/scan", {"qrcode": qrcode, "status": status})

    async def login(self, contact_id: str, *, ready: bool = True) -> None:
        """Log an account in; an unknown contact is made."""
        await self._call("POST", "/login", {"id": contact_id, "ready": ready})

    async def logout(self, reason: str = "logged out on the phone") -> None:
        await self._call("POST", "/logout", {"reason": reason})

    async def message(  # noqa: PLR0913 - one parameter per property of a message
        self,
        sender: str,
        text: str = "",
        *,
        to: str | None = None,
        room: str | None = None,
        mention_ids: Sequence[str] = (),
        file: tuple[str, bytes] | None = None,
        message_id: str | None = None,
        message_type: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Arrived:
        """Let a message arrive at the account that is logged in: private, or in a room; from the account itself: give `to`."""
        body = {
            "from": sender,
            "text": text,
            "to": to,
            "room": room,
            "mention_ids": list(mention_ids),
            "file": file and {"name": file[0], "base64": base64.b64encode(file[1]).decode()},
            "id": message_id,
            "type": message_type,
            "timestamp": timestamp_ms,
        }
        said = await self._call("POST", "/message", body)
        return Arrived(id=said["id"], heard=said["heard"])

    async def emit(self, event: str, payload: Any = None) -> None:
        """Emit a raw puppet event. No payload: clients get an empty text where JSON should be."""
        await self._call("POST", "/emit", {"event": event, "payload": payload})

    async def fail(
        self, n: int = 1, *, error: str | None = None, mode: Literal["before", "after", "no_id", "hang"] = "before"
    ) -> None:
        """Make the next n sends go wrong: before anything is sent, after it was sent, sent but with no id, or never answered.

        n = 0 takes back what was ordered.
        """
        await self._call("POST", "/fail", {"n": n, "error": error, "mode": mode})

    async def delay(self, ms: float) -> None:
        """Hold every send back that long."""
        await self._call("POST", "/delay", {"ms": ms})

    async def down(self) -> None:
        """Take gRPC down; the process and this API stay."""
        await self._call("POST", "/down", {})

    async def up(self) -> None:
        await self._call("POST", "/up", {})

    async def wire(self, conversation_id: str, other: "Gateway") -> None:
        """Carry what is sent to a contact (or a room both know) over to the gateway where that account is logged in."""
        await self._call("POST", "/wire", {"contact_id": conversation_id, "control_url": other.control_url})

    async def state(self) -> State:
        return self._state(await self._call("GET", "/state"))

    @staticmethod
    def _state(raw: Mapping[str, Any]) -> State:
        plain = ("connected", "grpc_up", "login", "scan", "calls", "attempts", "sent", "wire_errors")
        return State(**{name: raw[name] for name in plain}, raw=raw)

    async def wait_until(
        self, condition: Literal["connected", "disconnected", "logged_in", "logged_out"], timeout_s: float = 15.0
    ) -> State:
        """Wait, for 30 s at most, for a client to hold the event stream (or not), or for the account.

        Raises:
            TimeoutError: It did not come about in time.
        """
        said = await self._call("GET", f"/state?until={condition}&wait_ms={timeout_s * 1000:.0f}")
        if not said["met"]:
            raise TimeoutError(f"not {condition} within {timeout_s} s: {await self.log_tail()}")
        return self._state(said)

    async def attempts(self) -> list[Attempt]:
        """Return every send that was asked for since the process started, in order."""
        said = await self._call("GET", "/attempts")
        return [Attempt(**attempt) for attempt in said["attempts"]]

    async def sent(self, after: int = 0) -> list[Sent]:
        """Return what clients sent, in order, from after a sequence number on; also from before a restart."""
        said = await self._call("GET", f"/sent?after={after}")
        return [Sent.of(record) for record in said["sent"]]

    async def clear_sent(self) -> None:
        await self._call("DELETE", "/sent")

    async def wait_sent(self, wanted: Callable[[Sent], bool], timeout_s: float = 15.0, *, after: int = 0) -> Sent:
        """Return the first message that is wanted, as soon as it is sent. Goes on through a restart of the gateway.

        Raises:
            TimeoutError: None came in time; what came instead is in the text.
        """
        seen: list[Sent] = []
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    try:
                        said = await self._call(
                            "GET", f"/sent?after={seen[-1].seq if seen else after}&wait_ms={timeout_s * 1000:.0f}"
                        )
                    except aiohttp.ClientError:
                        await asyncio.sleep(0.05)
                        continue
                    fresh = [Sent.of(record) for record in said["sent"]]
                    seen += fresh
                    for one in fresh:
                        if wanted(one):
                            return one
        except TimeoutError:
            came = [(one.conversation_id, one.kind, one.text or (one.file and one.file.name)) for one in seen]
            raise TimeoutError(f"nothing wanted was sent within {timeout_s} s; sent: {came}") from None
