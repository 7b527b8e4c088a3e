"""Whatever stands in the file: it loads, or it is a ConfigError."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.config.document import KeyPath
from opsbot.config.load import load
from opsbot.core.errors import ConfigError
from tests.unit.config.sample import ENVIRON, SMALL, paths_of, replaced, write

PATHS = paths_of(SMALL)
KEYS = sorted({str(step) for path in PATHS for step in path})
PIECES = [
    "a",
    "b: ",
    "- ",
    "\n",
    "\n  ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    '"',
    "'",
    "&a ",
    "*a",
    "!!int ",
    "!x",
    "<<: ",
    "? ",
    "|",
    "%",
    "#",
    "---\n",
]
PIECES += [
    "\\",
    "\\ud800",
    "0x",
    "1e9",
    ".inf",
    "2026-02-31",
    "${A}",
    "${",
    "~",
    "=",
    "name: ",
    "channels: ",
    "\t",
    "\x00",
    "\u2028",
    "中",
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["wechaty", "a@wechat", "1:1"])
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(name="folder", scope="module")
def fixture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config")


def accepts_or_explains(folder: Path, content: object) -> None:
    try:
        load(write(folder, content), ENVIRON)
    except ConfigError as error:
        str(error).encode()


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_load_or_are_explained(folder: Path, content: bytes) -> None:
    accepts_or_explains(folder, content)


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_any_pieces_of_yaml_load_or_are_explained(folder: Path, text: str) -> None:
    accepts_or_explains(folder, text)


@given(trees)
def test_any_tree_loads_or_is_explained(folder: Path, tree: object) -> None:
    accepts_or_explains(folder, tree if isinstance(tree, dict) else [tree])


@given(st.sampled_from(PATHS), trees)
def test_anything_in_any_place_loads_or_is_explained(folder: Path, path: KeyPath, tree: object) -> None:
    accepts_or_explains(folder, replaced(SMALL, path, [tree] if path == () else tree))
