"""A scene's durable state while one hook runs: reads see everything, writes are kept apart until the hook has succeeded."""

import json
from collections.abc import Iterator, MutableMapping
from copy import deepcopy

from opsbot.core.change import Json, StateWrite


class SceneState(MutableMapping[str, Json]):
    """The scene's values with the writes of one hook on top."""

    def __init__(self, scene: str, shared: dict[str, Json]) -> None:
        """Start without writes; `shared` is the scene's state in memory, common to all its hooks."""
        self._scene = scene
        self._shared = shared
        self._writes: dict[str, Json] = {}

    def __getitem__(self, key: str) -> Json:
        """Give a copy of a value: what is changed in it counts only once it is written back."""
        value = self._writes[key] if key in self._writes else self._shared[key]
        if value is None:
            raise KeyError(key)
        return deepcopy(value)

    def __setitem__(self, key: str, value: Json) -> None:
        """Write a JSON value; None deletes.

        Raises:
            TypeError, ValueError: it is no JSON; here, where the bug can be told, and not in the transaction.
        """
        self._writes[key] = json.loads(json.dumps(value, allow_nan=False))

    def __delitem__(self, key: str) -> None:
        """Delete a value."""
        self[key]
        self._writes[key] = None

    def __iter__(self) -> Iterator[str]:
        """Go over the keys that have a value."""
        keys = dict.fromkeys([*self._shared, *self._writes])
        return (key for key in keys if (self._writes[key] if key in self._writes else self._shared[key]) is not None)

    def __len__(self) -> int:
        """Count the keys that have a value."""
        return sum(1 for _ in self)

    def take_writes(self) -> tuple[StateWrite, ...]:
        """Give the writes for a commit and make them visible to the scene's other hooks."""
        writes, self._writes = self._writes, {}
        for key, value in writes.items():
            if value is None:
                self._shared.pop(key, None)
            else:
                self._shared[key] = value
        return tuple(StateWrite(self._scene, key, value) for key, value in writes.items())
