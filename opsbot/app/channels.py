"""From `channels:` to links. Each adapter is imported only when it is configured."""

import importlib
import os
from dataclasses import dataclass

from opsbot.adapters.clock import SystemClock
from opsbot.adapters.rendering.qr import QrPng
from opsbot.app.insight import Insight
from opsbot.config.channel import AppriseSettings, LocalSettings, SimulatedSettings, WechatySettings
from opsbot.config.model import Configuration
from opsbot.core.access import Access
from opsbot.core.ports import Account, Channel, Clock, QrRenderer
from opsbot.pipeline.link import Link

FRAME_ANCESTORS = "OPSBOT_FRAME_ANCESTORS"
"""The origin that may embed the page; the demo sets it, and nobody else needs it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What channels need besides their own settings."""

    configuration: Configuration
    access: Access
    clock: Clock
    qr: QrRenderer
    insight: Insight


def import_adapters(configuration: Configuration) -> None:
    """Import the adapters that are configured, and no others, before the loop has work to do. Blocking."""
    for kind in {settings.kind for settings in configuration.channels.values()}:
        importlib.import_module(f"opsbot.adapters.channels.{kind}.channel")


def link_of(name: str, surroundings: Surroundings) -> Link:
    """Make the channel of one configuration entry; nothing is connected yet."""
    settings = surroundings.configuration.channels[name]
    allowed_account = settings.account if isinstance(settings, WechatySettings) else ""
    return Link(_channel(name, surroundings), settings.kind, allowed_account)


def _channel(name: str, surroundings: Surroundings) -> Channel:
    settings = surroundings.configuration.channels[name]
    match settings:
        case LocalSettings():
            return _local(name, settings, surroundings)
        case WechatySettings():
            from opsbot.adapters.channels.wechaty.channel import WechatyChannel  # noqa: PLC0415 - only when configured

            return WechatyChannel(
                name,
                endpoint=str(settings.endpoint),
                token=settings.token.get_secret_value(),
                tls=settings.tls,
                tls_ca_file=settings.tls_ca_file,
                clock=surroundings.clock,
                bot_name=surroundings.configuration.name,
            )
        case AppriseSettings():
            from opsbot.adapters.channels.apprise.channel import AppriseChannel  # noqa: PLC0415 - only when configured

            return AppriseChannel(name, url=settings.url.get_secret_value(), bot_name=surroundings.configuration.name)
        case SimulatedSettings():
            from opsbot.adapters.channels.simulated.channel import SimulatedChannel  # noqa: PLC0415 - only when configured

            token = os.environ.get("OPSBOT_HUB_TOKEN", "")
            return SimulatedChannel(name, f"http://{settings.hub}/#{token}", settings.account, surroundings.clock)


def _local(name: str, settings: LocalSettings, surroundings: Surroundings) -> Channel:
    from opsbot.adapters.channels.local import Insight as Shown  # noqa: PLC0415 - the web library loads only when configured
    from opsbot.adapters.channels.local import LocalChannel  # noqa: PLC0415
    from opsbot.adapters.channels.local import LocalSettings as Surface  # noqa: PLC0415

    configuration = surroundings.configuration
    people = {person.ids[name]: person_name for person_name, person in configuration.people.items() if name in person.ids}
    owners = frozenset(dict(person.ids)[name] for person in surroundings.access.owners() if name in dict(person.ids))
    surface = Surface(
        people=people,
        owners=owners,
        rooms=tuple(ids[name] for ids in configuration.rooms.values() if name in ids),
        bot_name=configuration.name,
        language=configuration.language,
        frame_ancestors=os.environ.get(FRAME_ANCESTORS, "'none'"),
        metrics_open=settings.metrics_open,
        any_host=settings.dangerously_listen_anywhere,
    )
    insight = surroundings.insight
    shown = Shown(status=insight, metrics=insight.metrics, render_qr=surroundings.qr.png)
    return LocalChannel(name, state_dir=configuration.state_dir, settings=surface, insight=shown, clock=surroundings.clock)


def channels_with_accounts(configuration: Configuration) -> list[tuple[str, Channel]]:
    """Make the channels that have an account behind them, for a look at whom it knows."""
    surroundings = Surroundings(configuration, Access(), SystemClock(), QrPng(), Insight(configuration.name, tuple))
    made = [
        (name, _channel(name, surroundings)) for name, one in configuration.channels.items() if not isinstance(one, LocalSettings)
    ]
    return [(name, channel) for name, channel in made if isinstance(channel, Account)]
