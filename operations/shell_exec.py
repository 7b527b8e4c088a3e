"""Run commands that the configuration names: fixed argv with typed holes, and never a shell."""

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from opsbot.api import CommandError, Context, Field, NamedCommand, Operation, Risk

HOLE = re.compile(r"\{(?P<name>[a-z_][a-z0-9_]*):(?P<kind>[^{}]*)\}")
UNTYPED = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
MAX_DIGITS = 18
MAX_CHARS = 200
NO_FREE_FORM = (
    "free_form: true is refused: any command at all needs confirmation with a second factor, which this version does not have; "
    "name the commands under `commands`"
)
Argv = Annotated[tuple[str, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Hole:
    """A place in an argument that the person in the chat fills; `kind` is `int`, `str` or choices `a|b`."""

    name: str
    kind: str
    is_whole: bool

    @property
    def shown(self) -> str:
        """The hole as it stands in the usage."""
        return f"<{self.kind if '|' in self.kind else self.name}>"

    def fit(self, word: str) -> str | None:
        """Give what goes into the argument, None when the word does not fit.

        No value begins with a dash: it would be an option. A text that is only a part of an argument holds no slash, for the rest
        of that argument is probably a path.
        """
        if self.kind == "int":
            return str(int(word)) if word.isdecimal() and len(word) <= MAX_DIGITS else None
        if self.kind == "str":
            is_harmless = word.isprintable() and not word.startswith("-") and (self.is_whole or _is_no_path(word))
            return word if word and is_harmless and len(word) <= MAX_CHARS else None
        return word if word in self.kind.split("|") else None


class ShellExec(Operation):
    """Run commands by name: `tail: [tail, -n, "{lines:int}", /var/log/syslog]` becomes the command `tail <lines>`.

    A hole is `{name:int}` (a whole number), `{name:str}` (a text that is no option) or `{name:a|b}` (one of these words); all
    else stands as it is, and nothing is read by a shell. The commands in `read_only` change nothing, and are allowed as such.
    """

    commands: Annotated[Mapping[str, Argv], Field(min_length=1)]
    read_only: tuple[str, ...] = ()
    free_form: bool = False

    def __post_init__(self) -> None:
        """Verify the commands.

        Raises:
            ValueError: one cannot be used; the text says why.
        """
        if self.free_form:
            raise ValueError(NO_FREE_FORM)
        for name, argv in self.commands.items():
            _verify(name, argv)
        for name in self.read_only:
            if name not in self.commands:
                raise ValueError(f"read_only: {name!r} is none of the commands: {', '.join(self.commands)}")

    def takes(self) -> Iterable[NamedCommand]:
        """Offer each command under its name."""
        for name, argv in self.commands.items():
            usage = " ".join([name, *(hole.shown for hole in _holes(argv).values())])
            yield NamedCommand(name, usage, " ".join(argv), Risk.READ if name in self.read_only else Risk.WRITE)

    async def on_command(self, ctx: Context, words: tuple[str, ...]) -> AsyncIterator[str]:
        """Fill the holes and stream what the program prints."""
        name, *values = words
        argv = self.commands[name]
        filled = self._filled(ctx, name, values)
        async for line in ctx.run(*(HOLE.sub(lambda hole: filled[hole["name"]], item) for item in argv)):
            yield line

    def _filled(self, ctx: Context, name: str, values: list[str]) -> dict[str, str]:
        holes = _holes(self.commands[name])
        usage = " ".join([name, *(hole.shown for hole in holes.values())])
        if len(values) != len(holes):
            raise CommandError(
                ctx.text(
                    en=f"{len(holes)} arguments, please, not {len(values)}\n{usage}", zh=f"需要 {len(holes)} 个参数\n{usage}"
                )
            )
        filled: dict[str, str] = {}
        for hole, value in zip(holes.values(), values, strict=True):
            fitting = hole.fit(value)
            if fitting is None:
                raise CommandError(
                    ctx.text(
                        en=f"{hole.name}: {value!r} is no {hole.kind}\n{usage}", zh=f"{hole.name}：{value!r} 不合适\n{usage}"
                    )
                )
            filled[hole.name] = fitting
        return filled


def _is_no_path(word: str) -> bool:
    return "/" not in word and word not in (".", "..")


def _holes(argv: Argv) -> dict[str, Hole]:
    """Give the holes in the order in which they are filled, each once."""
    found = [(item, hole) for item in argv for hole in HOLE.finditer(item)]
    holes: dict[str, Hole] = {}
    for item, hole in found:
        is_whole = hole.group() == item and (hole["name"] not in holes or holes[hole["name"]].is_whole)
        holes[hole["name"]] = Hole(hole["name"], hole["kind"], is_whole)
    return holes


def _verify(name: str, argv: Argv) -> None:
    if HOLE.search(argv[0]) or not argv[0]:
        raise ValueError(f"commands.{name}: the program itself must be fixed, without a hole")
    kinds: dict[str, str] = {}
    for item in argv:
        if untyped := UNTYPED.search(item):
            raise ValueError(f"commands.{name}: {untyped.group()} has no type; write {{NAME:int}}, {{NAME:str}} or {{NAME:a|b}}")
        for hole in HOLE.finditer(item):
            kind = hole["kind"]
            if kind not in ("int", "str") and not ("|" in kind and all(kind.split("|"))):
                raise ValueError(f"commands.{name}: {hole.group()}: {kind!r} is no type; write int, str or a|b")
            if kinds.setdefault(hole["name"], kind) != kind:
                raise ValueError(f"commands.{name}: {hole['name']} has two types: {kinds[hole['name']]} and {kind}")
