"""Where a gateway is, how it is spoken to, and how long anything may take."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

STOCK_SERVER_NAME = "insecure"
"""The name in the certificate that every gateway has by default (wechaty-puppet-service 1.19, `src/auth`, 2026-11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Bounds in seconds. The port allows 30 for entering (one connection, at most three calls) and 30 for sending.

    A gateway that hangs is noticed after at most `ping_every_s` + `pong_within_s`.
    """

    connect_s: float = 6.0
    call_s: float = 7.0
    login_s: float = 1.0
    name_s: float = 3.0
    send_s: float = 25.0
    contacts_s: float = 120.0
    ping_every_s: float = 10.0
    pong_within_s: float = 5.0
    busy_retry_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """One gateway: its address and the secret that opens it.

    `tls_ca_file` holds the certificates that are believed; None believes those of the system.
    """

    host: str
    port: int
    token: str = field(repr=False)
    tls: bool
    tls_ca_file: Path | None = None

    @property
    def address(self) -> str:
        """HOST:PORT, for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def server_names(self) -> tuple[str, ...]:
        """The names that its certificate may bear; one of them must fit.

        The stock name counts only with a CA file of the owner's: no public authority would sign it.
        """
        return (self.host, STOCK_SERVER_NAME) if self.tls_ca_file else (self.host,)

    def tls_context(self) -> ssl.SSLContext | None:
        """Read the certificates. Blocking: called in a thread.

        Raises:
            OSError: the CA file cannot be read or holds no certificate (`ssl.SSLError`).
        """
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.tls_ca_file)
        context.set_alpn_protocols(["h2"])
        if self.tls_ca_file is not None:
            # Authorities that people make themselves, and wechaty's own, lack the key usage that 3.13 insists on.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


def gateway_at(endpoint: str, token: str, *, tls: bool, tls_ca_file: Path | None) -> Gateway:
    """Take HOST:PORT apart.

    >>> gateway_at("[::1]:8788", "t", tls=False, tls_ca_file=None).address
    '[::1]:8788'
    """
    host, _, port = endpoint.rpartition(":")
    return Gateway(host=host.strip("[]"), port=int(port), token=token, tls=tls, tls_ca_file=tls_ca_file)
