"""The names an operation may import, and no others.

An operation is a class whose fields are its settings and whose hooks are all optional; see docs/writing-operations.md.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from opsbot.core.account_reading import (
    JSON,
    LOGIN,
    LOGIN_HOSTS,
    LOGOUT,
    SCAN,
    AccountRecord,
    RecordKind,
    is_login_payload,
    record_of,
)
from opsbot.core.account_record import one_line
from opsbot.core.change import Json
from opsbot.core.chat import Chat, ScanStatus
from opsbot.core.context import CommandHelp, Context, Execution, Part, Person
from opsbot.core.errors import CommandError
from opsbot.core.log import LogEvent, Rule
from opsbot.core.notification import Notification, Severity
from opsbot.core.operation import NamedCommand, Operation, Risk, command, every, prefix
from opsbot.core.output import File, Image, Markdown, Output, QrCode


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as exc:
        raise ValueError(f"no regular expression: {exc}") from None
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]
"""A regular expression as Python's `re` reads it."""

ProcessName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,127}$")]
"""The name of a process: letters, digits, `_ . @ -`, and never an option."""

ACCOUNT_PATTERNS = {"scan": SCAN, "login": LOGIN, "logout": LOGOUT, "json": JSON}
"""What a bot's records about its own account look like, by the name under which `record_of` reads them."""

__all__ = [
    "ACCOUNT_PATTERNS",
    "LOGIN_HOSTS",
    "AccountRecord",
    "Chat",
    "CommandError",
    "CommandHelp",
    "Context",
    "Execution",
    "Field",
    "File",
    "Image",
    "Json",
    "LogEvent",
    "Markdown",
    "NamedCommand",
    "Notification",
    "Operation",
    "Output",
    "Part",
    "Pattern",
    "Person",
    "ProcessName",
    "QrCode",
    "RecordKind",
    "Risk",
    "Rule",
    "ScanStatus",
    "Severity",
    "command",
    "every",
    "is_login_payload",
    "one_line",
    "prefix",
    "record_of",
]
