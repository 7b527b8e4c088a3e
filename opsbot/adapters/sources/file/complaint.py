"""Says once that a log cannot be read, and once that it can again."""

from collections.abc import Iterable

import structlog

from opsbot.adapters.sources.file.place import has_wildcard

_MISSING_S = 2.0
_log = structlog.get_logger(__name__)


class Complaints:
    """Remembers what was complained about."""

    def __init__(self, source: str) -> None:
        """Have no complaints."""
        self._source = source
        self._reasons: dict[str, str] = {}
        self._absent_since_s: dict[str, float] | None = None

    def lost(self, path: str, reason: str) -> None:
        """Say that a path cannot be read, unless the same was said before."""
        if self._reasons.get(path) != reason:
            self._reasons[path] = reason
            _log.warning("log_lost", source=self._source, path=path, reason=reason)

    def absent(self, patterns: Iterable[str], now_s: float) -> None:
        """Say which paths and patterns no file stands at; not at once: a log is often missing for a moment while it rotates."""
        before = self._absent_since_s
        since_s = now_s - _MISSING_S if before is None else now_s  # what is not there at the start is no rotation
        self._absent_since_s = {pattern: (before or {}).get(pattern, since_s) for pattern in patterns}
        for pattern in (before or {}).keys() - self._absent_since_s.keys():
            self.back(pattern)
        for pattern, missing_s in self._absent_since_s.items():
            if now_s - missing_s >= _MISSING_S and pattern not in self._reasons:
                self.lost(pattern, "no file matches" if has_wildcard(pattern) else "missing")

    def back(self, path: str) -> None:
        """Say that a path can be read again, if it was complained about."""
        if self._reasons and self._reasons.pop(path, None) is not None:
            _log.info("log_back", source=self._source, path=path)
