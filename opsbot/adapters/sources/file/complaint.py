"""Says once that a log cannot be read, and once that it can again."""

import structlog

_log = structlog.get_logger(__name__)


class Complaints:
    """Remembers what was complained about."""

    def __init__(self, source: str) -> None:
        """Have no complaints."""
        self._source = source
        self._reasons: dict[str, str] = {}

    def lost(self, path: str, reason: str) -> None:
        """Say that a path cannot be read, unless the same was said before."""
        if self._reasons.get(path) != reason:
            self._reasons[path] = reason
            _log.warning("log_lost", source=self._source, path=path, reason=reason)

    def has(self, path: str) -> bool:
        """Say whether there is a complaint about a path."""
        return path in self._reasons

    def back(self, path: str) -> None:
        """Say that a path can be read again, if it was complained about."""
        if self._reasons and self._reasons.pop(path, None) is not None:
            _log.info("log_back", source=self._source, path=path)
