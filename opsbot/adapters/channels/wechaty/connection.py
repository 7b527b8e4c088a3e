"""One connection to a gateway: calls with a bound, the event stream, and a way out that never hangs."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

from opsbot.adapters.channels.wechaty.compat import WechatyWire
from opsbot.adapters.channels.wechaty.fault import connect_fault_of, fault_of, is_busy
from opsbot.adapters.channels.wechaty.gateway import Gateway, Patience
from opsbot.core.errors import ChannelError, ChannelUnavailableError


class Connection:
    """Speaks through the stub of the puppet service, which is untyped: answers are `Any`.

    Each call runs in a task of its own in `tasks`. The gRPC library ends calls by cancelling the task that waits and turning that
    into an error, which would leave the cancellation counted in the caller's task, where TaskGroup and timeout would find it.
    """

    def __init__(self, wire: WechatyWire, gateway: Gateway, patience: Patience, tasks: asyncio.TaskGroup) -> None:
        self._wire = wire
        self._gateway = gateway
        self._patience = patience
        self._tasks = tasks
        self._calls: set[asyncio.Task[Any]] = set()
        self._channel: Any = None
        self._stub: Any = None
        self._transport: asyncio.Transport | None = None
        self.is_open = False
        self.was_refused_as_busy = False

    async def open(self) -> None:
        """Connect, without saying anything yet.

        Raises:
            ChannelUnavailableError: nobody is there, or no TLS comes about.
        """
        try:
            context = await asyncio.to_thread(self._gateway.tls_context)
        except OSError as exc:
            raise ChannelUnavailableError(f"tls_ca_file {self._gateway.tls_ca_file} cannot be used: {exc}") from exc
        try:
            async with asyncio.timeout(self._patience.connect_s):
                await self._connect(context)
        except TimeoutError as exc:
            raise ChannelUnavailableError(f"the wechaty gateway {self._gateway.address} does not answer") from exc
        except OSError as exc:
            raise connect_fault_of(exc, self._gateway) from exc
        self._stub = self._wire.puppet_stub(self._channel, metadata={"authorization": f"Wechaty {self._gateway.token}"})
        self.is_open = True

    async def _connect(self, context: ssl.SSLContext | None) -> None:
        *others, last = self._gateway.server_names if context else ("",)
        for name in others:
            try:
                return await self._connect_as(context, name)
            except ssl.SSLCertVerificationError:
                self.close()  # it bears another name: try the next one
        await self._connect_as(context, last)
        return None

    async def _connect_as(self, context: ssl.SSLContext | None, server_name: str) -> None:
        patience = self._patience
        self._channel = self._wire.channel(
            self._gateway.host,
            self._gateway.port,
            ssl=context,
            config=self._wire.configuration(
                ssl_target_name_override=server_name or None,
                _keepalive_time=patience.ping_every_s,
                _keepalive_timeout=patience.pong_within_s,
                _keepalive_permit_without_calls=True,
                # The library's defaults stop after two pings, and wait five minutes between them.
                _http2_max_pings_without_data=0,
                _http2_min_sent_ping_interval_without_data=patience.ping_every_s / 2,
            ),
        )
        protocol = await self._channel.__connect__()  # on its own, so that nobody-there and not-allowed are told apart
        self._transport = protocol.connection._transport  # noqa: SLF001 - the only way to drop bytes that a dead peer never takes
        self._bound_silence(self._transport)

    def _bound_silence(self, transport: asyncio.Transport | None) -> None:
        """Let the kernel give up on unacknowledged bytes: a ping's timeout alone waits for them to be written."""
        sock = transport.get_extra_info("socket") if transport else None
        if sock is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            silence_ms = int((self._patience.ping_every_s + self._patience.pong_within_s) * 1000)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silence_ms)

    def close(self) -> None:
        """Drop everything at once; calls that still wait fail. Idempotent."""
        self.is_open = False
        for call in self._calls:
            call.cancel()
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    async def call(self, method: str, *, within_s: float | None = None, **arguments: object) -> Any:  # noqa: ANN401 - untyped stub
        """Ask the gateway something.

        Raises:
            ChannelUnavailableError: no answer, or one that may be another one later.
            MessageRejectedError: the answer will always be no.
        """
        if not self.is_open:
            raise ChannelUnavailableError(f"the wechaty gateway {self._gateway.address} is not connected")
        patience_s = within_s or self._patience.call_s
        call = self._tasks.create_task(self._attempt(method, arguments), name=f"call:{method}")
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        try:
            await asyncio.wait({call}, timeout=patience_s)
        finally:
            call.cancel()
        if not call.done():
            raise ChannelUnavailableError(f"the wechaty gateway did not answer within {patience_s:g} s", maybe_sent=True)
        if call.cancelled():
            raise ChannelUnavailableError("the connection to the wechaty gateway was closed", maybe_sent=True)
        outcome = call.result()
        if isinstance(outcome, ChannelError):
            raise outcome
        return outcome

    async def _attempt(self, method: str, arguments: dict[str, object]) -> Any:  # noqa: ANN401 - untyped stub
        """Give the answer, or the error as a value: raised, it would end the whole group of tasks."""
        try:
            return await getattr(self._stub, method)(**arguments)
        except Exception as exc:  # noqa: BLE001 - only the library runs in here, and it raises what h2, ssl and betterproto raise
            return fault_of(exc, self._wire, self._gateway)

    async def listen(self, take: Callable[[int, str], None]) -> ChannelUnavailableError:
        """Hand every event to `take` until the stream ends; give the reason why it did."""
        events = self._stub.event()
        while True:
            try:
                event = await anext(events)
            except StopAsyncIteration:
                return ChannelUnavailableError(
                    f"another client took over the wechaty gateway {self._gateway.address}; only one can be connected",
                    retry_after_s=self._patience.busy_retry_s,
                )
            except Exception as exc:  # noqa: BLE001 - as above
                self.was_refused_as_busy = is_busy(exc, self._wire)
                fault = fault_of(exc, self._wire, self._gateway)
                return fault if isinstance(fault, ChannelUnavailableError) else ChannelUnavailableError(str(fault))
            take(event.type, event.payload)
