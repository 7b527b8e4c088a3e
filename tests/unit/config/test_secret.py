"""Secrets come from the environment or from private files, and never show."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from opsbot.config.channel import AppriseSettings, WechatySettings
from opsbot.config.document import KeyPath
from opsbot.config.load import load
from opsbot.config.model import Configuration
from opsbot.core.errors import ConfigError
from tests.unit.config.sample import SMALL, paths_of, replaced, write

SECRET = "Pa55'w\"ord\\zeta"
ENVIRON = {"SECRET": SECRET}
PAGE = "name: a\nchannels:\n  page: {kind: local}\n"


def secret_file(folder: Path, content: bytes, *, mode: int = 0o600) -> Path:
    file = folder / "secret"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def wechaty(configuration: Configuration) -> WechatySettings:
    channel = configuration.channels["w"]
    assert isinstance(channel, WechatySettings)
    return channel


def test_a_secret_file_stands_for_the_secret_without_its_line_end(tmp_path: Path) -> None:
    secret_file(tmp_path, b"s3cret\r\n")
    file = write(tmp_path, "name: a\nchannels: {w: {kind: wechaty, endpoint: 127.0.0.1:1, token_file: secret}}\n")

    channel = wechaty(load(file, {}))

    assert (channel.token, channel.token_file) == (SecretStr("s3cret"), tmp_path / "secret")


def test_every_secret_key_has_a_file_twin(tmp_path: Path) -> None:
    secret_file(tmp_path, b"ntfy://s3cret")
    text = "name: a\npair_key_file: secret\nchannels: {p: {kind: apprise, url_file: secret}}\n"

    configuration = load(write(tmp_path, text), {})

    channel = configuration.channels["p"]
    assert isinstance(channel, AppriseSettings)
    assert configuration.pair_key == channel.url == SecretStr("ntfy://s3cret")


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (b"s3cret", 0o644, "can be read or changed by others; mode 600"),
        (b"s3cret", 0o602, "can be read or changed by others; mode 600"),
        (b"s3cret", 0o620, "can be read or changed by others; mode 600"),
        (b"\n", 0o600, "is empty; a file with the secret on one line"),
        (b"s3\xffcret", 0o600, "is not UTF-8; text"),
        (b"s" * 70_000, 0o600, "is too large; at most 65536 bytes"),
    ],
)
def test_a_secret_file_that_is_not_private_text_is_refused(tmp_path: Path, content: bytes, mode: int, reason: str) -> None:
    secret_file(tmp_path, content, mode=mode)
    file = write(tmp_path, PAGE + "pair_key_file: secret\n")

    with pytest.raises(ConfigError) as caught:
        load(file, {})

    assert str(caught.value) == f"{file}:4: pair_key_file: {reason}"


def test_a_bad_secret_in_a_file_is_reported_where_the_file_is_named(tmp_path: Path) -> None:
    secret_file(tmp_path, b"two\nlines\n")
    file = write(tmp_path, PAGE + "\npair_key_file: secret\n")

    with pytest.raises(ConfigError, match=f"^{file}:5: pair_key: is empty or holds a control character"):
        load(file, {})


def test_a_secret_in_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, PAGE + "pair_key: s3cret\n", mode=0o644)

    with pytest.raises(ConfigError) as caught:
        load(file, {})

    mend = "${VARIABLE}, pair_key_file: PATH, or mode 600 for this file"
    assert str(caught.value) == f"{file}:4: pair_key: stands in a file that others can read; {mend}"


def test_a_secret_from_the_environment_may_be_named_in_a_readable_file(tmp_path: Path) -> None:
    assert load(write(tmp_path, PAGE + "pair_key: ${K}\n", mode=0o644), {"K": "v"}).pair_key == SecretStr("v")


def test_all_secrets_are_known_for_masking(tmp_path: Path) -> None:
    secret_file(tmp_path, b"from-file")
    text = (
        "name: a\npair_key: literal\nchannels: {w: {kind: wechaty, endpoint: 127.0.0.1:1, token_file: secret}}\n"
        "operations: {x: {use: x, password: 'p-${SECRET}'}}\n"
    )

    assert load(write(tmp_path, text), ENVIRON).secrets() == {"from-file", "literal", SECRET}


def test_texts_about_a_document_can_be_masked(tmp_path: Path) -> None:
    secret_file(tmp_path, b"from-file")
    text = "name: a\npair_key: literal\nchannels: {w: {kind: wechaty, endpoint: 127.0.0.1:1, token_file: secret}}\n"

    document = load(write(tmp_path, text), {}).document

    assert document.masked("a literal from-file, from-fil") == "a *** ***, from-fil"


def test_secrets_of_a_configuration_without_a_file_are_known_too() -> None:
    channel = WechatySettings.model_validate({"kind": "wechaty", "endpoint": "127.0.0.1:1", "token": "s3cret"})
    configuration = Configuration(name="a", channels={"w": channel})

    assert configuration.secrets() == {"s3cret"}


def test_the_representation_shows_no_secret(tmp_path: Path) -> None:
    text = PAGE + "pair_key: ${SECRET}\noperations: {x: {use: x, password: 'p-${SECRET}'}}\nlog: {file: 'l/${SECRET}'}\n"

    configuration = load(write(tmp_path, text), ENVIRON)

    for shown in (repr(configuration), str(configuration)):
        assert SECRET not in shown
        assert repr(SECRET)[1:-1] not in shown
        assert "p-***" in shown


TELL = ("operations", "x", "tell", 0)


@pytest.mark.parametrize(
    ("path", "form"),
    [(path, "${SECRET}") for path in paths_of(SMALL)]
    + [(TELL, form) for form in ("${SECRET}@w", "room:${SECRET}@w", "bob@${SECRET}")],
)
def test_a_variable_in_any_place_never_shows(tmp_path: Path, path: KeyPath, form: str) -> None:
    file = write(tmp_path, replaced(SMALL, path, form))

    try:
        shown = repr(load(file, {"SECRET": "zetasecret"}))
    except ConfigError as error:
        shown = repr(error)

    assert "zetasecret" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "token: *zetasecret\n",
        "token: !zetasecret x\n",
        "token: !zeta!secret x\n",
        'token: "zetasecret\n',
        "token: @zetasecret\n",
        "token: zetasecret: x\n",
        "%zetasecret\ntoken: x\n",
        "token: &zetasecret x\nb: &zetasecret y\nc: *zetasecret2\n",
        "token: [zetasecret\n",
        "name: a\nchannels: {w: {kind: wechaty, endpoint: 3, token: {zetasecret: 1}, tls: zetasecret}}\n",
        "name: a\nchannels: {p: {kind: apprise, url: zetasecret}}\n",
    ],
)
def test_a_secret_in_a_broken_file_never_shows(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text), {})

    assert "zetasecret" not in str(caught.value).replace("channels.w.token.zetasecret", "")
