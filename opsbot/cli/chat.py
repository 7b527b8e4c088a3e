"""`opsbot chat`: the local channel in a terminal."""

import asyncio
import os
from pathlib import Path

import click

from opsbot.adapters.channels.local.terminal import run_chat
from opsbot.adapters.channels.local.tokens import read_tokens
from opsbot.cli.options import config_option
from opsbot.config.channel import LocalSettings
from opsbot.config.load import load


@click.command()
@config_option
@click.option("--as", "person", default=None, help="Who you are, of people: in the configuration; the first owner by default.")
@click.option("--room", default="", help="Talk in this room instead of directly with the bot.")
@click.option(
    "--url", default="", help="The address of a page, instead of a configuration; the token is read from $OPSBOT_TOKEN."
)
@click.option("--save-dir", type=click.Path(path_type=Path), default=Path("received"), show_default=True, help="Where files go.")
def chat(config_path: Path, person: str | None, room: str, url: str, save_dir: Path) -> None:
    """Talk to a running daemon in the terminal. When input is not a terminal: plain lines in, plain lines out."""
    address, token = (url, os.environ.get("OPSBOT_TOKEN", "")) if url else _from_configuration(config_path, person)
    asyncio.run(run_chat(address, token, save_dir=save_dir, chat=f"room:{room}" if room else ""))


def _from_configuration(config_path: Path, person: str | None) -> tuple[str, str]:
    """Find the address of the local channel and the token of a person on it."""
    configuration = load(config_path)
    local = next(((name, one) for name, one in configuration.channels.items() if isinstance(one, LocalSettings)), None)
    if local is None:
        raise click.ClickException(f"{config_path} has no channel of kind local; add one, it is the embedded chat")
    name, settings = local
    people = {known: one.ids[name] for known, one in configuration.people.items() if name in one.ids}
    owners = [known for known in people if "owner" in configuration.people[known].roles]
    chosen = person or next(iter([*owners, *people]), "")
    if chosen not in people:
        raise click.ClickException(f"nobody called {chosen!r} has an id on {name}; there are: {', '.join(people) or 'none'}")
    token = read_tokens(configuration.state_dir).get(people[chosen])
    if token is None:
        raise click.ClickException(f"{chosen} has no token yet; start the daemon once: opsbot run -c {config_path}")
    return f"http://{settings.listen}", token
