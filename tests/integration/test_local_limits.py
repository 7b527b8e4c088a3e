"""What the embedded chat refuses: too much, nonsense, and what is meant to do harm."""

from pathlib import Path
from typing import Any

import pytest

from opsbot.adapters.channels.local import api
from opsbot.core.chat import Attachment
from tests.peers.local_chat import LocalChat, heard, local_chat

PNG = Attachment("qr.png", "image/png", b"\x89PNG\r\n")


async def refusal(chat: LocalChat, **more: Any) -> tuple[int, str]:
    answer = await chat.ask("POST", "/api/chats/archy/messages", **more)
    assert answer.content["error"]
    return answer.status, answer.content["code"]


# Limits and hostile inputs.


async def test_longest_text_is_taken_and_one_more_character_is_not(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        taken = await chat.ask("POST", "/api/chats/archy/messages", data=('{"text": "' + "长" * 16_000 + '"}').encode())
        refused = await refusal(chat, data=('{"text": "' + "长" * 16_001 + '"}').encode())

    assert (taken.status, refused) == (202, (400, "text_too_long"))


async def test_huge_body_is_413_without_being_read_to_its_end(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        status, _ = await chat.post_raw("Content-Length: 999999999999", b"x" * (api.BODY_LIMIT_BYTES + 1))

    assert status == 413


async def test_huge_body_in_chunks_is_413(tmp_path: Path) -> None:
    async def chunks() -> Any:
        for _ in range(20):
            yield b" " * 8192

    async with local_chat(tmp_path) as chat:
        refused = await refusal(chat, data=chunks())

    assert refused == (413, "body_too_large")


async def test_body_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "BODY_WITHIN_S", 0.05)

    async with local_chat(tmp_path) as chat:
        status, _ = await chat.post_raw("Content-Length: 20", b"{")

    assert status == 408


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"[]", "bad_json"),
        (b'"text"', "bad_json"),
        (b"\xff\xfe\x00", "bad_json"),
        (b"[" * 60_000, "bad_json"),
        (b"{}", "bad_fields"),
        (b'{"text": 1}', "bad_fields"),
        (b'{"text": null}', "bad_fields"),
        (b'{"text": ["a"]}', "bad_fields"),
        (b'{"text": "a", "id": 7}', "bad_fields"),
        (b'{"text": ""}', "empty_text"),
        (b'{"text": " \\n\\t "}', "empty_text"),
        (b'{"text": "\\u0000\\u001b"}', "empty_text"),
        (b'{"text": "\\ud800"}', "empty_text"),
        (b'{"text": "a", "id": "' + b"x" * 129 + b'"}', "bad_id"),
        ('{"text": "a", "id": "键"}'.encode(), "bad_id"),
    ],
    ids=lambda value: value[:24] if isinstance(value, bytes) else value,
)
async def test_what_is_no_message_is_refused_with_the_mend(tmp_path: Path, body: bytes, code: str) -> None:
    async with local_chat(tmp_path) as chat:
        refused = await refusal(chat, data=body)

    assert refused == (400, code)


async def test_control_characters_and_foreign_line_ends_do_not_reach_the_daemon(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.post("one\r\ntwo\rthree\x1b[31m\x00\x9b\tend")
        [message] = await heard(chat.channel, 1)

    assert message.text == "one\ntwo\nthree[31m\tend"


@pytest.mark.parametrize(
    "path",
    [
        "/../local-tokens.json",
        "/%2e%2e/local-tokens.json",
        "/..%2f..%2flocal-tokens.json",
        "/page/../channel.py",
        "/index.html/../../channel.py",
        "/app.js/..%2f..%2fchannel.py",
        "//etc/passwd",
        "/api/chats/..%2F..%2Flocal-tokens.json/messages",
        "/api/chats/archy/attachments/..%2F..%2Flocal.db",
        "/api/chats/archy/attachments/%2e%2e",
        "/api/logins/..%2Flocal-tokens.json",
    ],
)
async def test_no_path_reaches_the_disk(tmp_path: Path, path: str) -> None:
    async with local_chat(tmp_path) as chat:
        status, _ = await chat.get_raw(path)

    assert status == 404


async def test_header_with_a_line_break_is_no_second_header(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        status, head = await chat.get_raw("/api/chats/a%0d%0aX-Evil:%201/messages")

    assert (status, b"X-Evil" in head) == (404, False)
