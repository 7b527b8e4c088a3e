"""What `opsbot tail` writes, as long as nobody reads it."""

import json
from datetime import UTC, datetime

from opsbot.cli.tail_output import JsonLines
from opsbot.core.log import Batch, Checkpoint, Hit, Record, Rule

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def checkpoint(number: int) -> Checkpoint:
    return Checkpoint(source="tail", path=f"/log/{number}.log", device=1, inode=number, offset=4, generation="g")


def test_positions_of_very_many_files_come_on_several_lines_those_of_records_first() -> None:
    record = Record(path="/log/2999.log", offset=0, text="one", hits=(Hit(0),), checkpoint=checkpoint(2999))
    batch = Batch(source="tail", records=(record,), checkpoints=tuple(map(checkpoint, range(3000))), observed_at=NOW)
    said = [json.loads(line) for line in JsonLines(["/log/*.log"], [Rule("one")], with_positions=True).lines(batch)]

    assert [len(each.get("positions", ())) for each in said] == [0, 1000, 1000, 1000]
    assert said[1]["positions"][0]["path"] == "/log/2999.log"
    assert len({each["path"] for line in said[1:] for each in line["positions"]}) == 3000
