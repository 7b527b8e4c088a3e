"""What `opsbot tail` holds in memory while it follows many files with many rules."""

import asyncio
import json
import sys
from pathlib import Path

from benchmarks.corpus import rules
from benchmarks.figure import Figure

FILES = 1000
RULES = 100
BARE = "import time; print('ready', flush=True); time.sleep(60)"


async def measure(directory: Path) -> list[Figure]:
    """Measure `opsbot tail`, and a Python that does nothing."""
    logs = directory / "logs"
    logs.mkdir()
    for number in range(FILES):
        (logs / f"app{number}.log").write_text("started\n")
    file = directory / "rules"
    file.write_text("".join(f"{rule}\n" for rule in rules(RULES)))
    tail = [sys.executable, "-m", "opsbot", "tail", "--json", "--resume", "-f", str(file), str(logs / "*.log")]
    ours = await _resident_mb(tail, lines=2)
    bare = await _resident_mb([sys.executable, "-c", BARE], lines=1)
    peer = f"a bare Python: {bare:.0f} MB, {ours / bare:.1f}x"
    return [Figure(f"RSS of `opsbot tail`, {FILES} files, {RULES} rules", f"{ours:.0f} MB", "≤ 45 MB", peer)]


async def _resident_mb(command: list[str], lines: int) -> float:
    """Start a command, wait for what it says first, and look."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=1 << 24)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"positions": []}).encode() + b"\n")
    for _ in range(lines):
        await process.stdout.readline()
    await asyncio.sleep(2)
    status = await asyncio.to_thread(Path(f"/proc/{process.pid}/status").read_text)
    process.kill()
    await process.communicate()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))
