"""`opsbot new`: an operation of one's own, with its test."""

import keyword
import os
import re
from pathlib import Path

import click

NAME = re.compile(r"[a-z][a-z0-9_]*")
OPERATION = '''\
"""Say in one sentence what this operation is for."""

from collections.abc import AsyncIterator

from opsbot.api import Context, Operation, Risk, command


class {cls}(Operation):
    """Show what a program prints. The fields are the settings, to be given in config.yaml."""

    program: str = "uptime"

    @command("{name}", risk=Risk.READ, timeout_s=30)
    async def show(self, ctx: Context) -> AsyncIterator[str]:
        """Run the program and show what it prints."""
        async for line in ctx.run(self.program):
            yield line
'''
TEST = '''\
"""What {name} does; the messages go through opsbot's real pipeline, on fakes."""

from pathlib import Path

from opsbot.testing import Harness, load_operation

{cls} = load_operation({path})


async def test_{name}_shows_what_its_program_prints(harness: Harness) -> None:
    bot = harness({cls}(program="uptime"))
    bot.runs("uptime").prints("up 3 days")

    assert await bot.says("{name}") == ["up 3 days"]


async def test_{name}_does_nothing_for_a_stranger(harness: Harness) -> None:
    bot = harness({cls}())

    assert await bot.says("{name}", by="somebody") == []
'''


@click.command()
@click.argument("name")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("operations"),
    show_default=True,
    help="The folder of the operation; its test goes to ./tests.",
)
def new(name: str, folder: Path) -> None:
    """Write the operation NAME, and a test of it that passes. Nothing is overwritten."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise click.UsageError(f"{name!r} is no name of an operation; write small letters, digits and _, as in disk_space")
    tests = Path("tests")
    files = {
        folder / f"{name}.py": OPERATION.format(name=name, cls=_class_name(name)),
        tests / f"test_{name}.py": TEST.format(name=name, cls=_class_name(name), path=_seen_from(tests, folder, name)),
    }
    for path in files:
        if path.exists():
            raise click.ClickException(f"{path} is there already; nothing was written")
    for path, text in files.items():
        _write(path, text)
        print(f"wrote {path}")
    print("Now, with pytest in the same environment (pip install pytest):")
    print(f"    python -m pytest {tests / f'test_{name}.py'}")
    print(f"Then, in config.yaml: operation_dirs: [{folder}] and operations: {{{name}: {{use: {name}}}}}")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:  # "x": what appeared meanwhile is not overwritten either
            file.write(text)
    except OSError as exc:
        raise click.ClickException(f"{path}: {exc.strerror}") from exc


def _class_name(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_")) or name


def _seen_from(tests: Path, folder: Path, name: str) -> str:
    """Write the operation's path so that the test finds it wherever the project is moved to."""
    if folder.is_absolute():
        return f"Path({str(folder / f'{name}.py')!r})"
    steps = Path(os.path.relpath(folder, tests.parent)).parts
    words = " / ".join(f'"{word}"' for word in (*steps, f"{name}.py"))
    return f"Path(__file__).parents[1] / {words}"
