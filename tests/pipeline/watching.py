"""A watch by itself, without a daemon around it."""

from collections.abc import Sequence

from opsbot.core.chat import Chat
from opsbot.core.operation import Operation
from opsbot.core.scene import Route, Scene
from opsbot.core.surface import surface_of
from opsbot.pipeline.context import Daemon
from opsbot.pipeline.hooks import Hooks, Manners
from opsbot.pipeline.watch import Watch, listeners_of
from opsbot.testing import FakeClock, FakeRunner, FakeStore

OWNER = Route((Chat("chat", "owner"),))


def a_scene(operation: Operation, name: str = "alert") -> Scene:
    rules = tuple(operation.rules())
    surface = surface_of(type(operation))
    return Scene(name=name, operation=operation, surface=surface, source="log", route=OWNER, rules=rules)


def a_watch(
    *operations: Operation,
    is_capped: bool = True,
    names: Sequence[str] = ("alert", "second"),
    store: FakeStore | None = None,
) -> Watch:
    """Make a watch on the source `log`."""
    clock, store = FakeClock(), store or FakeStore()
    daemon = Daemon(name="alice", language="en", clock=clock, runner=FakeRunner(clock), own_pid=1)
    hooks = Hooks(daemon, store, clock, Manners(), OWNER, lambda: None)
    scenes = [a_scene(operation, name) for operation, name in zip(operations, names, strict=False)]
    return Watch(listeners_of(scenes, "log"), hooks, daemon, "", is_capped=is_capped)
