"""What a failed call means: the one place where errors of the gRPC stack become opsbot's own."""

import re
import ssl

from opsbot.adapters.channels.wechaty.compat import WechatyWire
from opsbot.adapters.channels.wechaty.gateway import Gateway
from opsbot.core.errors import ChannelError, ChannelUnavailableError, MessageRejectedError

MAX_REASON_CHARS = 200
NOBODY_THERE = re.compile(
    r"\b(contact|room|conversation|friend|user|wxid\S*|\S+@chatroom)\b.*"
    r"\b(not found|not exists?|not (in|a member of) (the )?room|not a friend|does(n't| not) exist|is unknown)\b"
    r"|\b(no such|unknown) (contact|room|conversation|friend|user)\b",
    re.IGNORECASE,
)
"""What puppets say about a chat that is not theirs; whatever else they say may pass."""
UNCERTAIN = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "ABORTED", "INTERNAL", "DATA_LOSS"})
"""Answers of the transport, not of the puppet: the call may have been carried out."""
IMPOSSIBLE = frozenset({"RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "UNIMPLEMENTED", "OUT_OF_RANGE"})


def fault_of(exc: BaseException, wire: WechatyWire, gateway: Gateway) -> ChannelError:
    """Translate what a call raised; the cause is kept unless it quotes the token."""
    fault = _translate(exc, wire, gateway)
    if gateway.token not in f"{exc!s}{exc!r}":
        fault.__cause__ = exc
    return fault


def connect_fault_of(exc: OSError, gateway: Gateway) -> ChannelUnavailableError:
    """Say why no connection came about, and what to mend."""
    where = f"the wechaty gateway {gateway.address}"
    if isinstance(exc, ssl.SSLCertVerificationError):
        told = f"the certificate of {where} is not believed ({exc.verify_message}); name its authority in tls_ca_file"
    elif isinstance(exc, ConnectionRefusedError):
        told = f"{where} is not running or not reachable: connection refused"
    elif isinstance(exc, ssl.SSLError) or (gateway.tls and isinstance(exc, ConnectionResetError)):
        told = f"{where} speaks no TLS, or another one ({_first_line(exc, gateway)}); if it runs without TLS, set tls: false"
    else:
        told = f"{where} cannot be reached: {_first_line(exc, gateway) or type(exc).__name__}"
    fault = ChannelUnavailableError(told)
    fault.__cause__ = exc
    return fault


def is_busy(exc: BaseException, wire: WechatyWire) -> bool:
    """Tell whether an event stream was refused because another client has it."""
    return isinstance(exc, wire.grpc_error) and _status(exc) == "ALREADY_EXISTS"


def _translate(exc: BaseException, wire: WechatyWire, gateway: Gateway) -> ChannelError:
    if isinstance(exc, wire.grpc_error):
        return _refusal(_status(exc), _first_line(exc, gateway), gateway)
    if isinstance(exc, wire.stream_terminated_error):
        return ChannelUnavailableError(f"the connection to the wechaty gateway {gateway.address} was lost", maybe_sent=True)
    if isinstance(exc, OSError) and not isinstance(exc, TimeoutError):
        return connect_fault_of(exc, gateway)
    reason = f"{type(exc).__name__}: {_first_line(exc, gateway)}"
    return ChannelUnavailableError(f"the wechaty gateway {gateway.address} answers strangely ({reason})", maybe_sent=True)


def _refusal(status: str, said: str, gateway: Gateway) -> ChannelError:
    if status == "UNAUTHENTICATED":
        return ChannelUnavailableError(f"the wechaty gateway {gateway.address} refuses the token; check token or token_file")
    if status == "ALREADY_EXISTS":
        return ChannelUnavailableError(f"another client holds the event stream of the wechaty gateway {gateway.address}")
    if status in IMPOSSIBLE or (status == "UNKNOWN" and NOBODY_THERE.search(said)):
        return MessageRejectedError(f"the wechaty gateway rejects it: {said or status}")
    return ChannelUnavailableError(f"the wechaty gateway failed: {said or status}", maybe_sent=status in UNCERTAIN)


def _status(exc: BaseException) -> str:
    return str(getattr(getattr(exc, "status", None), "name", ""))


def _first_line(exc: BaseException, gateway: Gateway) -> str:
    """Give what was said without the stack trace of the gateway, and without the token."""
    said = str(getattr(exc, "message", None) or exc).strip()
    line = said.splitlines()[0] if said else ""
    return line.removeprefix("Error: ").replace(gateway.token, "…")[:MAX_REASON_CHARS]
