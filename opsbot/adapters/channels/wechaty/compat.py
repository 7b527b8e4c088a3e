"""The part of the wechaty stack that is used, imported late and left untouched.

`pip install wechaty` brings four packages. Measured on 3.11, in a process with aiohttp, pydantic and structlog (2026-11-21):

    wechaty_grpc (the stub)     78 ms   +3 MB    44 modules   imports on 3.11, 3.12 and 3.13 as it is
    wechaty_puppet_service     291 ms  +14 MB   250 modules   needs pyee and telnetlib patched
    wechaty                   1230 ms  +58 MB   877 modules   needs pyee, urllib3, telnetlib and PuppetOptions patched

Only the stub is taken, over a channel of our own. The two layers above it cannot import on 3.11 or later without patching
other people's modules; they make loggers that do not propagate, write `.wechaty` into the working directory, share state between
bots, know neither TLS nor keepalive, and end their event loop on the first payload they do not expect. Rejected: patching them
into shape, and inert stand-ins for the web framework and the scheduler they import. Both break on the next release of a package
that is never used.
"""

import importlib
import inspect
from dataclasses import dataclass
from typing import Any


class IncompatibleWechatyError(ImportError):
    """Say which package of the wechaty stack is missing or has changed, and what to install."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WechatyWire:
    """What is needed to speak to a gateway; the names are those of the packages they come from.

    Untyped on purpose: neither wechaty_grpc nor betterproto carries types.
    """

    puppet_stub: Any
    channel: Any
    configuration: Any
    status: Any
    grpc_error: type[Exception]
    stream_terminated_error: type[Exception]


def load() -> WechatyWire:
    """Import the stub of the puppet service and the gRPC client under it.

    Costs about 80 ms at the first call, so only a process that has a wechaty channel pays for it. Prints nothing, reads no
    environment, writes no file, touches no logger.

    Raises:
        IncompatibleWechatyError: A package is missing, or is not of the generation the stub was made for.
    """
    try:
        client = importlib.import_module("grpclib.client")
        config = importlib.import_module("grpclib.config")
        const = importlib.import_module("grpclib.const")
        exceptions = importlib.import_module("grpclib.exceptions")
        stub = importlib.import_module("wechaty_grpc.wechaty").PuppetStub
    except Exception as exc:  # generated code fails at import in many ways when the library under it moves on
        mend = "pip install 'wechaty>=0.10.7' 'betterproto>=1.2.5,<2'"
        raise IncompatibleWechatyError(f"the wechaty stack does not import: {exc!r}; try: {mend}") from exc
    accepted = inspect.signature(stub.__init__).parameters
    if not {"metadata", "timeout"} <= accepted.keys():
        raise IncompatibleWechatyError("PuppetStub takes no metadata or timeout; try: pip install 'betterproto>=1.2.5,<2'")
    return WechatyWire(
        puppet_stub=stub,
        channel=client.Channel,
        configuration=config.Configuration,
        status=const.Status,
        grpc_error=exceptions.GRPCError,
        stream_terminated_error=exceptions.StreamTerminatedError,
    )
