"""`opsbot contacts`: whom the accounts know, and under which ids."""

import asyncio
from pathlib import Path
from typing import cast

import click

from opsbot.cli.options import config_option
from opsbot.config.load import load
from opsbot.core.errors import ChannelUnavailableError
from opsbot.core.ports import Account

CONNECT_WITHIN_S = 40.0


@click.command()
@config_option
@click.option("--channel", default=None, help="Only this channel.")
def contacts(config_path: Path, channel: str | None) -> None:
    """List ids, handles and names of the people and rooms that the accounts know: ids are what people: and rooms: want.

    A gateway serves one client: stop the daemon first.
    """
    from opsbot.app.channels import channels_with_accounts  # noqa: PLC0415 - loads the adapters

    configuration = load(config_path)
    accounts = channels_with_accounts(configuration)
    if channel is not None and channel not in dict(accounts):
        known = ", ".join(name for name, _ in accounts) or "none"
        raise click.ClickException(f"{channel} is no channel with contacts; there are: {known}")

    async def show() -> None:
        for name, one in accounts:
            if channel not in (None, name):
                continue
            try:
                async with asyncio.timeout(CONNECT_WITHIN_S), one:
                    for contact in await cast("Account", one).contacts():
                        kind = "room" if contact.is_room else "person"
                        print(f"{name}\t{kind}\t{contact.contact_id}\t{contact.handle}\t{contact.name}")
            except (ChannelUnavailableError, TimeoutError) as exc:
                reason = str(exc) or "no answer in time"
                raise click.ClickException(f"{name}: {reason}") from exc

    print("channel\tkind\tid\thandle\tname")
    asyncio.run(show())
