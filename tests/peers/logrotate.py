"""The real logrotate, with a configuration and a state of its own."""

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

DONE_WITHIN_S: Final = 30.0


def find_logrotate() -> str | None:
    """Find it although /usr/sbin is not on everybody's PATH."""
    return shutil.which("logrotate", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))


class Logrotate:
    """Rotates one log each time it is asked to, and tells the writer afterwards."""

    def __init__(self, program: str, log: Path, directives: Sequence[str], writer_pid: int) -> None:
        self._argv = (program, "--force", "--state", str(log.parent.parent / "rotation.state"), str(log.parent.parent / "conf"))
        told = ["postrotate", f"kill -HUP {writer_pid}", "endscript"]
        lines = "\n".join(f"    {line}" for line in [*directives, *told])
        self._text = f"{log} {{\n{lines}\n}}\n"

    async def rotate(self) -> None:
        """Rotate now, whatever the size and the age of the log.

        Raises:
            AssertionError: It said that something is wrong.
            TimeoutError: It did not end.
        """
        await asyncio.to_thread(self._configure)
        process = await asyncio.create_subprocess_exec(
            *self._argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        async with asyncio.timeout(DONE_WITHIN_S):
            said, _ = await process.communicate()
        assert (process.returncode, said.decode()) == (0, "")

    def _configure(self) -> None:
        """Write its configuration, which nobody else may write to."""
        conf = Path(self._argv[-1])
        if not conf.exists():
            conf.touch(0o644)
            conf.write_text(self._text)
