"""Wait until nothing goes on by itself any more: what tests do instead of sleeping."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary, WeakSet

P = ParamSpec("P")
T = TypeVar("T")

QUIET_ROUNDS = 3
RESTLESS_ROUNDS = 200_000
THREAD_POLL_S = 0.001


class CountedThreads(ThreadPoolExecutor):
    """A loop's threads, counted, so that work in a thread is not taken for rest."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count for one loop."""
        super().__init__(max_workers=4, thread_name_prefix="opsbot-testing")
        self._loop = loop
        self.busy = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Start work in a thread."""
        self.busy += 1
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(self._note_end)
        return future

    def _note_end(self, _future: "Future[Any]") -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._count_down)

    def _count_down(self) -> None:
        self.busy -= 1


_THREADS: WeakKeyDictionary[asyncio.AbstractEventLoop, CountedThreads] = WeakKeyDictionary()
_RESTING: WeakSet[asyncio.Task[Any]] = WeakSet()


def count_threads() -> None:
    """Make the running loop's `asyncio.to_thread` something that `settled` waits for."""
    loop = asyncio.get_running_loop()
    if loop not in _THREADS:
        _THREADS[loop] = threads = CountedThreads(loop)
        loop.set_default_executor(threads)


async def settled() -> None:
    """Let all tasks run until each waits for something that only time or the outside can bring.

    Raises:
        AssertionError: something never comes to rest.
    """
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    assert me is not None  # noqa: S101 - a coroutine that runs has a task
    _RESTING.add(me)
    try:
        quiet_rounds = 0
        for _ in range(RESTLESS_ROUNDS):
            threads = _THREADS.get(loop)
            await asyncio.sleep(THREAD_POLL_S if threads is not None and threads.busy else 0)
            is_quiet = not (threads is not None and threads.busy) and not _is_anything_due(loop)
            quiet_rounds = quiet_rounds + 1 if is_quiet else 0
            # All tasks are many, those of earlier tests among them, so they are looked at only when all seems to be quiet.
            if quiet_rounds >= QUIET_ROUNDS and not any(map(_is_busy, asyncio.all_tasks())):
                return
    finally:
        _RESTING.discard(me)
    raise AssertionError(f"never at rest: {', '.join(sorted(t.get_name() for t in asyncio.all_tasks() if _is_busy(t)))}")


def _is_anything_due(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether the loop has something to call now, besides those who wait for quiet as we do."""
    # The queue has no public name either; a loop that has none by this name is asked for its tasks in each round.
    return len(getattr(loop, "_ready", ())) >= max(1, len(_RESTING))


def _is_busy(task: "asyncio.Task[Any]") -> bool:
    # What a task waits for is an attribute without a public name; anyio's wait_all_tasks_blocked reads it too.
    waits_for: asyncio.Future[Any] | None = getattr(task, "_fut_waiter", None)
    return task not in _RESTING and (waits_for is None or waits_for.done())
