"""The tokens of the local channel: one per person, and one for whoever reads the metrics."""

import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from opsbot.core.errors import StateError

FILE_NAME = "local-tokens.json"
METRICS = "#metrics"
"""The key of the metrics token in the file; no person's id may begin with `#`."""

_TOKEN_BYTES = 32


class Tokens:
    """Who owns which token."""

    def __init__(self, by_owner: Mapping[str, str]) -> None:
        """Take the content of the file."""
        self._by_owner = dict(by_owner)

    @classmethod
    def prepare(cls, state_dir: Path, people: Iterable[str]) -> Self:
        """Read the file, and give everybody who has none a token. Blocking.

        Tokens of people who are no longer there are dropped: taking somebody out of the configuration takes the
        token away for good.

        Raises:
            StateError: the file cannot be read, understood or written.
        """
        path = state_dir / FILE_NAME
        known = read_tokens(state_dir) if path.exists() else {}
        wanted = {owner: known.get(owner) or secrets.token_urlsafe(_TOKEN_BYTES) for owner in (*people, METRICS)}
        try:
            if wanted != known:
                _write(path, wanted)
            path.chmod(0o600)
        except OSError as exc:
            raise StateError(f"{path} cannot be written: {exc.strerror}; give opsbot the directory, or free space") from exc
        return cls(wanted)

    def person_of(self, token: str) -> str | None:
        """Say which person a token belongs to; takes the same time whatever the token is."""
        owner = None
        for name, known in self._by_owner.items():
            if _same(known, token) and name != METRICS:
                owner = name
        return owner

    def opens_metrics(self, token: str) -> bool:
        """Tell whether a token is the one for the metrics."""
        return _same(self._by_owner.get(METRICS, ""), token)

    def of(self, person: str) -> str:
        """Give a person's token."""
        return self._by_owner[person]


def read_tokens(state_dir: Path) -> Mapping[str, str]:
    """Give the token of each person id of this daemon, for a client on the same machine. Blocking.

    Raises:
        StateError: there is no such file yet, it is not ours to read, or it is damaged.
    """
    path = state_dir / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise StateError(
            f"{path} cannot be read: {exc.strerror}; it is made when opsbot starts, and only its user may read it"
        ) from exc
    except ValueError as exc:
        raise StateError(f"{path} is damaged; remove it, and opsbot makes new tokens at its next start") from exc
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise StateError(f"{path} is damaged; remove it, and opsbot makes new tokens at its next start")
    return content


def _same(known: str, token: str) -> bool:
    return bool(known) and hmac.compare_digest(known.encode(), token.encode("utf-8", "surrogateescape"))


def _write(path: Path, tokens: Mapping[str, str]) -> None:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(tokens, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
