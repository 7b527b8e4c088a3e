"""Lines that say when they were written, among others as servers write them."""

from pathlib import Path

from benchmarks import corpus
from opsbot.core.log import Rule

MARK = "failed after"
_ORDINARY = 997


def timed_rules(count: int) -> list[Rule]:
    """Give so many rules; the first one, which is not capped, finds MARK and `at`: when the line was written (monotonic, ns)."""
    timed = Rule(rf"{MARK} \d+ ms at=(?P<at>\d+)", "timed", per_minute=0)
    return [timed, *map(Rule, corpus.rules(count - 1))]


def ordinary_lines(directory: Path) -> list[bytes]:
    """Give lines that no rule matches, all different."""
    log = directory / "ordinary"
    corpus.write_log(log, 200_000, hits_per_line=0.0)
    return log.read_bytes().splitlines(keepends=True)[:_ORDINARY]


def timed_line(at_ns: int) -> bytes:
    """Write the line that the first rule finds."""
    return (
        f"2026-11-20T12:00:00.000Z ERROR [payment] order 7f3a {MARK} 31 ms at={at_ns}, see the trace for what it was\n".encode()
    )
