"""`opsbot new`: what it writes passes its own test, wherever it is written."""

import asyncio
import os
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from opsbot.adapters.process.runner import ProcessRunner
from opsbot.cli.new import new
from opsbot.loader import Loader

ROOT = Path(__file__).parents[2]


def make(folder: Path, monkeypatch: pytest.MonkeyPatch, *args: str) -> Result:
    monkeypatch.chdir(folder)
    return CliRunner().invoke(new, args)


async def outcome_of(folder: Path) -> str:
    """Run pytest as an author does; gives its last line."""
    plugin = [] if entry_points(group="pytest11", name="opsbot") else ["-p", "opsbot.testing"]
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin]
    env = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    async with ProcessRunner(os.environ).run(argv, cwd=str(folder), env=env, timeout_s=60) as process:
        lines = [line async for line in process]
    return lines[-1]


@pytest.mark.parametrize("args", [("disk_space",), ("disk_space", "--dir", "my/own")], ids=["default", "folder"])
async def test_new_operation_passes_its_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]) -> None:
    await asyncio.to_thread(make, tmp_path, monkeypatch, *args)

    assert (await outcome_of(tmp_path)).startswith("2 passed")


async def test_test_of_a_new_operation_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_wrong() -> None:
        make(tmp_path, monkeypatch, "disk_space")
        file = tmp_path / "operations" / "disk_space.py"
        file.write_text(file.read_text().replace("yield line", 'yield "nothing"'))

    await asyncio.to_thread(make_wrong)

    assert (await outcome_of(tmp_path)).startswith("1 failed, 1 passed")


def test_new_operation_can_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, monkeypatch, "disk_space")

    assert Loader([tmp_path / "operations"]).load("disk_space").operation.__name__ == "DiskSpace"


@pytest.mark.parametrize("existing", ["operations/disk.py", "tests/test_disk.py"])
def test_nothing_is_overwritten_and_nothing_is_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: str
) -> None:
    file = tmp_path / existing
    file.parent.mkdir()
    file.write_text("mine")

    result = make(tmp_path, monkeypatch, "disk")

    assert (result.exit_code, f"{existing} is there already" in result.output) == (1, True)
    assert [path.read_text() for path in tmp_path.rglob("*.py")] == ["mine"]


@pytest.mark.parametrize("name", ["Disk", "disk-space", "1disk", "disk.py", "../disk", "class", "", "_disk"])
def test_name_that_no_file_of_operations_can_have_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    result = make(tmp_path, monkeypatch, name)

    assert (result.exit_code, list(tmp_path.rglob("*.py"))) == (2, [])


def test_next_steps_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = make(tmp_path, monkeypatch, "disk").output

    assert "pytest tests/test_disk.py" in output
    assert "operations: {disk: {use: disk}}" in output
