"""The first question about a message: is it one that may be read as a command at all?"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from opsbot.core.chat import IncomingMessage

MAX_AGE_S = 60.0
"""What is older is not executed: a platform that reconnects delivers what was said long ago."""
FUTURE_TOLERANCE_S = 60.0
SETTLE_S = 1.0
"""So long after a login, what arrives may be history that the platform replays."""


class Refusal(StrEnum):
    """Why a message is not read as a command."""

    OWN_ECHO = "own_echo"
    NOT_MENTIONED = "not_mentioned"
    NOT_SETTLED = "not_settled"
    TOO_OLD = "too_old"
    TOO_MANY = "too_many"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Login:
    """What is known of a channel's account: whether it needs one, and since when it is logged in."""

    is_needed: bool = False
    since_at: datetime | None = None


def reason_to_refuse(message: IncomingMessage, login: Login) -> Refusal | None:
    """Say why a message must not be executed, None when nothing about it speaks against it.

    Both stamps are compared as they are: a platform's clock that is wrong by more than a minute refuses everything, and the
    answer to a granted person says by how much the clocks differ.
    """
    if message.is_own:
        return Refusal.OWN_ECHO
    if message.chat.is_room and not message.mentions_bot:
        return Refusal.NOT_MENTIONED
    if login.is_needed and (login.since_at is None or message.received_at < login.since_at + timedelta(seconds=SETTLE_S)):
        return Refusal.NOT_SETTLED
    age_s = age_of(message)
    if age_s > MAX_AGE_S or age_s < -FUTURE_TOLERANCE_S:
        return Refusal.TOO_OLD
    return None


def age_of(message: IncomingMessage) -> float:
    """Say how many seconds lie between the platform's stamp and ours."""
    return (message.received_at - message.sent_at).total_seconds()


@dataclass(slots=True)
class Rate:
    """A token bucket per sender: `burst` messages at once, then one every `every_s` seconds; remembers 1000 senders."""

    burst: int = 20
    every_s: float = 1.0
    _spent: dict[str, tuple[float, float]] | None = None

    def admits(self, sender: str, now_s: float) -> bool:
        """Tell whether the sender's next message is within the rate, and count it if so."""
        spent = self._spent = self._spent if self._spent is not None else {}
        level, at_s = spent.pop(sender, (0.0, now_s))
        level = max(0.0, level - (now_s - at_s) / self.every_s)
        admitted = level + 1 <= self.burst
        spent[sender] = (level + 1 if admitted else level, now_s)
        if len(spent) > 1000:  # noqa: PLR2004 - said in the docstring
            spent.pop(next(iter(spent)))
        return admitted
