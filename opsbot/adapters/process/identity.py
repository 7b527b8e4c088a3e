"""As whom a program runs, and with which environment."""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ALLOWED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ")
"""What a program gets of the daemon's environment, besides LC_*: the daemon's holds secrets."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A user of this machine other than ourselves, as the kernel and a login shell see it."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    cwd: str
    environment: Mapping[str, str]


def identity(user: str) -> Identity | None:
    """Look a user up; None for the one we are already. Blocking: the answer may come from the network.

    Raises:
        KeyError: there is no such user.
    """
    entry = pwd.getpwnam(user)
    if entry.pw_uid == os.geteuid():
        return None
    return Identity(
        uid=entry.pw_uid,
        gid=entry.pw_gid,
        groups=tuple(os.getgrouplist(user, entry.pw_gid)),
        cwd=entry.pw_dir if Path(entry.pw_dir).is_dir() else "/",  # ours may be closed to them
        environment={"HOME": entry.pw_dir, "USER": user, "LOGNAME": user, "SHELL": entry.pw_shell or "/bin/sh"},
    )


def environment(
    own: Mapping[str, str], given: Mapping[str, str], tags: Mapping[str, str], other: Identity | None
) -> dict[str, str]:
    """Give the environment of a program: the allowed part of ours, that of the user it runs as, what is given, our tags."""
    allowed = {name: value for name, value in own.items() if name in ALLOWED or name.startswith("LC_")}
    return {**allowed, **(other.environment if other else {}), **given, **tags}
