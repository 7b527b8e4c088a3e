"""On which file systems events do not tell of everything."""

import re
from collections.abc import Iterable
from pathlib import Path

_REMOTE = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|afs|ceph|lustre|gfs2|ocfs2|gpfs|beegfs|pvfs2|fuse(?!blk|ctl)[\w.]*|virtiofs|vboxsf|vmhgfs|prl_fs"
)
"""What another machine writes there raises no event here. A disk's file system that is run by FUSE (fuseblk) does."""
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")


def silent(directories: Iterable[str]) -> str:
    """Name a directory that events cannot be relied on for, and why; "" when there is none.

    Blocking. Systems without /proc are believed.
    """
    try:
        mounts = mounts_of(_MOUNTS.read_text("utf-8", "surrogateescape"))
    except OSError:
        return ""
    for directory in sorted(directories):
        kind = _kind(directory, mounts)
        if _REMOTE.fullmatch(kind):
            return f"{directory} is on {kind}"
    return ""


def mounts_of(mountinfo: str) -> dict[str, str]:
    r"""Read the kernel's list (proc(5)): the type of each mounted file system by its path; of two at one path the upper one.

    >>> mounts_of("36 35 98:0 / /mnt/my\\040logs rw,noatime shared:1 - nfs4 server:/x rw")
    {'/mnt/my logs': 'nfs4'}
    """
    mounts = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        path = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), before.split(" ")[4])
        mounts[path] = after.split(" ")[0]
    return mounts


def _kind(directory: str, mounts: dict[str, str]) -> str:
    while directory not in mounts and directory != "/":
        directory = directory.rpartition("/")[0] or "/"
    return mounts.get(directory, "")
