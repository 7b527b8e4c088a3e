"""What a class of operations offers, read from the class once, when it is loaded."""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from opsbot.core.errors import OperationLoadError
from opsbot.core.folding import fold_name
from opsbot.core.operation import COMMAND_MARK, EVERY_MARK, PREFIX_MARK, CommandMark, NamedCommand, Operation
from opsbot.core.signature import Signature, signature_of

ANY_WORDS = Signature(())
HOOKS = ("on_log", "on_command", "on_timer", "on_start", "on_stop", "on_partner_message")
PARAMETERS = {"on_log": 3, "on_command": 3, "on_timer": 3, "on_start": 2, "on_stop": 1, "on_partner_message": 3}


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command of an operation: how it is called and which method carries it out."""

    mark: CommandMark
    method: str
    signature: Signature
    summary: str
    details: str
    usage: str


CATCH_ALL = CommandSpec(CommandMark(name=""), "on_command", ANY_WORDS, "", "", "")
"""What is asked of access for a line that goes to `on_command` as it is: WRITE."""


@dataclass(frozen=True, slots=True)
class Surface:
    """What a class offers: commands by folded name and alias, prefixes, periodic methods, the hooks it has."""

    commands: Mapping[str, CommandSpec]
    prefixes: Mapping[str, CommandSpec]
    periodic: Mapping[str, timedelta]
    hooks: frozenset[str]

    @property
    def catches_all(self) -> bool:
        """Whether `on_command` takes any line for the scene, and not only what `takes` declares."""
        return "on_command" in self.hooks and not any(spec.method == "on_command" for spec in self.commands.values())

    @property
    def specs(self) -> tuple[CommandSpec, ...]:
        """Each command once, in the order of the class."""
        return tuple(dict.fromkeys(self.commands.values()))


def with_named(surface: Surface, named: Iterable[NamedCommand], where: str) -> Surface:
    """Add the commands that an operation's settings define.

    Raises:
        OperationLoadError: a name is none, or is taken.
    """
    commands = dict(surface.commands)
    for one in named:
        folded = _free_name(one.name, commands, f"{where}: {one.name}")
        mark = CommandMark(name=one.name, risk=one.risk)
        commands[folded] = CommandSpec(mark, "on_command", ANY_WORDS, one.summary, "", one.usage)
    return replace(surface, commands=commands)


def surface_of(cls: type[Operation]) -> Surface:
    """Read and verify a class of operations.

    Raises:
        OperationLoadError: a hook has the wrong parameters, a command no help or a name that is taken, rules without `on_log` …
    """
    hooks = frozenset(name for name in HOOKS if getattr(cls, name) is not getattr(Operation, name))
    for name in hooks:
        _check_hook(cls, name)
    if ("on_log" in hooks) != (cls.rules is not Operation.rules):
        raise OperationLoadError(f"{cls.__name__}: on_log and rules() go together: rules() says what on_log gets to see")
    commands: dict[str, CommandSpec] = {}
    prefixes: dict[str, CommandSpec] = {}
    periodic: dict[str, timedelta] = {}
    for name in _method_names(cls):
        method = getattr(cls, name)
        if hasattr(method, EVERY_MARK):
            periodic[name] = getattr(method, EVERY_MARK)
        if not hasattr(method, COMMAND_MARK):
            continue
        spec = _command_spec(cls, name)
        if hasattr(method, PREFIX_MARK):
            prefixes[getattr(method, PREFIX_MARK)] = spec
        else:
            _add(commands, spec, cls)
    return Surface(commands, prefixes, periodic, hooks)


def _method_names(cls: type[Operation]) -> list[str]:
    return list(
        dict.fromkeys(name for base in reversed(cls.__mro__) for name, value in vars(base).items() if inspect.isfunction(value))
    )


def _check_hook(cls: type[Operation], name: str) -> None:
    method = getattr(cls, name)
    if not (inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)):
        raise OperationLoadError(f"{cls.__name__}.{name}: write `async def`")
    if len(inspect.signature(method).parameters) != PARAMETERS[name]:
        expected = tuple(inspect.signature(getattr(Operation, name)).parameters)
        raise OperationLoadError(f"{cls.__name__}.{name}: takes {', '.join(expected)}")


def _command_spec(cls: type[Operation], name: str) -> CommandSpec:
    method = getattr(cls, name)
    where = f"{cls.__name__}.{name}"
    if not (inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)):
        raise OperationLoadError(f"{where}: write `async def`")
    help_text = inspect.getdoc(method) or ""
    if not help_text:
        raise OperationLoadError(f"{where}: the docstring is the command's help; write one")
    summary, _, details = help_text.partition("\n")
    mark, signature = getattr(method, COMMAND_MARK), signature_of(method, where)
    return CommandSpec(mark, name, signature, summary, details.strip(), signature.usage(mark.name))


def _add(commands: dict[str, CommandSpec], spec: CommandSpec, cls: type[Operation]) -> None:
    for name in (spec.mark.name, *spec.mark.aliases):
        commands[_free_name(name, commands, f"{cls.__name__}.{spec.method}")] = spec


def _free_name(name: str, commands: Mapping[str, CommandSpec], where: str) -> str:
    folded = fold_name(name)
    if not folded or any(character.isspace() for character in folded):
        raise OperationLoadError(f"{where}: {name!r} is no name of a command; one word, please")
    if folded in commands:
        raise OperationLoadError(f"{where}: the name {name!r} is taken by {commands[folded].method}")
    return folded
