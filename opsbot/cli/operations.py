"""`opsbot operations`: what can be used in `operations:`."""

import json
from pathlib import Path

import click
from pydantic import TypeAdapter

from opsbot.cli.options import config_option
from opsbot.core.errors import OperationLoadError
from opsbot.loader import Loader


@click.command()
@click.argument("name", required=False)
@config_option
def operations(name: str | None, config_path: Path) -> None:
    """List the operations that can be used, or print the settings of one as a JSON schema.

    Searched in order: operation_dirs of the configuration (where there is one), then the operations shipped with opsbot.
    """
    loader = Loader(_folders(config_path))
    if name is not None:
        loaded = loader.load(name)
        schema = TypeAdapter(loaded.operation).json_schema()
        print(json.dumps(schema, ensure_ascii=False, indent=2))
        return
    for one, paths in sorted(loader.names().items()):
        try:
            loaded = loader.load(one)
        except OperationLoadError as exc:
            print(f"{one}: cannot be used: {exc}")
            continue
        summary = (loaded.operation.__doc__ or "").strip().partition("\n")[0]
        shadowed = "".join(f"\n    hides {path}" for path in paths[1:])
        print(f"{one}: {summary}\n    {loaded.path}{shadowed}")
        for spec in loaded.surface.specs:
            print(f"    {spec.usage}: {spec.summary}")


def _folders(config_path: Path) -> tuple[Path, ...]:
    if not config_path.exists():
        return ()
    from opsbot.config.load import load  # noqa: PLC0415 - only where there is a configuration

    return load(config_path).operation_dirs
