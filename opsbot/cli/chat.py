"""`opsbot chat`: the local channel in a terminal."""

import asyncio
import os
from pathlib import Path

import click

from opsbot.cli.options import config_option


@click.command()
@config_option
@click.option("--as", "person", default=None, help="Who you are, of people: in the configuration; the first owner by default.")
@click.option("--room", default=None, help="Talk in this room instead of directly with the bot.")
@click.option(
    "--url", default=None, help="The address of a page, instead of a configuration; the token comes from $OPSBOT_TOKEN."
)
def chat(config_path: Path, person: str | None, room: str | None, url: str | None) -> None:
    """Talk to a running daemon in the terminal. When input is not a terminal: plain lines in, plain lines out."""
    from opsbot.adapters.channels.local.client import LocalClient, talk  # noqa: PLC0415 - loads the web client

    if url is not None:
        base, token = url, os.environ.get("OPSBOT_TOKEN", "")
        address = person or ""
    else:
        base, token, address = _from_configuration(config_path, person)
    asyncio.run(talk(LocalClient(base, token), f"room:{room}" if room else address))


def _from_configuration(config_path: Path, person: str | None) -> tuple[str, str, str]:
    from opsbot.adapters.channels.local import read_tokens  # noqa: PLC0415
    from opsbot.config.channel import LocalSettings  # noqa: PLC0415
    from opsbot.config.load import load  # noqa: PLC0415

    configuration = load(config_path)
    local = next((name for name, one in configuration.channels.items() if isinstance(one, LocalSettings)), None)
    if local is None:
        raise click.ClickException(f"{config_path} has no channel of kind local; add one, it is the embedded chat")
    settings = configuration.channels[local]
    candidates = {name: one.ids[local] for name, one in configuration.people.items() if local in one.ids}
    owners = [name for name in candidates if "owner" in configuration.people[name].roles]
    chosen = person or next(iter([*owners, *candidates]), "")
    if chosen not in candidates:
        raise click.ClickException(f"nobody called {chosen!r} has an id on {local}; there are: {', '.join(candidates) or 'none'}")
    tokens = read_tokens(configuration.state_dir)
    address = candidates[chosen]
    return f"http://{getattr(settings, 'listen')}", tokens[address], address  # noqa: B009 - narrowed above
