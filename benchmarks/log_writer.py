"""Writes lines to many logs at an even rate: `python -m benchmarks.log_writer DIRECTORY FILES LINES_PER_S SECONDS`.

Each line is one write(2). Every hundredth carries the time just before it was written.
"""

import os
import random
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.workload import ordinary_lines, timed_line

ONE_IN = 100
TICK_S = 0.0005


def write(directory: Path, files: int, lines_per_s: int, seconds: float) -> None:
    """Write at random to all files; prints how many lines were timed."""
    logs = [os.open(directory / f"app{number}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) for number in range(files)]
    choose = random.Random(files).randrange  # noqa: S311 the same files in each run
    with tempfile.TemporaryDirectory() as scratch:
        lines = ordinary_lines(Path(scratch))
    written = 0
    began_s = time.monotonic()
    while (passed_s := time.monotonic() - began_s) < seconds:
        for number in range(written, int(passed_s * lines_per_s)):
            line = lines[number % len(lines)] if number % ONE_IN else timed_line(time.monotonic_ns())
            os.write(logs[choose(files)], line)
            written += 1
        time.sleep(TICK_S)
    print(-(-written // ONE_IN), flush=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
