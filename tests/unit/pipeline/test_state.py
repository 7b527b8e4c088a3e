"""A scene's state while one hook runs."""

from typing import Any

import pytest

from opsbot.core.change import Json, StateWrite
from opsbot.pipeline.state import SceneState


def test_writes_are_seen_at_once_and_shared_when_taken() -> None:
    shared: dict[str, Json] = {"a": 1}
    state = SceneState("s", shared)
    state["b"] = 2

    before = dict(shared)
    writes = state.take_writes()

    assert (dict(state), before, shared, writes) == ({"a": 1, "b": 2}, {"a": 1}, {"a": 1, "b": 2}, (StateWrite("s", "b", 2),))


def test_deleted_key_is_gone_for_the_hook_and_afterwards() -> None:
    shared: dict[str, Json] = {"a": 1}
    state = SceneState("s", shared)
    del state["a"]

    assert ("a" in state, len(state), list(state), shared) == (False, 0, [], {"a": 1})
    assert (state.take_writes(), shared) == ((StateWrite("s", "a", None),), {})


@pytest.mark.parametrize("key", ["none", "missing"])
def test_missing_and_deleted_keys_are_key_errors(key: str) -> None:
    state = SceneState("s", {})
    state["none"] = None

    with pytest.raises(KeyError):
        state[key]


def test_value_that_was_read_can_be_changed_without_changing_the_state() -> None:
    shared: dict[str, Json] = {"seen": ["a"]}
    state = SceneState("s", shared)
    seen = state["seen"]
    assert isinstance(seen, list)
    seen.append("b")

    assert (state["seen"], shared) == (["a"], {"seen": ["a"]})


def test_value_that_was_written_is_what_it_was_then() -> None:
    state = SceneState("s", {})
    seen: list[Json] = ["a"]
    state["seen"] = seen
    seen.append("b")

    assert state["seen"] == ["a"]


@pytest.mark.parametrize("value", [object(), {"x": b""}, float("nan"), {1, 2}])
def test_value_that_is_no_json_is_refused_where_it_is_written(value: Any) -> None:
    state = SceneState("s", {})

    with pytest.raises((TypeError, ValueError)):
        state["x"] = value
