"""How fast lines are searched, against ripgrep and fail2ban, in CPU seconds of whole processes less their start-up.

The same rules and the same file for all: `opsbot tail --no-follow --from-start --count -f RULES LOG`, `rg -j1 -c -f RULES LOG`,
and `fail2ban-regex LOG FILTER` on a part of it, with an id behind each rule, which it demands. The least of several runs
that take turns.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.corpus import rules, write_log
from benchmarks.figure import Figure

LOG_BYTES = 1 << 30
FAIL2BAN_BYTES = 1 << 20
RUNS = 5
COUNTS = {1: 0.35, 10: 1.2, 100: 2.5, 1000: 2.5}
"""How many rules, and how many times as fast as ripgrep opsbot is to be."""
FAIL2BAN_RULES = 100
FAIL2BAN_RATIO = 500
RIPGREP = Path(__file__).parent.parent / "tests/peers/node_modules/@vscode"


async def measure(directory: Path) -> list[Figure]:
    log, little = directory / "big.log", directory / "little.log"
    size = write_log(log, LOG_BYTES)
    write_log(little, 1000)
    figures = []
    for count, target in COUNTS.items():
        file = _rules_file(directory, count)
        tail = [sys.executable, "-m", "opsbot", "tail", "--no-follow", "--from-start", "--count", "-f", str(file)]
        ripgrep = [str(_ripgrep()), "-j1", "-c", "--regex-size-limit=1G", "--dfa-size-limit=1G", "-f", str(file)]
        ours, theirs = _rates([tail, ripgrep], log, little, size)
        figures.append(_figure(f"search, {count} rule{'s'[: count > 1]}", ours, target, "ripgrep", theirs))
        if count == FAIL2BAN_RULES and shutil.which("fail2ban-regex"):
            figures.append(
                _figure(f"search, {count} rules", ours, FAIL2BAN_RATIO, "fail2ban-regex", _fail2ban(directory, log, little))
            )
    return figures


def _figure(what: str, ours: float, target: float, peer: str, theirs: float) -> Figure:
    return Figure(
        what,
        f"{ours / 1e6:,.0f} MB per CPU second, {ours / theirs:,.2f}x {peer}",
        f"≥ {target}x {peer}",
        f"{peer}: {theirs / 1e6:,.3g} MB per CPU second",
    )


def _rules_file(directory: Path, count: int) -> Path:
    file = directory / f"rules-{count}"
    file.write_text("".join(f"{rule}\n" for rule in rules(count)), encoding="utf-8")
    return file


def _rates(commands: Sequence[Sequence[str]], log: Path, little: Path, size: int) -> list[float]:
    """Give bytes per CPU second for each command."""
    best = [[float("inf"), float("inf")] for _ in commands]
    for _ in range(RUNS):
        for number, command in enumerate(commands):
            for place, file in enumerate((log, little)):
                best[number][place] = min(best[number][place], _cpu_s([*command, str(file)]))
    return [size / max(1e-3, whole - start_up) for whole, start_up in best]


def _cpu_s(command: Sequence[str]) -> float:
    """Run a command to its end and give the CPU time it took, user and system."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 our own
    usage = os.wait4(process.pid, 0)[2]
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


def _fail2ban(directory: Path, log: Path, little: Path) -> float:
    part = directory / "part.log"
    with log.open("rb") as whole:
        part.write_bytes(whole.read(FAIL2BAN_BYTES))
    scoped = (f"(?i:{rule[4:]})" if rule.startswith("(?i)") else rule for rule in rules(FAIL2BAN_RULES))
    # It demands that an expression names whom to ban: here that is the last character found, which costs it next to nothing.
    expressions = "\n            ".join(f"{rule}(?<=(?P<fid>.))".replace("%", "%%") for rule in scoped)
    filter_file = directory / "filter.conf"
    filter_file.write_text(f"[Definition]\nfailregex = {expressions}\n", encoding="utf-8")
    _check(["fail2ban-regex", str(part), str(filter_file)])
    best = [min(_cpu_s(["fail2ban-regex", str(file), str(filter_file)]) for _ in range(RUNS)) for file in (part, little)]
    return part.stat().st_size / max(1e-3, best[0] - best[1])


def _check(command: Sequence[str]) -> None:
    """See that it does what is measured: fail2ban-regex ends with status 0 also when it took no rule."""
    said = subprocess.run(command, capture_output=True, check=False, text=True).stdout  # noqa: S603 our own
    assert "Lines:" in said, said[-500:]


def _ripgrep() -> Path:
    """Find ripgrep 15 among the peers; raises FileNotFoundError."""
    for found in RIPGREP.glob("ripgrep-*/bin/rg"):
        return found
    raise FileNotFoundError(f"{RIPGREP}: no ripgrep: make peers")
