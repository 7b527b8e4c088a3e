"""The Dockerfile's steps without an engine: the same files, the same pip line, the same start, in a clean environment."""

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from socket import socket

import aiohttp
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
CONFIG = """
name: alice
state_dir: {state}
channels:
  page: {{kind: local, listen: "127.0.0.1:{port}"}}
people:
  archy: {{roles: [owner], ids: {{page: archy}}}}
"""
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 25.0


@dataclass(frozen=True)
class Steps:
    """What the Dockerfile says, line continuations joined."""

    text: str

    def arguments(self, instruction: str) -> list[str]:
        return re.findall(rf"^{instruction} (.+)$", self.text, re.MULTILINE)

    @property
    def pip(self) -> Sequence[str]:
        """The arguments of the one pip line."""
        (line,) = [line for line in self.arguments("RUN") if line.startswith("pip ")]
        return shlex.split(line)[1:]

    @property
    def start(self) -> Sequence[str]:
        """The program and its arguments."""
        (entry,), (command,) = self.arguments("ENTRYPOINT"), self.arguments("CMD")
        return [*json.loads(entry), *json.loads(command)]

    def copy(self, target: Path) -> None:
        """Copy what the image gets to build from."""
        for line in self.arguments("COPY"):
            *sources, last = line.split()
            for source in sources:
                aim = target / last / source if last == "./" else target / last
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, aim, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, aim)


STEPS = Steps(re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text("utf-8")))


@dataclass(frozen=True)
class Installed:
    """A clean environment with opsbot in it, and a folder that is not the checkout."""

    bin: Path
    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8"}

    def says(self, program: str, *arguments: str) -> str:
        argv = [str(self.bin / program), *arguments]
        done = subprocess.run(  # noqa: S603 - argv
            argv, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    folder = tmp_path_factory.mktemp("image")
    (folder / "src").mkdir()
    (folder / "elsewhere").mkdir()
    STEPS.copy(folder / "src")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=60)  # noqa: S603 - argv
    pip = [str(folder / "venv" / "bin" / "python"), "-m", "pip", *STEPS.pip]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(pip, cwd=folder / "src", env=environ, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603 - argv
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    yield Installed(folder / "venv" / "bin", folder / "elsewhere")
    shutil.rmtree(folder / "venv")  # pytest keeps folders of the last runs; this one is large


def test_the_installed_program_says_its_version(installed: Installed) -> None:
    assert re.fullmatch(r"opsbot, version \d+\.\d+\.\d+\S*\n", installed.says("opsbot", "--version"))


def test_the_installed_packages_fit_together(installed: Installed) -> None:
    assert "No broken requirements" in installed.says("pip", "check")


def test_the_image_searches_with_the_fast_engines(installed: Installed) -> None:
    installed.says("python", "-c", "import hyperscan, re2")


def test_the_wheel_carries_every_shipped_operation(installed: Installed) -> None:
    code = "from importlib.metadata import files; print(*(file for file in files('opsbot') or ()), sep='\\n')"
    shipped = {path.name for path in (ROOT / "operations").glob("*.py")}

    files = map(Path, installed.says("python", "-c", code).splitlines())
    in_wheel = {file.name for file in files if file.parent == Path("opsbot/shipped")}

    assert {name for name in in_wheel if name.endswith(".py")} == shipped


def test_the_shipped_operations_can_be_used(installed: Installed) -> None:
    said = installed.says("opsbot", "operations")

    assert "cannot be used" not in said
    assert {f"{path.stem}: " in said for path in (ROOT / "operations").glob("[a-z]*.py")} == {True}


async def test_the_image_s_command_starts_a_daemon_that_answers_and_stops_in_order(installed: Installed, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(state=tmp_path / "state", port=port), "utf-8")
    program, *arguments = [str(config) if word == "/config/config.yaml" else word for word in STEPS.start]
    process = await asyncio.create_subprocess_exec(
        installed.bin / program,
        *arguments,
        cwd=installed.folder,
        env=installed.environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        answer = await health(port, process)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_WITHIN_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert answer == "ok\n"
    assert process.returncode == 0, said.decode()


async def health(port: int, process: asyncio.subprocess.Process) -> str:
    """Ask until the daemon is ready."""
    async with asyncio.timeout(READY_WITHIN_S), aiohttp.ClientSession() as session:
        while True:
            assert process.returncode is None
            try:
                async with session.get(f"http://127.0.0.1:{port}/healthz") as response:
                    if response.status == 200:
                        return await response.text()
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)


def free_port() -> int:
    with closing(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
