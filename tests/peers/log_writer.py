"""A program that logs an exact sequence, and tears a third of its lines: `python -m tests.peers.log_writer LOG STYLE`.

The line of a number is always the same, and so is where it is torn: who reads can tell what is missing. It ends when its stdin
does, and then says how many lines it wrote. The styles that print are for pm2, which gives no stdin and makes a log of stdout.
"""

# ruff: noqa: T201 it is a program

import fcntl
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path

PAYLOAD = "日志 line of a log é " * 4
LINES_AT_ONCE = 10
LINES_PER_ROTATION = 60
ROTATIONS = 180
PRINTED_ROUNDS = 3
PRINTED_AT_ONCE = 40
PRINTED_ALL_THE_TIME = 2500
PAUSE_MS = 1
ROTATION_MS = 6


def line(number: int) -> bytes:
    return f"{number:08} {PAYLOAD[: number * 7 % len(PAYLOAD)]} {number:08}\n".encode()


def cut(number: int) -> int:
    """Say after how many bytes a line is torn, perhaps within a character; 0 if it is not."""
    return number * 13 % (len(line(number)) - 2) + 1 if number % 10 < 3 else 0


class LogWriter:
    """Appends to what it has open; between two writes others may take the lock, to truncate."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.written = 0
        self.is_asked_to_reopen = False
        self._lock = os.open(log.with_name("lock"), os.O_RDWR | os.O_CREAT, 0o600)
        self._fd = -1
        self._stdin = select.poll()
        self._stdin.register(0, select.POLLIN | select.POLLHUP)
        self.open()

    def open(self) -> int:
        """Open the log anew; gives what was open before."""
        old, self._fd = self._fd, os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        return old

    def reopen(self, *_: object) -> None:
        self.is_asked_to_reopen = True

    def is_over(self, pause_ms: int) -> bool:
        """Wait; True when nobody wants more lines."""
        return bool(self._stdin.poll(pause_ms))

    def write(self, count: int, fd: int = -1) -> None:
        for _ in range(count):
            self.written += 1
            text, torn = line(self.written), cut(self.written)
            self.append(text[: torn or len(text)], fd)
            if torn:
                if self.written % 64 == 0:
                    self.is_over(PAUSE_MS)
                self.append(text[torn:], fd)

    def begin(self) -> bytes:
        """Write the first part of the next line that is torn, and all lines before it; gives the second part."""
        while not cut(self.written + 1):
            self.write(1)
        self.written += 1
        text, torn = line(self.written), cut(self.written)
        self.append(text[:torn])
        return text[torn:]

    def append(self, content: bytes, fd: int = -1) -> None:
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        os.write(self._fd if fd < 0 else fd, content)
        fcntl.flock(self._lock, fcntl.LOCK_UN)


def follow_signals(writer: LogWriter) -> None:
    """Write on and on; SIGHUP means that somebody has rotated."""
    signal.signal(signal.SIGHUP, writer.reopen)
    print("ready", flush=True)
    while not writer.is_over(PAUSE_MS):
        if writer.is_asked_to_reopen:
            writer.is_asked_to_reopen = False
            os.close(writer.open())
        writer.write(LINES_AT_ONCE)


def rotate_by_numbers(writer: LogWriter) -> None:
    """Rotate as fast as it goes: app.log.1 becomes app.log.2, and so on."""
    for rotation in range(ROTATIONS):
        writer.write(LINES_PER_ROTATION)
        for number in range(rotation, 0, -1):
            writer.log.with_name(f"app.log.{number}").rename(writer.log.with_name(f"app.log.{number + 1}"))
        writer.log.rename(writer.log.with_name("app.log.1"))
        os.close(writer.open())
        writer.is_over(ROTATION_MS)


def rotate_by_dates(writer: LogWriter) -> None:
    """Rotate, every fourth time twice without a pause."""
    for rotation in range(ROTATIONS):
        writer.write(LINES_PER_ROTATION)
        writer.log.rename(writer.log.with_name(f"app.log-{1_790_000_000 + rotation}"))
        os.close(writer.open())
        if rotation % 4:
            writer.is_over(ROTATION_MS)


def write_late(writer: LogWriter) -> None:
    """Rotate, and go on in the renamed file while there is a new one."""
    for rotation in range(ROTATIONS):
        writer.write(LINES_PER_ROTATION - 20)
        writer.log.rename(writer.log.with_name(f"app.log-{1_790_000_000 + rotation}"))
        writer.write(5)
        old = writer.open()
        writer.write(5)
        writer.write(5, old)
        writer.is_over(ROTATION_MS // 2)
        writer.write(5, old)
        os.close(old)
        writer.is_over(ROTATION_MS // 2)


def copy_and_truncate(writer: LogWriter) -> None:
    """Copy and truncate, every second time in the middle of a line."""
    for rotation in range(ROTATIONS):
        writer.write(LINES_PER_ROTATION)
        rest = writer.begin() if rotation % 2 else b""
        shutil.copyfile(writer.log, writer.log.with_name(f"app.log-{1_790_000_000 + rotation}"))
        os.truncate(writer.log, 0)
        writer.append(rest)
        writer.is_over(ROTATION_MS)


def truncate_and_regrow(writer: LogWriter) -> None:
    """Truncate what was read, as a line on stdin says, and at once write at least as much again."""
    for _ in range(ROTATIONS // 2):
        writer.write(LINES_PER_ROTATION)
        print(writer.written, flush=True)
        os.read(0, 1)
        os.truncate(writer.log, 0)
        writer.write(LINES_PER_ROTATION + 40)
        print(writer.written, flush=True)
        os.read(0, 1)
        os.truncate(writer.log, 0)


def print_between_rotations(writer: LogWriter) -> None:
    """Write again when what was written has been rotated away: nothing comes between copy and truncation."""
    rest = b""
    for _ in range(PRINTED_ROUNDS):
        lines = [line(writer.written + number) for number in range(1, PRINTED_AT_ONCE + 1)]
        writer.written += PRINTED_AT_ONCE
        torn = cut(writer.written)
        os.write(sys.stdout.fileno(), rest + b"".join(lines)[: torn - len(lines[-1])])
        rest = lines[-1][torn:]
        while not writer.log.stat().st_size:
            time.sleep(PAUSE_MS / 1000)
        while writer.log.stat().st_size:
            time.sleep(PAUSE_MS / 1000)
    os.write(sys.stdout.fileno(), rest)


def print_all_the_time(writer: LogWriter) -> None:
    """Write whatever happens to the log."""
    for _ in range(PRINTED_ALL_THE_TIME):
        writer.write(1, sys.stdout.fileno())
        time.sleep(PAUSE_MS / 1000)


STYLES = {
    style.__name__: style
    for style in (
        *(follow_signals, rotate_by_numbers, rotate_by_dates, write_late, copy_and_truncate, truncate_and_regrow),
        *(print_between_rotations, print_all_the_time),
    )
}


def main(log: str, style: str) -> None:
    writer = LogWriter(Path(log))
    STYLES[style](writer)
    if not style.startswith("print"):
        print(writer.written, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
