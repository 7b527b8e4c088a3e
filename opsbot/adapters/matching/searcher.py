"""Runs as a process of its own (see search.py): one search per line of input, killed by its timer when one takes too long.

Needs nothing of opsbot, so that it starts fast: `python -I -S searcher.py CPU_SECONDS`. A request is `[pattern, text]` in JSON,
an answer `{…named groups that took part…}`, or `null` for no match.
"""

import json
import re
import signal
import sys


def main(budget_s: float) -> None:
    """Answer until the input ends."""
    # The timer counts this process's own work, so that a busy machine makes nothing look slow; its signal kills.
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    for line in sys.stdin:
        pattern, text = json.loads(line)
        compiled = re.compile(pattern)
        signal.setitimer(signal.ITIMER_VIRTUAL, budget_s)
        found = compiled.search(text)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        groups = found and {name: value for name, value in found.groupdict().items() if value is not None}
        sys.stdout.write(json.dumps(groups) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]))
