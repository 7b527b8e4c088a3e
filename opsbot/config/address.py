"""A host and a port."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from opsbot.config.refusal import refusal

_FORM = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)):(?P<port>[0-9]{1,5})")
_MAX_PORT = 65535
_ALLOWED = "HOST:PORT, such as 127.0.0.1:8010 or [::1]:8010"


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a TCP port; port 0 lets the system pick one."""

    host: str
    port: int

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read `HOST:PORT`.

        Raises:
            PydanticCustomError: it is something else.

        >>> Address.parse("[::1]:8010")
        Address(host='::1', port=8010)
        """
        if isinstance(value, cls):
            return value
        found = _FORM.fullmatch(value) if isinstance(value, str) else None
        if found is None or int(found["port"]) > _MAX_PORT:
            raise refusal("is no address", _ALLOWED)
        return cls(found["v6"] or found["host"], int(found["port"]))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it; a host name other than localhost may mean anything."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        """Write it as it is configured."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic read it with `parse`."""
        return core_schema.no_info_plain_validator_function(cls.parse)
