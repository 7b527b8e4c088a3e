"""Whether this processor can run Hyperscan, found out without trying: an instruction that is missing ends the process."""

import platform
from pathlib import Path

_NEEDED = "avx2"


def lacks(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Say what this processor lacks, "" when nothing is known to be missing.

    The x86-64 builds of Hyperscan are made for AVX2; those for ARM need nothing that is not always there.
    """
    if platform.machine() not in {"x86_64", "AMD64"}:
        return ""
    try:
        described = cpuinfo.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""  # no Linux: macOS on x86-64, whose processors all have it
    flags = next((line.partition(":")[2].split() for line in described.splitlines() if line.startswith("flags")), [])
    return "" if _NEEDED in flags else _NEEDED
