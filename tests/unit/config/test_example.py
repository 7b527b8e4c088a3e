"""config.example.yaml and the models say the same."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from opsbot.config.channel import KINDS
from opsbot.config.load import load
from opsbot.config.model import Configuration
from tests.unit.config.sample import ENVIRON, EXAMPLE

TEXT = EXAMPLE.read_text("utf-8")
OPTIONAL = re.compile(r"^( *)# ( *[a-z_]+:( .*)?)$", re.MULTILINE)
OPTIONAL_LINES = [found.group() for found in OPTIONAL.finditer(TEXT)]
ALONE = [line for line in OPTIONAL_LINES if re.match(r" *# [a-z_]", line) and "rehearsal" not in line]


def keys_of_type(annotation: Any, at: str) -> Iterator[str]:
    """Give every key that a type allows: `*` is any name, a channel's kind stands in front of its keys."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kind = next((kind for kind, model in KINDS.items() if model is annotation), "")
        for name, info in annotation.model_fields.items():
            key = f"{at}{kind and f'<{kind}>'}.{info.alias or name}"
            yield key
            yield from keys_of_type(info.annotation, key)
    elif get_origin(annotation) in {Union, UnionType, tuple}:
        for part in get_args(annotation):
            yield from keys_of_type(part, at)
    elif isinstance(get_origin(annotation), type) and issubclass(get_origin(annotation), Mapping):
        yield from keys_of_type(get_args(annotation)[1], f"{at}.*")
    elif get_args(annotation):  # Annotated
        yield from keys_of_type(get_args(annotation)[0], at)


def keys_of_value(value: Any, at: str = "") -> Iterator[str]:
    """Give every key in a plain value, written as `keys_of_type` does."""
    if isinstance(value, dict):
        kind = value.get("kind", "")
        for name, item in value.items():
            key = f"{at}{kind and f'<{kind}>'}.{name}"
            yield key
            yield from keys_of_value(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from keys_of_value(item, at)


def generic(key: str) -> str:
    """Put `*` where the operator chooses the name."""
    key = re.sub(r"^\.(channels|people|roles|sources|operations)\.([^.<]+)", r".\1.*", key)
    return re.sub(r"^(\.people\.\*\.ids|\.rooms\.[^.]+)\..*", r"\1", re.sub(r"^\.rooms\.[^.]+", ".rooms.*", key))


SCHEMA = set(keys_of_type(Configuration, ""))
IN_EXAMPLE = {generic(key) for key in keys_of_value(yaml.safe_load(OPTIONAL.sub(r"\1\2", TEXT)))}


def test_the_walk_over_the_models_finds_what_lies_deepest() -> None:
    assert {".channels.*<wechaty>.token", ".roles.*.grants.from", ".notifications.repeat_minutes"} <= SCHEMA


def test_every_key_of_the_models_is_in_the_example() -> None:
    assert not SCHEMA - IN_EXAMPLE


def test_every_key_of_the_example_is_in_the_models() -> None:
    own_settings = {key for key in IN_EXAMPLE if key.startswith(".operations.*.")}
    names = {".channels.*", ".people.*", ".rooms.*", ".roles.*", ".sources.*", ".operations.*"}

    assert not IN_EXAMPLE - SCHEMA - names - own_settings


def test_every_key_has_a_comment() -> None:
    keys = [line for line in TEXT.splitlines() if re.match(r" *(# *)?(- )?\{?[\w]+:", line) and not line.startswith("#")]

    assert [line for line in keys if not re.search(r":.*\S? # \S|: +# \S", line)] == []


def written(folder: Path, text: str) -> Path:
    (folder / "secrets").mkdir()
    for name, secret in {"pair-key": "k", "wechaty-token": "t", "apprise-url": "ntfy://t"}.items():
        (folder / "secrets" / name).write_text(secret)
        (folder / "secrets" / name).chmod(0o600)
    (folder / "config.yaml").write_text(text, "utf-8")
    return folder / "config.yaml"


def test_the_example_loads_as_it_is(tmp_path: Path) -> None:
    assert load(written(tmp_path, TEXT), ENVIRON).name == "alice"


@pytest.mark.parametrize("line", ALONE)
def test_each_optional_line_of_the_example_can_be_used(tmp_path: Path, line: str) -> None:
    key = line.strip().removeprefix("# ").partition(":")[0]
    text = TEXT.replace(line, OPTIONAL.sub(r"\1\2", line))
    if key.endswith("_file"):
        text = re.sub(rf"^ *{key.removesuffix('_file')}: .*\n", "", text, flags=re.MULTILINE)

    assert load(written(tmp_path, text), ENVIRON).document.line_of(()) == 1


def test_the_optional_channel_of_the_example_can_be_used(tmp_path: Path) -> None:
    block = "\n".join(line for line in OPTIONAL_LINES if line.startswith(("  # rehearsal:", "  #   ")))
    text = TEXT.replace(block, OPTIONAL.sub(r"\1\2", block))

    assert load(written(tmp_path, text), ENVIRON).channels["rehearsal"].kind == "simulated"


DEFAULTS = [
    ("max_risk", "wechaty"),
    ("tls", "wechaty"),
    ("dangerously_plaintext_gateway", "wechaty"),
    ("listen", "local"),
    ("dangerously_listen_anywhere", "local"),
    ("metrics_open", "local"),
    ("max_risk", "local"),
    ("max_risk", "simulated"),
]


@pytest.mark.parametrize(("key", "kind"), DEFAULTS)
def test_a_channels_default_in_the_example_is_the_models(key: str, kind: str) -> None:
    channels = yaml.safe_load(OPTIONAL.sub(r"\1\2", TEXT))["channels"].values()
    shown = next(channel[key] for channel in channels if channel["kind"] == kind)

    assert str(KINDS[kind].model_fields[key].default).lower() == str(shown).lower()
