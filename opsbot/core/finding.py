"""What a check-up found."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is: only FAIL keeps the bot from doing its job."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check; `check_id` is stable over versions, `mend` says what to do about it."""

    check_id: str
    level: Level
    text: str
    mend: str = ""

    def __str__(self) -> str:
        """Give the line that `opsbot doctor` prints."""
        mend = f"; {self.mend}" if self.mend else ""
        return f"{self.level:4} {self.check_id}: {self.text}{mend}"
