r"""Read what a bot wrote about its own account, whoever wrote the bot.

A record is recognised only when it is the whole line: after the stamps that log managers put in front (pm2's
`--time`, brolog's `HH:MM:SS`, ANSI colours) the line must begin with `INFO NAME ` and end with the record. So nothing
that somebody says in a chat, and that a bot logs inside another record, is ever taken for one. What stands on a line of
its own may still be forged (a chat message can hold line ends): who acts on a record looks at its signature, or at
another sign.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, unquote, urlsplit

from opsbot.core.chat import ScanStatus

_ANSI = r"(?:\x1b\[[0-9;]*m)*"
# Between two runs of colours there is always something else: two runs in a row would take cubic time over a coloured line.
_STAMPS = (
    rf"(?:\d+\|[^|\n]{{1,64}}\| {_ANSI})?"  # pm2 logs
    r"(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|[+-]\d\d:?\d\d))?:? "  # pm2 --time, --log-date-format
    rf"{_ANSI})?"
    rf"(?:\d\d:\d\d:\d\d {_ANSI})?"  # brolog
)
_HEAD = rf"^{_ANSI}{_STAMPS}INFO{_ANSI} {_ANSI}\w{{1,64}}{_ANSI} {_ANSI}"
_TAIL = rf"(?: ?#opsbot=\S{{1,400}})?{_ANSI}\s{{0,100}}$"

SCAN = (
    _HEAD
    + r"onScan: (?P<status>Unknown|Cancel|Waiting|Scanned|Confirmed|Timeout)\(\d\)(?: - (?P<url>[^\s\x1b]{0,4000}))?"
    + _TAIL
)
LOGIN = _HEAD + r"Contact(?:Self)?<(?P<name>.{0,200})> login(?: as (?P<account>[^\s\x1b]{1,200}))?" + _TAIL
LOGOUT = _HEAD + r"Contact(?:Self)?<(?P<name>.{0,200})> logout(?: as (?P<account>[^\s\x1b]{1,200}))?" + _TAIL
JSON = r'^\{.*"record": ?"(?:scan|login|logout)"'

LOGIN_HOSTS = ("login.weixin.qq.com", "login.wechat.com", "weixin.qq.com")
"""The hosts of WeChat's login codes, as web, iPad and Windows puppets give them (read 2026-11)."""
MAX_PAYLOAD_CHARS = 2000
"""A QR code holds 2953 bytes at most, and one of more than a few hundred is no login code."""


class RecordKind(StrEnum):
    """What a record tells."""

    SCAN = "scan"
    LOGIN = "login"
    LOGOUT = "logout"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRecord:
    """One thing a bot wrote about its account; `payload` is the text of the login code, "" if there is none."""

    kind: RecordKind
    status: ScanStatus = ScanStatus.UNKNOWN
    payload: str = ""
    name: str = ""
    account: str = ""


def payload_of(url: str) -> str:
    """Unwrap the text of a login code from the address under which a bot shows it as a picture.

    >>> payload_of("https://wechaty.js.org/qrcode/http%3A%2F%2Fweixin.qq.com%2Fx%2FAbC#opsbot=v1.bob.1.x")
    'http://weixin.qq.com/x/AbC'
    >>> payload_of("https://api.qrserver.com/v1/create-qr-code/?data=http%3A%2F%2Fweixin.qq.com%2Fx%2FAbC&size=220x220")
    'http://weixin.qq.com/x/AbC'
    """
    bare = url.partition("#opsbot=")[0]
    try:
        parts = urlsplit(bare)
    except ValueError:
        return bare
    if parts.hostname == "wechaty.js.org" and parts.path.startswith("/qrcode/"):
        return unquote(bare.partition("/qrcode/")[2])
    if parts.hostname == "api.qrserver.com":
        return next(iter(parse_qs(parts.query).get("data", [])), "")
    return bare


def is_login_payload(payload: str, hosts: tuple[str, ...] = LOGIN_HOSTS) -> bool:
    """Tell whether a payload leads to a host that hands out login codes; the parsed host is compared, whole.

    >>> is_login_payload("https://login.weixin.qq.com/l/AbC=="), is_login_payload("https://login.weixin.qq.com@evil.example/")
    (True, False)
    """
    if not payload.isascii() or not payload.isprintable() or len(payload) > MAX_PAYLOAD_CHARS or "\\" in payload:
        return False
    try:
        parts = urlsplit(payload)
        has_port = parts.port is not None
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or parts.username is not None or has_port:
        return False
    return parts.hostname in hosts


def record_of(rule: str, groups: Mapping[str, str], fields: Mapping[str, object]) -> AccountRecord | None:
    """Read a matched record: `rule` is one of `scan`, `login`, `logout`, `json`; None when it says nothing.

    `groups` are those of SCAN, LOGIN and LOGOUT; an operator's own pattern may have fewer. `fields` are a JSON record's.
    """
    if rule == "json":
        values = {key: value for key, value in fields.items() if isinstance(value, str)}
        if values.get("record") not in list(RecordKind):
            return None
        return _record(RecordKind(values["record"]), values, values.get("payload", ""))
    return _record(RecordKind(rule), groups, payload_of(groups.get("url", "")))


def _record(kind: RecordKind, values: Mapping[str, str], payload: str) -> AccountRecord:
    status = values.get("status", "Waiting")
    return AccountRecord(
        kind=kind,
        status=ScanStatus(status) if status in list(ScanStatus) else ScanStatus.WAITING,
        payload=payload if kind is RecordKind.SCAN else "",
        name=values.get("account_name", values.get("name", "")),
        account=values.get("account_id", values.get("account", "")),
    )
