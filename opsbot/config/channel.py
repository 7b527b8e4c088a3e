"""`channels:`, one model per kind."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from opsbot.config.address import Address
from opsbot.config.refusal import refusal
from opsbot.config.scalar import ResolvedPath, Text
from opsbot.config.settings import Settings
from opsbot.core.operation import Risk

MaxRisk = Annotated[Risk, Field(strict=False)]


def _check_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text.strip() or not text.isprintable():
        raise refusal("is empty or holds a control character", "printable text on one line")
    return secret


def _check_url(secret: SecretStr) -> SecretStr:
    if "://" not in secret.get_secret_value():
        raise refusal("is no Apprise URL", "SCHEME://…, such as ntfy://TOPIC")
    return secret


def _check_port(address: Address) -> Address:
    if address.port == 0:
        raise refusal("has port 0", "the port of a server that runs")
    return address


def _check_loopback(address: Address) -> Address:
    if not address.is_loopback:
        raise refusal("is not on this machine", "a loopback address, such as 127.0.0.1:9000")
    return address


Secret = Annotated[SecretStr, AfterValidator(_check_secret)]
PeerAddress = Annotated[Address, AfterValidator(_check_port)]


class WechatySettings(Settings):
    """A WeChat account behind a Wechaty gateway.

    `token_file` is what the file said; `token` holds the secret either way.
    """

    kind: Literal["wechaty"]
    endpoint: PeerAddress = Field(description="HOST:PORT of the Wechaty gateway")
    token: Secret = Field(description="token: ${VARIABLE}, or token_file: PATH")
    token_file: ResolvedPath | None = None
    tls: bool = True
    tls_ca_file: ResolvedPath | None = None
    dangerously_plaintext_gateway: bool = False
    account: Text = ""
    max_risk: MaxRisk = Risk.WRITE


class LocalSettings(Settings):
    """The embedded chat: the page and `opsbot chat`."""

    kind: Literal["local"]
    listen: Address = Address("127.0.0.1", 8010)
    dangerously_listen_anywhere: bool = False
    metrics_open: bool = False
    max_risk: MaxRisk = Risk.DANGER


class AppriseSettings(Settings):
    """A way out through Apprise: whatever is sent goes to its URL; nobody has an id there and nothing comes in."""

    kind: Literal["apprise"]
    url: Annotated[Secret, AfterValidator(_check_url)] = Field(description="url: ${VARIABLE}, or url_file: PATH")
    url_file: ResolvedPath | None = None


class SimulatedSettings(Settings):
    """An account of a simulated platform on this machine, for rehearsals and tests."""

    kind: Literal["simulated"]
    hub: Annotated[PeerAddress, AfterValidator(_check_loopback)] = Field(description="127.0.0.1:PORT of the simulated platform")
    account: Text = Field(description="the id of the account that logs in there")
    max_risk: MaxRisk = Risk.DANGER


ChannelSettings = Annotated[
    WechatySettings | LocalSettings | AppriseSettings | SimulatedSettings,
    Field(discriminator="kind"),
]
KINDS: dict[str, type[Settings]] = {
    "wechaty": WechatySettings,
    "local": LocalSettings,
    "apprise": AppriseSettings,
    "simulated": SimulatedSettings,
}
SECRET_KEYS = {"wechaty": "token", "apprise": "url"}
"""The key of each kind that holds a secret, and may be replaced by its `_file` twin."""
