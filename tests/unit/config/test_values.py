"""What a file that is right turns into."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from opsbot.config.address import Address
from opsbot.config.channel import LocalSettings, SimulatedSettings, WechatySettings
from opsbot.config.load import load
from opsbot.config.model import Configuration
from opsbot.config.recipient import Recipient
from opsbot.config.reference import reason_unreachable
from opsbot.core.chat import Chat
from opsbot.core.log import Multiline
from opsbot.core.operation import Risk
from tests.unit.config.sample import write

Loads = Callable[..., Configuration]
PAGE = "name: a\nchannels:\n  page: {kind: local}\n"
SCENE = (
    "name: a\n"
    "channels:\n"
    "  page: {kind: local}\n"
    "  phone: {kind: apprise, url: ntfy://t}\n"
    "people: {bob: {ids: {page: b1}}}\n"
    "rooms: {OPS: {page: r1}}\n"
    "sources: {log: {path: '*.log'}}\n"
    "operations:\n"
    "  x:\n"
    "    use: x_op\n"
    "    source: log\n"
    "    tell: [bob@page, room:OPS@page]\n"
    "    fallback: [bob@phone]\n"
    "    confirm: false\n"
    "    process: p\n"
    "    settings: {deep: [1]}\n"
)


@pytest.fixture(name="loads")
def fixture_loads(tmp_path: Path) -> Loads:
    def loads(text: str, **environ: str) -> Configuration:
        return load(write(tmp_path, text), environ)

    return loads


def test_relative_paths_count_from_the_file(loads: Loads, tmp_path: Path) -> None:
    more = "log: {file: l/a.log}\noperation_dirs: [ops]\nsources: {s: {path: 'x/*.log'}, t: {path: /abs}}\n"
    configuration = loads(PAGE + more)

    assert configuration.state_dir == tmp_path / "state"
    assert configuration.log.file == tmp_path / "l/a.log"
    assert configuration.operation_dirs == (tmp_path / "ops",)
    assert [source.path for source in configuration.sources.values()] == [tmp_path / "x/*.log", Path("/abs")]


def test_a_tilde_is_the_home_directory(loads: Loads) -> None:
    assert loads(PAGE + "state_dir: ~/state\n").state_dir == Path.home() / "state"


def test_a_relative_configuration_gives_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.yaml").write_text(PAGE)
    monkeypatch.chdir(tmp_path)

    assert load(Path("c.yaml")).state_dir == tmp_path / "state"


def test_the_defaults_are_those_of_the_documentation(loads: Loads) -> None:
    configuration = loads(PAGE + "sources: {s: {path: x}}\noperations: {x: {use: x}}\n")

    assert (configuration.language, configuration.pair_key, configuration.operation_dirs) == ("en", None, ())
    assert (configuration.log.file, configuration.log.format) == (None, "starter")
    assert configuration.channels["page"] == LocalSettings(kind="local", listen=Address("127.0.0.1", 8010), max_risk=Risk.DANGER)
    source = configuration.sources["s"]
    assert (source.read_from, source.multiline, source.records(), source.encoding) == ("end", "none", None, "utf-8")
    assert configuration.operations["x"].confirm is True
    assert configuration.notifications.model_dump() == {
        "group_wait_s": 5,
        "repeat_minutes": (15, 30, 60),
        "per_chat_per_minute": 10,
        "fallback_after_s": 60,
    }


@pytest.mark.parametrize(
    ("multiline", "records"),
    [
        ("python", Multiline(kind="python")),
        ("java", Multiline(kind="java")),
        ("{start: ^x}", Multiline(kind="start", start="^x")),
        ("{start: x, timeout_s: 3, max_lines: 5}", Multiline(kind="start", start="x", timeout_s=3, max_lines=5)),
    ],
)
def test_lines_become_records_as_configured(loads: Loads, multiline: str, records: Multiline) -> None:
    assert loads(PAGE + f"sources: {{s: {{path: x, multiline: {multiline}}}}}\n").sources["s"].records() == records


def test_a_gateway_is_reached_with_tls_and_may_trigger_writes_unless_said_otherwise(loads: Loads) -> None:
    channel = loads("name: a\nchannels: {w: {kind: wechaty, endpoint: 'gw.example:1', token: t}}\n").channels["w"]

    assert isinstance(channel, WechatySettings)
    assert (channel.tls, channel.max_risk, channel.account, str(channel.endpoint)) == (True, Risk.WRITE, "", "gw.example:1")


def test_dangerous_addresses_are_accepted_when_they_are_called_so(loads: Loads) -> None:
    configuration = loads(
        "name: a\n"
        "channels:\n"
        "  w: {kind: wechaty, endpoint: 10.0.0.1:1, token: t, tls: false, dangerously_plaintext_gateway: true}\n"
        "  p: {kind: local, listen: '0.0.0.0:1', dangerously_listen_anywhere: true}\n"
    )

    assert set(configuration.channels) == {"w", "p"}


def test_a_plaintext_gateway_on_loopback_is_fine(loads: Loads) -> None:
    channel = loads("name: a\nchannels: {w: {kind: wechaty, endpoint: '[::1]:1', token: t, tls: false}}\n").channels["w"]

    assert isinstance(channel, WechatySettings)
    assert channel.endpoint == Address("::1", 1)


def test_a_simulated_channel_has_a_hub_and_an_account(loads: Loads) -> None:
    channel = loads("name: a\nchannels: {s: {kind: simulated, hub: 127.0.0.1:9, account: wxid_a}}\n").channels["s"]

    assert channel == SimulatedSettings(kind="simulated", hub=Address("127.0.0.1", 9), account="wxid_a")


def test_what_is_not_opsbots_belongs_to_the_operation(loads: Loads) -> None:
    assert loads(SCENE).operations["x"].settings == {"process": "p", "settings": {"deep": [1]}}


def test_opsbots_keys_of_a_scene_are_parsed(loads: Loads) -> None:
    scene = loads(SCENE).operations["x"]

    assert (scene.use, scene.source, scene.confirm) == ("x_op", "log", False)
    assert scene.tell == (Recipient("bob", "page"), Recipient("OPS", "page", is_room=True))
    assert scene.fallback == (Recipient("bob", "phone"),)


def test_a_recipient_is_reached_by_the_platforms_id(loads: Loads) -> None:
    configuration = loads(SCENE)

    chats = [configuration.chat_of(recipient) for recipient in configuration.operations["x"].tell]

    assert chats == [Chat("page", "b1"), Chat("page", "r1", is_room=True)]


def test_on_an_outgoing_only_channel_a_person_needs_no_id(loads: Loads) -> None:
    assert loads(SCENE).chat_of(Recipient("bob", "phone")) == Chat("phone", "bob")


def test_an_operations_own_recipient_can_be_checked_too(loads: Loads) -> None:
    document = loads(SCENE).document

    assert reason_unreachable(document, Recipient("bob", "page")) is None
    assert reason_unreachable(document, Recipient("eve", "page")) == ("there is no person eve", "bob")


def test_grants_have_days(loads: Loads) -> None:
    grants = "[{scene: x, command: go, from: 2026-11-01, until: '2026-12-31'}, {scene: x}]"
    role = loads(PAGE + f"operations: {{x: {{use: x}}}}\nroles: {{r: {{grants: {grants}}}}}\n").roles["r"]

    first, second = role.grants
    assert (first.scene, first.command, first.starts_on, first.ends_on) == ("x", "go", date(2026, 11, 1), date(2026, 12, 31))
    assert (second.command, second.starts_on, second.ends_on) == ("", None, None)


def test_built_in_roles_need_no_definition(loads: Loads) -> None:
    people = loads(PAGE + "people: {bob: {roles: [owner, bot, everyone], ids: {page: b}}}\n").people

    assert people["bob"].roles == ("owner", "bot", "everyone")


def test_chinese_names_are_names(loads: Loads) -> None:
    text = PAGE + "people: {阿奇: {ids: {page: a}}}\noperations: {重启: {use: x, tell: [阿奇@page]}}\n"

    assert loads(text).operations["重启"].tell == (Recipient("阿奇", "page"),)


def test_keys_are_always_text(loads: Loads) -> None:
    assert set(loads(PAGE + "rooms: {no: {page: r}, 12: {page: s}}\n").rooms) == {"no", "12"}


def test_a_time_of_day_is_text_and_no_number_in_base_60(loads: Loads) -> None:
    assert loads(PAGE + "operations: {x: {use: x, at: 12:30}}\n").operations["x"].settings == {"at": "12:30"}


def test_a_mapping_may_be_merged_into_another(loads: Loads) -> None:
    text = PAGE + "sources:\n  a: &a {path: /a, read_from: beginning}\n  b: {<<: *a, path: /b}\n"

    source = loads(text).sources["b"]

    assert (source.path, source.read_from) == (Path("/b"), "beginning")


def test_of_several_merged_mappings_the_first_wins(loads: Loads) -> None:
    text = PAGE + "sources:\n  a: &a {path: /a}\n  b: &b {path: /b, read_from: beginning}\n  c: {<<: [*a, *b]}\n"

    source = loads(text).sources["c"]

    assert (source.path, source.read_from) == (Path("/a"), "beginning")


def test_variables_stand_anywhere_in_a_text_and_two_dollars_are_one(loads: Loads) -> None:
    configuration = loads(PAGE + "operations: {x: {use: x, a: 'v${B}w', c: ['$$ $x x$']}}\n", B="-b-")

    assert configuration.operations["x"].settings == {"a": "v-b-w", "c": ["$ $x x$"]}


def test_a_variable_is_not_expanded_again(loads: Loads) -> None:
    assert loads(PAGE + "operations: {x: {use: x, a: '${A}'}}\n", A="${B}").operations["x"].settings == {"a": "${B}"}


def test_settings_are_frozen(loads: Loads) -> None:
    configuration = loads(PAGE)

    with pytest.raises(ValidationError, match="frozen"):
        configuration.name = "b"  # type: ignore[misc]  # what must not be possible


def test_the_document_knows_the_line_of_every_value(loads: Loads) -> None:
    document = loads(SCENE).document

    assert document.line_of(("operations", "x", "process")) == 15
    assert document.line_of(("operations", "x", "absent")) == 9


@pytest.mark.parametrize("text", ["bob@page", "room:OPS@page"])
def test_a_recipient_is_written_as_it_is_read(text: str) -> None:
    assert str(Recipient.parse(text)) == text


@pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:80", "localhost:0"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 looked at only
        ("::", False),
        ("a.b", False),
    ],
)
def test_only_this_machines_own_addresses_are_loopback(host: str, is_loopback: bool) -> None:  # noqa: FBT001 a column of a table
    assert Address(host, 1).is_loopback is is_loopback
