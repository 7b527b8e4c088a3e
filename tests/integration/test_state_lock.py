"""One daemon per state directory, with real files and a real second process."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from opsbot.adapters.stores.lock import StateLock
from opsbot.core.errors import StateError

HOLDER = """
import sys
from pathlib import Path
from opsbot.adapters.stores.lock import StateLock
with StateLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


async def a_holder(state_dir: Path) -> asyncio.subprocess.Process:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(state_dir), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    async with asyncio.timeout(20):
        assert await child.stdout.readline() == b"held\n"
    return child


def test_state_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    with StateLock(tmp_path / "var" / "opsbot"):
        mode = (tmp_path / "var" / "opsbot").stat().st_mode & 0o777

    assert mode == 0o700


def test_lock_file_holds_our_pid(tmp_path: Path) -> None:
    with StateLock(tmp_path / "state"):
        content = (tmp_path / "state" / "lock").read_text()

    assert content == f"{os.getpid()}\n"


async def test_second_instance_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    child = await a_holder(tmp_path / "state")
    try:
        with pytest.raises(StateError, match=rf"another opsbot \(pid {child.pid}\) uses it: stop that one"):
            await asyncio.to_thread(StateLock(tmp_path / "state").__enter__)
    finally:
        child.kill()
        await child.communicate()


async def test_lock_of_a_killed_instance_is_free(tmp_path: Path) -> None:
    child = await a_holder(tmp_path / "state")
    child.kill()
    await child.communicate()

    def taken() -> str:
        with StateLock(tmp_path / "state"):
            return (tmp_path / "state" / "lock").read_text()

    assert await asyncio.to_thread(taken) == f"{os.getpid()}\n"


def test_lock_can_be_taken_again_after_it_was_left(tmp_path: Path) -> None:
    lock = StateLock(tmp_path / "state")
    with lock:
        pass

    with lock, pytest.raises(StateError):
        StateLock(tmp_path / "state").__enter__()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_directory_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(mode)

    with pytest.raises(StateError, match=rf"others may write there \(mode {mode:04o}\): `chmod 700 "):
        StateLock(tmp_path / "state").__enter__()


def test_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: only root can give a directory away")
    (tmp_path / "state").mkdir(mode=0o700)
    os.chown(tmp_path / "state", 12345, 12345)

    with pytest.raises(StateError, match=r"belongs to another user \(uid 12345\): run opsbot as that user"):
        StateLock(tmp_path / "state").__enter__()


def test_file_in_the_place_of_the_directory_is_a_state_error(tmp_path: Path) -> None:
    (tmp_path / "state").touch()

    with pytest.raises(StateError, match="make it a directory"):
        StateLock(tmp_path / "state").__enter__()


def test_lock_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "precious").write_text("x")
    (tmp_path / "state" / "lock").symlink_to(tmp_path / "precious")

    with pytest.raises(StateError):
        StateLock(tmp_path / "state").__enter__()

    assert (tmp_path / "precious").read_text() == "x"
