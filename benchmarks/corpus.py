"""A log as servers write them, and rules as people write them: the same ones in every run."""

import random
from collections.abc import Iterator
from pathlib import Path

_LINES = 640_000
_LINE_BYTES = 105
_WORDS = (
    "cache",
    "worker",
    "queue",
    "session",
    "token",
    "upload",
    "index",
    "shard",
    "lease",
    "batch",
    "replica",
    "cursor",
    "socket",
)
_PATHS = ["/", "/api/v1/items", "/login", "/static/app.js", "/health", "/api/v2/orders/search", "/img/logo.png"]
_AGENTS = ["Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5.0", "python-requests/2.32", "Go-http-client/2.0"]


def write_log(path: Path, size_bytes: int, hits_per_line: float = 0.0015, seed: int = 7) -> int:
    """Write a log of about that many bytes, unless it is there already; gives its size in bytes.

    A quarter each of web server, syslog, application and key=value lines, about 100 bytes each, many of them near misses of the
    rules. The same 64 MB over and over.
    """
    if path.exists() and path.stat().st_size >= size_bytes:
        return path.stat().st_size
    rng = random.Random(seed)  # noqa: S311 the same log each time
    lines = "".join(_lines(rng, min(_LINES, max(1, size_bytes // _LINE_BYTES)), hits_per_line)).encode()
    written = 0
    with path.open("wb") as log:
        while written < size_bytes:
            written += log.write(lines)
    return written


def rules(count: int) -> list[str]:
    """Give the first `count` of the rules: of ten families, each with captures, anchors, classes or weak literals of its own."""
    return [_FAMILIES[number % len(_FAMILIES)](number) for number in range(count)]


_FAMILIES = [
    lambda n: rf"kernel: (oom|panic)-{n:04d} killed process (\d+)",
    lambda n: rf'" 5\d\d \d+ .* upstream=back{n:04d}$',
    lambda n: rf"(?i)error code[ =:]+E{n:04d}\b",
    lambda n: rf"^\S+ \S+ app\[\d+\]: (WARN|ERROR) \[svc{n:04d}\] .*timeout after (\d+)ms",
    lambda n: rf"sshd\[\d+\]: Failed password for (?:invalid user )?user{n:04d} from (\d+\.\d+\.\d+\.\d+)",
    lambda n: rf"level=fatal .*shard={n:04d} .*reason=\"([^\"]*)\"",
    lambda n: rf"Traceback.*Module{n:04d}Error",
    lambda n: rf"disk /dev/sd[a-z]{n:04d} (?:is )?(9\d|100)% full",
    lambda n: rf"\bconn(?:ection)? #{n:04d} (?:reset|refused|closed) by peer",
    lambda n: rf"job-{n:04d} (?:failed|aborted) with status ([1-9]\d*)",
]


def _hit(rng: random.Random) -> str:
    """Make a line that one of a thousand rules matches."""
    number = rng.choice((rng.randrange(10), rng.randrange(100), rng.randrange(1000)))
    family = number % len(_FAMILIES)
    return [
        f"Nov 20 10:00:00 host kernel: oom-{number:04d} killed process {rng.randrange(9999)}\n",
        f'10.0.0.1 - - [20/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 503 12 "-" upstream=back{number:04d}\n',
        f"2026-11-20T10:00:00Z svc Error Code = e{number:04d} while reading\n",
        f"2026-11-20 10:00:00 app[77]: ERROR [svc{number:04d}] call timeout after {rng.randrange(9000)}ms\n",
        f"Nov 20 10:00:00 host sshd[12]: Failed password for user{number:04d} from 10.1.2.3 port 22\n",
        f'ts=1 level=fatal component=db shard={number:04d} node=3 reason="no quorum"\n',
        f"Traceback (most recent call last): Module{number:04d}Error\n",
        f"monitor: disk /dev/sda{number:04d} is 97% full\n",
        f"proxy: connection #{number:04d} reset by peer\n",
        f"runner: job-{number:04d} failed with status {rng.randrange(1, 99)}\n",
    ][family]


def _lines(rng: random.Random, count: int, hits_per_line: float) -> Iterator[str]:
    for _ in range(count):
        if rng.random() < hits_per_line:
            yield _hit(rng)
        else:
            yield _KINDS[rng.randrange(len(_KINDS))](rng)


def _web(rng: random.Random) -> str:
    status = rng.choice((200, 200, 200, 204, 301, 304, 404, 500, 502))
    return (
        f"{rng.randrange(1, 255)}.{rng.randrange(255)}.{rng.randrange(255)}.{rng.randrange(255)} - - [20/Nov/2026:10:00:"
        f'{rng.randrange(60):02d} +0000] "GET {rng.choice(_PATHS)} HTTP/1.1" {status} {rng.randrange(99999)} "-" '
        f'"{rng.choice(_AGENTS)}"\n'
    )


def _syslog(rng: random.Random) -> str:
    return (
        f"Nov 20 10:00:{rng.randrange(60):02d} host{rng.randrange(40)} sshd[{rng.randrange(32768)}]: Accepted publickey for "
        f"user{rng.randrange(100000)} from 10.{rng.randrange(255)}.{rng.randrange(255)}.7 port {rng.randrange(65535)} ssh2\n"
    )


def _application(rng: random.Random) -> str:
    level = rng.choice(("INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"))
    return (
        f"2026-11-20 10:00:{rng.randrange(60):02d} app[{rng.randrange(999)}]: {level} [svc{rng.randrange(99999):05d}] "
        f"{rng.choice(_WORDS)} {rng.choice(_WORDS)} done in {rng.randrange(900)}ms id={rng.getrandbits(48):012x}\n"
    )


def _pairs(rng: random.Random) -> str:
    return (
        f"ts={rng.randrange(10**9)} level={rng.choice(('info', 'info', 'debug', 'error'))} component={rng.choice(_WORDS)} "
        f"shard={rng.randrange(10**6)} node={rng.randrange(64)} job-{rng.randrange(10**6)} ok error code {rng.randrange(999)} "
        f'msg="{rng.choice(_WORDS)} {rng.choice(_WORDS)}"\n'
    )


_KINDS = (_web, _syslog, _application, _pairs)
