"""`opsbot demo`: two daemons and a simulated platform, nothing to configure."""

import asyncio
from pathlib import Path

import click


@click.command()
@click.option("--port", type=int, default=None, help="The port of the page; a free one by default.")
@click.option("--state-dir", type=click.Path(path_type=Path), default=Path("demo-state"), show_default=True)
@click.option("--open/--no-open", "open_browser", default=False, help="Open the page in the browser.")
def demo(port: int | None, state_dir: Path, *, open_browser: bool) -> None:
    """Run two paired bots, alice and bob, on a simulated platform, with a page that shows both."""
    from opsbot.demo import run_demo  # noqa: PLC0415 - loads everything that runs

    asyncio.run(run_demo(port, state_dir, open_browser=open_browser))


@click.command(hidden=True)
@click.argument("name")
@click.option("--state-dir", type=click.Path(path_type=Path), default=Path("demo-state"))
def demo_restart(name: str, state_dir: Path) -> None:
    """Restart a daemon of the running demo, and show how it goes."""
    from opsbot.demo import read_hub, restart_daemon  # noqa: PLC0415

    async def show() -> None:
        async for line in restart_daemon(*read_hub(state_dir), name):
            print(line, flush=True)

    asyncio.run(show())
