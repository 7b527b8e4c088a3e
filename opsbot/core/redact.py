"""Mask what must not be read: secrets the daemon knows, and login payloads wherever they turn up."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

MASK = "[masked]"
SHORTEST_SECRET = 6
"""Shorter values would mask half of what people write."""

LOGIN_PAYLOAD = re.compile(
    r"https?(?::|%3A)(?:/|%2F){2}(?:login\.weixin\.qq\.com|login\.wechat\.com|weixin\.qq\.com)(?:/|%2F)[^\s\"'<>]+"
    r"|https://wechaty\.js\.org/qrcode/[^\s\"'<>]+"
    r"|https://api\.qrserver\.com/[^\s\"'<>]+",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Redactor:
    """Masks known secret values and login payloads in a text.

    >>> Redactor(["hunter2hunter2"]).mask("token=hunter2hunter2 http://weixin.qq.com/x/AbC")
    'token=[masked] [masked]'
    """

    secrets: Iterable[str] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Compile the known values into one pattern, longest first so that no secret hides in another."""
        values = sorted({secret for secret in self.secrets if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True)
        pattern = re.compile("|".join(re.escape(value) for value in values)) if values else None
        object.__setattr__(self, "_known", pattern)

    def mask(self, text: str) -> str:
        """Give the text with every secret replaced."""
        known: re.Pattern[str] | None = getattr(self, "_known", None)
        masked = known.sub(MASK, text) if known else text
        return LOGIN_PAYLOAD.sub(MASK, masked)
