"""How much of a flood is let through, and when the rest is to be told as a number."""

import math
from dataclasses import dataclass

BURST = 1000
PER_MINUTE = 1200
"""A rule may match so often at once, and so often a minute in the long run: more than anybody reads, less than a loop of
errors writes."""
SAY_EVERY_S = 60.0
CALM_S = 5.0
"""A flood is over when nothing was kept back for so long."""
_MINUTE_S = 60.0


@dataclass(slots=True)
class Flood:
    """A token bucket that counts what it keeps back; all instants are monotonic seconds.

    `kept_back` is all of it since the beginning, `untold` is what has not been told yet, `lost_bytes` belongs to that. A number
    is told when the flood is over, and every `say_every_s` while it lasts, and never more often than that.

    >>> flood = Flood(burst=1, per_minute=60)
    >>> [flood.lets_through(at_s) for at_s in (0.0, 0.5, 1.0)], flood.untold, flood.due_at_s
    ([True, False, True], 1, 5.5)
    """

    burst: float = BURST
    per_minute: float = PER_MINUTE
    say_every_s: float = SAY_EVERY_S
    kept_back: int = 0
    untold: int = 0
    lost_bytes: int = 0
    _tokens: float = math.inf
    _filled_at_s: float = -math.inf
    _since_s: float = 0.0
    _last_s: float = 0.0
    _told_at_s: float = -math.inf

    def lets_through(self, now_s: float) -> bool:
        """Decide about one more; this is all that is done for what is kept back, and there may be a million of it."""
        if now_s > self._filled_at_s:
            self._tokens = min(self.burst, self._tokens + (now_s - self._filled_at_s) * self.per_minute / _MINUTE_S)
            self._filled_at_s = now_s
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return True
        if not self.untold:
            self._since_s = now_s
        self._last_s = now_s
        self.untold += 1
        self.kept_back += 1
        return False

    def is_over(self, now_s: float) -> bool:
        """Say whether it is as good as new: nothing to tell, and a whole burst would be let through."""
        return not self.untold and self._tokens + (now_s - self._filled_at_s) * self.per_minute / _MINUTE_S >= self.burst

    @property
    def due_at_s(self) -> float:
        """Say when what is untold is to be told, infinity when there is nothing."""
        if not self.untold:
            return math.inf
        return max(min(self._last_s + CALM_S, self._since_s + self.say_every_s), self._told_at_s + self.say_every_s)

    def seconds(self, now_s: float) -> int:
        """Say in how many seconds the untold ones came, at least 1."""
        return max(1, math.ceil(now_s - self._since_s))

    def tell(self, count: int, lost_bytes: int, now_s: float) -> None:
        """Note that so many were told; others may have come meanwhile."""
        self.untold -= count
        self.lost_bytes -= lost_bytes
        self._since_s = self._told_at_s = now_s
