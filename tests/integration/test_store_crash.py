"""The store under SIGKILL and on a disk that is really full."""

import asyncio
import os
import random
import shutil
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsbot.adapters.stores.sqlite import SqliteStore
from opsbot.core.change import Change
from opsbot.core.chat import Chat
from opsbot.core.delivery import Delivery
from opsbot.core.errors import StateError
from opsbot.core.output import File

NOW = datetime(2026, 11, 20, tzinfo=UTC)

WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from opsbot.adapters.stores.sqlite import SqliteStore
from opsbot.core.change import Change, StateWrite
from opsbot.core.chat import Chat
from opsbot.core.delivery import Delivery
from opsbot.core.log import Checkpoint

NOW = datetime(2026, 11, 20, tzinfo=UTC)

def change(n):
    return Change(
        checkpoints=(Checkpoint(source="s", path="/s.log", device=1, inode=1, offset=n),),
        state=(StateWrite("scene", "n", n),),
        deliveries=tuple(
            Delivery(chat=Chat("local", c), output=f"{n} " + "x" * 3000, notice_id=f"n{n}", created_at=NOW, not_before=NOW)
            for c in ("alice", "bob")
        ),
    )

async def main(path, first):
    async with SqliteStore(path) as store:
        for n in range(first, first + 100_000):
            await store.commit(change(n))
            print(n, flush=True)

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


async def write_until_killed(path: Path, first: int, n_lines: int, moment_s: float) -> int:
    """Kill a writer a moment after it acknowledged so many changes; give the last that it acknowledged."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), str(first), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    async with asyncio.timeout(60):
        lines = [await child.stdout.readline() for _ in range(n_lines)]
        await asyncio.sleep(moment_s)  # anywhere within a transaction, not just after one
        child.kill()
        rest = await child.stdout.read()
        await child.wait()
    complete = (b"".join(lines) + rest).rpartition(b"\n")[0].split(b"\n")
    return int(complete[-1])


async def committed(path: Path) -> tuple[int, object, dict[str, list[int]]]:
    """Give what a new daemon finds: the checkpoint's offset, the state, and the deliveries per chat."""
    async with SqliteStore(path) as store:
        recovered = await store.recover(NOW)
        [checkpoint] = await store.checkpoints("s")
        numbers: dict[str, list[int]] = {"alice": [], "bob": []}
        for delivery in await store.due("local", NOW, limit=1_000_000):
            numbers[delivery.chat.chat_id].append(int(str(delivery.output).split()[0]))
        return checkpoint.offset, recovered.state["scene"]["n"], numbers


async def test_killed_daemon_loses_nothing_acknowledged_and_leaves_no_half_change(tmp_path: Path) -> None:
    path = tmp_path / "opsbot.db"
    chance = random.Random(20261120)  # noqa: S311 no secret is made of it
    last = 0
    for _ in range(6):
        acknowledged = await write_until_killed(path, last + 1, chance.randint(1, 60), chance.random() * 0.02)

        last, state, numbers = await committed(path)

        assert last >= acknowledged
        assert state == last
        assert numbers == {"alice": list(range(1, last + 1)), "bob": list(range(1, last + 1))}


@pytest.fixture
async def tiny_disk(tmp_path: Path) -> AsyncIterator[Path]:
    folder = tmp_path / "tiny"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root: a file system of 1 MiB is mounted")
    mount = await asyncio.create_subprocess_exec("mount", "-t", "tmpfs", "-o", "size=1m", "opsbot-test", str(folder))
    if await mount.wait() != 0:
        pytest.skip("needs the right to mount: a file system of 1 MiB is mounted")
    yield folder
    umount = await asyncio.create_subprocess_exec("umount", str(folder))
    assert await umount.wait() == 0


def a_file(size_bytes: int) -> Change:
    output = File("core", b"x" * size_bytes)
    return Change(deliveries=(Delivery(chat=Chat("local", "a"), output=output, notice_id="n", created_at=NOW, not_before=NOW),))


async def test_full_disk_is_a_state_error_and_the_store_goes_on_when_there_is_room(tiny_disk: Path) -> None:
    ballast = tiny_disk / "ballast"
    async with SqliteStore(tiny_disk / "opsbot.db") as store:
        await store.commit(a_file(10))
        ballast.write_bytes(b"x" * (shutil.disk_usage(tiny_disk).free - 16_384))

        with pytest.raises(StateError, match=r"the disk is full|no space left"):
            await store.commit(a_file(200_000))
        assert len(await store.due("local", NOW)) == 1

        ballast.unlink()
        await store.commit(a_file(200_000))
        assert len(await store.due("local", NOW)) == 2
