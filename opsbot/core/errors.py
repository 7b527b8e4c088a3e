"""Every error that opsbot raises on purpose, by who has to act.

OpsbotError
├── ConfigError               the operator must edit the configuration (or the machine)
├── CommandError              the person in the chat must act; its text is shown to them
│   └── UsageError            … because the arguments do not fit the command
├── StateError                the state directory cannot be used (locked, corrupt, full)
├── OperationLoadError        one file of operations cannot be used; the others run
├── SourceUnavailableError    a log cannot be read just now
└── ChannelError              a chat platform failed
    ├── ChannelUnavailableError   transient: try again later
    └── MessageRejectedError      permanent: this message will never be accepted

Anything else that is raised is a bug.
"""

from dataclasses import dataclass


class OpsbotError(Exception):
    """The root: catch it to catch what opsbot raises on purpose, and no bug."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a configuration, as an operator reads it.

    `line` counts from 1; 0 means that the problem belongs to no line.
    """

    file: str
    line: int
    key: str
    reason: str
    allowed: str = ""

    def __str__(self) -> str:
        """Give the one line that `opsbot check` prints."""
        mend = f"; {self.allowed}" if self.allowed else ""
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: {self.reason}{mend}"


class ConfigError(OpsbotError):
    """The configuration, or the machine it describes, must be changed before opsbot can run."""

    def __init__(self, *problems: Problem) -> None:
        """Keep all problems, so that they are mended in one go."""
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class CommandError(OpsbotError):
    """A command cannot be carried out; the text is what the person in the chat reads."""


class UsageError(CommandError):
    """The arguments do not fit the command; the text names the argument and shows the usage."""


class StateError(OpsbotError):
    """The state directory cannot be used: locked by another instance, not writable, or corrupt."""


class OperationLoadError(OpsbotError):
    """A file of operations cannot be used; the text says why and what to mend."""


class SourceUnavailableError(OpsbotError):
    """A log cannot be read just now; the watcher tries again."""


class ChannelError(OpsbotError):
    """A chat platform failed; the subclass says whether trying again can help."""


class ChannelUnavailableError(ChannelError):
    """The channel is away or busy: the same message may be accepted later.

    `retry_after_s` is what the platform asked for, if it did. `maybe_sent` is true when the message may
    have arrived although no answer did (a time-out after the request left).
    """

    def __init__(self, reason: str, *, retry_after_s: float | None = None, maybe_sent: bool = False) -> None:
        """Say why, and what is known about a retry."""
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.maybe_sent = maybe_sent


class MessageRejectedError(ChannelError):
    """The platform will never accept this message: wrong chat, too large, forbidden."""
