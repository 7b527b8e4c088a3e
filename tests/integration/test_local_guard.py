"""Who may speak to the embedded chat: tokens, and where a request comes from."""

import asyncio
import json
from pathlib import Path

import pytest

from opsbot.adapters.channels.local import LocalSettings, read_tokens
from opsbot.adapters.channels.local.tokens import FILE_NAME
from opsbot.core.errors import ChannelUnavailableError, StateError
from tests.peers.local_chat import PEOPLE, LocalChat, local_chat, served_chat

GUARDED = (
    ("GET", "/api/me"),
    ("GET", "/api/messages"),
    ("GET", "/api/status"),
    ("GET", "/api/logins/wechat"),
    ("GET", "/api/chats/archy/messages"),
    ("POST", "/api/chats/archy/messages"),
    ("GET", "/api/chats/archy/attachments/1"),
)
OPEN = (("GET", "/"), ("GET", "/app.js"), ("GET", "/healthz"))


async def status_of(chat: LocalChat, method: str, path: str, **more: object) -> int:
    return (await chat.ask(method, path, **more)).status  # type: ignore[arg-type]


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


async def test_everybody_gets_a_token_of_their_own_at_the_first_start(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        tokens = chat.tokens

    assert (set(tokens), len(set(tokens.values())), min(map(len, tokens.values())) >= 40) == ({*PEOPLE, "#metrics"}, 3, True)


async def test_files_of_the_chat_are_private(tmp_path: Path) -> None:
    async with local_chat(tmp_path):
        modes = await asyncio.to_thread(modes_in, tmp_path)

    assert set(modes.values()) == {0o600}, modes


async def test_token_file_that_was_opened_to_others_is_closed_again(tmp_path: Path) -> None:
    async with local_chat(tmp_path):
        await asyncio.to_thread((tmp_path / FILE_NAME).chmod, 0o644)
    async with local_chat(tmp_path):
        modes = await asyncio.to_thread(modes_in, tmp_path)

    assert modes[FILE_NAME] == 0o600


async def test_tokens_stay_the_same_over_a_restart(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        before = chat.tokens
    async with local_chat(tmp_path) as chat:
        after = chat.tokens

    assert after == before


async def test_somebody_who_is_taken_out_and_put_back_gets_a_new_token(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        before = chat.tokens
    async with local_chat(tmp_path, people={"archy": "Archy"}) as chat:
        bobs = await chat.ask("GET", "/api/me", by="", headers={"Authorization": f"Bearer {before['bob']}"})
    async with local_chat(tmp_path) as chat:
        after = chat.tokens

    assert (bobs.status, after["archy"] == before["archy"], after["bob"] == before["bob"]) == (401, True, False)


@pytest.mark.parametrize("content", ["", "[]", '{"archy": 1}', "{"])
async def test_damaged_token_file_says_what_to_do(tmp_path: Path, content: str) -> None:
    await asyncio.to_thread((tmp_path / FILE_NAME).write_text, content)

    async with served_chat(tmp_path) as chat:
        with pytest.raises(ChannelUnavailableError, match="remove it"):
            await chat.channel.__aenter__()


def test_tokens_cannot_be_read_before_the_first_start(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="made when opsbot starts"):
        read_tokens(tmp_path)


async def test_link_carries_the_token_in_the_fragment_only(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        link = chat.channel.link(chat.server.url, "archy")
        token = chat.tokens["archy"]

    assert link == f"{chat.server.url}/#token={token}"


async def test_link_for_a_stranger_is_refused(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        with pytest.raises(StateError, match="mallory"):
            chat.channel.link(chat.server.url, "mallory")


@pytest.mark.parametrize("bad", ["", "room:OPS", "#metrics"])
def test_ids_that_the_api_could_not_address_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="cannot be an id"):
        LocalSettings(people={bad: "X"})


async def test_every_guarded_route_wants_a_token(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        answers = {await status_of(chat, method, path, by="") for method, path in GUARDED}

    assert answers == {401}


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Bearer ", "Basic {token}", "{token}", "Bearer {token}x", "Bearer {metrics}", "Bearer tökén"]
)
async def test_wrong_token_is_401_on_every_guarded_route(tmp_path: Path, header: str) -> None:
    async with local_chat(tmp_path) as chat:
        said = header.format(token=chat.tokens["archy"], metrics=chat.tokens["#metrics"])
        answers = {await status_of(chat, method, path, by="", headers={"Authorization": said}) for method, path in GUARDED}

    assert answers == {401}


async def test_token_in_the_query_opens_nothing(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        status = await status_of(chat, "GET", f"/api/me?token={chat.tokens['archy']}", by="")

    assert status == 401


async def test_refusal_of_a_token_says_the_mend_and_never_the_token(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        answer = await chat.ask("GET", "/api/me", by="", headers={"Authorization": "Bearer s3cr3t"})

    assert ("opsbot printed" in answer.content["error"], b"s3cr3t" in answer.body, answer.headers["WWW-Authenticate"]) == (
        True,
        False,
        "Bearer",
    )


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil.example:{port}",
        "127.0.0.1.:{port}",
        "192.168.1.1:{port}",
        "[::1",
        ":{port}",
    ],
)
async def test_foreign_host_is_403_on_every_route_even_with_a_token(tmp_path: Path, host: str) -> None:
    async with local_chat(tmp_path) as chat:
        headers = {"Host": host.format(port=chat.server.port)}
        answers = {await status_of(chat, method, path, headers=headers) for method, path in (*GUARDED, *OPEN)}

    assert answers == {403}


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}"])
async def test_loopback_names_with_our_port_are_ours(tmp_path: Path, host: str) -> None:
    async with local_chat(tmp_path) as chat:
        status = await status_of(chat, "GET", "/api/me", headers={"Host": host.format(port=chat.server.port)})

    assert status == 200


async def test_two_hosts_are_one_too_many(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        host = f"127.0.0.1:{chat.server.port}"
        status, _ = await chat.raw(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n".encode())

    assert status in {400, 403}


async def test_request_without_a_host_is_refused(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        status, _ = await chat.raw(b"GET /healthz HTTP/1.0\r\n\r\n")

    assert status in {400, 403}


async def test_server_that_listens_beyond_the_loopback_takes_any_host(tmp_path: Path) -> None:
    async with local_chat(tmp_path, any_host=True) as chat:
        status = await status_of(chat, "GET", "/api/me", headers={"Host": "ops.example:8010"})

    assert status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:1",
        "https://evil.example:{port}",
        "file://",
        "",
        "http://127.0.0.1:{port}.evil.example",
    ],
)
async def test_foreign_origin_is_403_on_every_route_even_with_a_token(tmp_path: Path, origin: str) -> None:
    async with local_chat(tmp_path) as chat:
        headers = {"Origin": origin.format(port=chat.server.port)}
        answers = {await status_of(chat, method, path, headers=headers) for method, path in (*GUARDED, *OPEN)}

    assert answers == {403}


async def test_foreign_origin_is_403_also_where_any_host_is_taken(tmp_path: Path) -> None:
    async with local_chat(tmp_path, any_host=True) as chat:
        status = await status_of(chat, "GET", "/api/me", headers={"Origin": "http://evil.example"})

    assert status == 403


async def test_own_origin_is_let_in(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        answer = await chat.ask("POST", "/api/chats/archy/messages", headers={"Origin": chat.server.url}, json={"text": "hi"})

    assert answer.status == 202


async def test_no_answer_lets_another_site_read_it(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        answers = [await chat.ask(method, path) for method, path in (*GUARDED, *OPEN)]

    assert not any("Access-Control-Allow-Origin" in answer.headers for answer in answers)


async def test_every_answer_carries_the_headers_that_keep_browsers_strict(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        answers = [await chat.ask(method, path) for method, path in (*GUARDED, *OPEN)]

    assert all(
        a.headers["X-Content-Type-Options"] == "nosniff" and "default-src 'none'" in a.headers["Content-Security-Policy"]
        for a in answers
    )


async def test_chat_that_is_closed_answers_503(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.channel.__aexit__(None, None, None)
        answer = await chat.ask("GET", "/api/messages")

    assert (answer.status, answer.content["code"]) == (503, "away")


async def test_token_that_comes_before_the_chat_is_open_is_asked_to_come_again(tmp_path: Path) -> None:
    async with local_chat(tmp_path):
        pass
    async with served_chat(tmp_path) as chat:
        await chat.learn_tokens()
        early = await chat.ask("GET", "/api/me")
        async with chat.channel:
            later = await chat.ask("GET", "/api/me")

    assert (early.status, early.content["code"], later.status) == (503, "away", 200)


async def test_token_file_is_a_plain_map_of_ids_to_tokens(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        tokens = dict(chat.tokens)
        text = await asyncio.to_thread((tmp_path / FILE_NAME).read_text)

    assert json.loads(text) == tokens
