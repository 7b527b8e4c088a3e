"""A partner's `opsbot tail --json --resume FILE`, as small as it can be: one file, one record and its position at a time."""

import json
import os
import sys
import time
from pathlib import Path
from threading import Thread

LOOK_S = 0.005


def until_nobody_listens() -> None:
    sys.stdin.read()
    os._exit(0)


def say(**values: object) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def follow(path: Path) -> None:
    told = json.loads(sys.stdin.readline())["positions"] if "--resume" in sys.argv else []
    Thread(target=until_nobody_listens, daemon=True).start()
    offset = told[-1]["offset"] if told else 0
    with path.open("rb") as log:
        log.seek(offset)
        identity = os.fstat(log.fileno())
        say(positions=[], forgotten=[], gaps=[])
        while True:
            line = log.readline()
            if not line.endswith(b"\n"):
                log.seek(offset)
                time.sleep(LOOK_S)
                continue
            say(
                source="tail",
                path=str(path),
                line=line[:-1].decode(),
                offset=offset,
                rule=".*",
                groups={},
                time="2026-11-20T00:00:00Z",
                key=f"content:{offset}:0123456789ab",
            )
            offset += len(line)
            position = {"path": str(path), "device": identity.st_dev, "inode": identity.st_ino, "offset": offset}
            say(positions=[{**position, "marker": line[-256:].hex(), "generation": "content"}], forgotten=[], gaps=[])


if __name__ == "__main__":
    follow(Path(sys.argv[-1]))
