r"""The records a bot writes about its own account, for its partner to read.

One line per record, in the words of the classic starter bots, which every reader of such logs understands:

    12:34:56 INFO StarterBot onScan: Waiting(2) - https://wechaty.js.org/qrcode/http%3A%2F%2Fweixin.qq.com%2Fx%2FAbC
    12:35:10 INFO StarterBot Contact<Bob> login as wxid_bob

With a pair key each record ends in a signature (`#opsbot=v1.NAME.AT_MS.MAC`, in a URL its fragment), which a partner with
the same key trusts. AT_MS (milliseconds since 1970) grows with every record, so that an old record cannot be played again.
"""

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from opsbot.core.chat import AccountEvent, AccountEventKind, ScanStatus

STATUS_NUMBERS = {
    ScanStatus.UNKNOWN: 0,
    ScanStatus.CANCEL: 1,
    ScanStatus.WAITING: 2,
    ScanStatus.SCANNED: 3,
    ScanStatus.CONFIRMED: 4,
    ScanStatus.TIMEOUT: 5,
}
"""wechaty-puppet 1.20, enum ScanStatus, read 2026-11."""

SIGNED_AT = re.compile(r"opsbot=v1\.[A-Za-z0-9_%-]+\.(\d{1,14})\.")
SIGNATURE = re.compile(r" ?#opsbot=v1\.(?P<name>[A-Za-z0-9_%-]+)\.(?P<at_ms>\d{1,15})\.(?P<mac>[A-Za-z0-9_-]{22})$")
MAC_BYTES = 16
MAX_NAME_CHARS = 80
FRESH_S = 600.0
"""An older signature is not trusted any more: its code has expired long since."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A record whose signature is right: who wrote it, when, and the record without the signature."""

    name: str
    at_ms: int
    text: str


def starter_record(event: AccountEvent, *, name: str, pair_key: str, at_ms: int) -> str:
    """Write an account event as one line (without its end), "" for an event that is no business of the log."""
    body = _starter_body(event)
    if not body:
        return ""
    return f"{event.at:%H:%M:%S} INFO StarterBot {_sign(body, name, pair_key, at_ms)}"


def json_record(event: AccountEvent, *, name: str, pair_key: str, at_ms: int) -> str:
    """Write an account event as one line of JSON: record, at, and its own fields; the signature is in `opsbot`."""
    fields = _json_fields(event)
    if not fields:
        return ""
    record = {"time": event.at.isoformat(timespec="milliseconds"), "bot": name, **fields}
    body = json.dumps(record, ensure_ascii=False, sort_keys=True)
    if pair_key:
        record["opsbot"] = _signature(body, name, pair_key, at_ms)
    return json.dumps(record, ensure_ascii=False, sort_keys=True)


def verify(text: str, pair_key: str, now: datetime) -> Signed | None:
    """Check the signature of a record, in either format; None when it has none, a wrong one, or an old one."""
    if not pair_key:
        return None
    if text.startswith("{"):
        return _verify_json(text, pair_key, now)
    found = SIGNATURE.search(text)
    if found is None:
        return None
    body = text[: found.start()]
    return _checked(_without_stamp(body), found.group().lstrip(" #"), body, pair_key, now)


def signed_at(text: str) -> datetime | None:
    """Say when a record claims to have been signed; only `verify` tells whether that is true."""
    found = SIGNED_AT.search(text)
    return datetime.fromtimestamp(int(found[1]) / 1000, UTC) if found else None


def _verify_json(text: str, pair_key: str, now: datetime) -> Signed | None:
    try:
        record = json.loads(text)
        signature = record.pop("opsbot")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    body = json.dumps(record, ensure_ascii=False, sort_keys=True)
    return _checked(body, str(signature), text, pair_key, now)


def _checked(body: str, signature: str, text: str, pair_key: str, now: datetime) -> Signed | None:
    found = SIGNATURE.search("#" + signature)
    if found is None:
        return None
    at_ms = int(found["at_ms"])
    expected = _mac(body, found["name"], pair_key, at_ms)
    if not hmac.compare_digest(expected, found["mac"]) or abs(now.timestamp() - at_ms / 1000) > FRESH_S:
        return None
    return Signed(unquote(found["name"]), at_ms, text)


def _sign(body: str, name: str, pair_key: str, at_ms: int) -> str:
    if not pair_key:
        return body
    gap = "" if "://" in body.rpartition(" ")[2] else " "  # an address may stand in a name as well
    return f"{body}{gap}#{_signature(f'INFO StarterBot {body}', name, pair_key, at_ms)}"


def _signature(body: str, name: str, pair_key: str, at_ms: int) -> str:
    quoted = quote(name, safe="").replace(".", "%2E").replace("~", "%7E")
    return f"opsbot=v1.{quoted}.{at_ms}.{_mac(body, quoted, pair_key, at_ms)}"


def _mac(body: str, quoted_name: str, pair_key: str, at_ms: int) -> str:
    message = f"{quoted_name}\n{at_ms}\n{body}".encode("utf-8", "surrogatepass")
    digest = hmac.new(pair_key.encode(), message, hashlib.sha256).digest()[:MAC_BYTES]
    return urlsafe_b64encode(digest).decode().rstrip("=")


def _without_stamp(text: str) -> str:
    """Drop what stands before the record: the signature covers the record, not the stamp of a log manager."""
    start = text.find("INFO StarterBot ")
    return text[start:] if start >= 0 else text


def _starter_body(event: AccountEvent) -> str:
    name = one_line(event.account_name or event.account_id)
    match event.kind:
        case AccountEventKind.LOGIN:
            account = f" as {one_line(event.account_id)}" if event.account_id else ""
            return f"Contact<{name}> login{account}"
        case AccountEventKind.LOGOUT:
            return f"Contact<{name}> logout"
        case AccountEventKind.SCAN:
            url = f" - https://wechaty.js.org/qrcode/{quote(event.payload, safe='')}" if event.payload else ""
            return f"onScan: {event.scan_status}({STATUS_NUMBERS[event.scan_status]}){url}"
        case _:
            return ""


def _json_fields(event: AccountEvent) -> dict[str, str]:
    account = {"account_id": event.account_id, "account_name": one_line(event.account_name)}
    match event.kind:
        case AccountEventKind.LOGIN:
            return {"record": "login", **account}
        case AccountEventKind.LOGOUT:
            return {"record": "logout", **account}
        case AccountEventKind.SCAN:
            return {"record": "scan", "status": str(event.scan_status), "payload": event.payload}
        case _:
            return {}


def one_line(text: str) -> str:
    r"""Make a name harmless in a log line: no line ends, no control characters, not endless.

    >>> one_line("Bob\n12:00:00 INFO StarterBot Contact<Eve> login")[:20]
    'Bob 12:00:00 INFO St'
    """
    plain = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(plain.split())[:MAX_NAME_CHARS]
