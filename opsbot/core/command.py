"""Find out which command of which scene a line means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from opsbot.core.folding import fold_name, own_words, split_words
from opsbot.core.scene import Scene
from opsbot.core.surface import CATCH_ALL, CommandSpec

BUILT_IN = ("help", "status")
"""Scenes that exist without being configured; a configured scene's command wins over theirs."""


@dataclass(frozen=True, slots=True)
class Command:
    """A line that means one command: its scene, and the words that are its arguments.

    `spec` None stands for the scene's `on_command`.
    """

    scene: Scene
    spec: CommandSpec | None
    words: tuple[str, ...]
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A bare command that several scenes have; `choices` are the full ways to say it."""

    choices: tuple[str, ...]


MayRun = Callable[[Scene, CommandSpec], bool]


def resolve(text: str, scenes: Mapping[str, Scene], may_run: MayRun) -> Command | Ambiguous | None:
    """Read a line as a command that the sender may run; None when there is no such command, or they may not.

    What the sender may not run does not exist for them: it neither answers nor makes anything ambiguous.
    """
    line = own_words(text)
    prefixed = _by_prefix(line, scenes, may_run)
    if prefixed:
        return prefixed
    words = split_words(line)
    if not words:
        return None
    return _in_scene(words, scenes, may_run) or _bare(words, scenes, may_run)


def _by_prefix(line: str, scenes: Mapping[str, Scene], may_run: MayRun) -> Command | None:
    for scene in scenes.values():
        for start, spec in scene.surface.prefixes.items():
            if line.startswith(start) and may_run(scene, spec):
                return Command(scene, spec, (), raw=line)
    return None


def _in_scene(words: Sequence[str], scenes: Mapping[str, Scene], may_run: MayRun) -> Command | None:
    folded = fold_name(words[0])
    scene = next((scene for name, scene in scenes.items() if fold_name(name) == folded), None)
    if scene is None or len(words) == 1:
        return None
    spec = scene.surface.commands.get(fold_name(words[1]))
    if spec is not None and may_run(scene, spec):
        return Command(scene, spec, tuple(words[2:]))
    if spec is None and scene.surface.catches_all and may_run(scene, CATCH_ALL):
        return Command(scene, None, tuple(words[1:]))
    return None


def _bare(words: Sequence[str], scenes: Mapping[str, Scene], may_run: MayRun) -> Command | Ambiguous | None:
    folded = fold_name(words[0])
    found = [
        (scene, spec)
        for scene in scenes.values()
        if (spec := scene.surface.commands.get(folded)) is not None and may_run(scene, spec)
    ]
    configured = [(scene, spec) for scene, spec in found if scene.name not in BUILT_IN]
    found = configured or found
    if len(found) > 1:
        return Ambiguous(tuple(" ".join([scene.name, *words]) for scene, _ in found))
    return Command(*found[0], tuple(words[1:])) if found else None
