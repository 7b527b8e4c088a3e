"""`opsbot doctor`: is this machine fit for this configuration?"""

import asyncio
import sys
from pathlib import Path

import click

from opsbot.app.doctor import check_up
from opsbot.app.preparation import prepare
from opsbot.cli.logging import set_up_logging
from opsbot.cli.options import config_option
from opsbot.config.load import load
from opsbot.core.finding import Level
from opsbot.core.redact import Redactor


@click.command()
@config_option
def doctor(config_path: Path) -> None:
    """Check gateways, sources, rules, pm2, permissions, limits and the clock; every line says how to mend what it finds.

    Stop the daemon first for a full look at the gateways: each serves one client. Exit status 1 when something failed.
    """
    configuration = load(config_path)
    redactor = Redactor(configuration.secrets())
    set_up_logging("error", lambda: redactor)
    cast = prepare(configuration)

    async def show() -> bool:
        all_well = True
        async for finding in check_up(configuration, cast):
            print(redactor.mask(str(finding)), flush=True)
            all_well = all_well and finding.level is not Level.FAIL
        return all_well

    sys.exit(0 if asyncio.run(show()) else 1)
