"""What the embedded chat tells about the daemon, and to whom: status, login codes, health, metrics."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsbot.adapters.channels.local import PartState, StatusSnapshot
from tests.peers.local_chat import LocalChat, local_chat

PAYLOAD = "http://weixin.qq.com/x/secret-code"
SINCE = datetime(2026, 11, 20, 12, tzinfo=UTC)
SNAPSHOT = StatusSnapshot(
    ready=False,
    word="degraded",
    channels=(PartState(name="wechat", kind="wechaty", state="BACKOFF", since=SINCE, detail="the gateway is away"),),
    sources=(PartState(name="bob", kind="file", state="RUNNING"),),
    login={"wechat": PAYLOAD},
)
WECHAT = {"name": "wechat", "kind": "wechaty", "state": "BACKOFF", "since": SINCE.isoformat(), "detail": "the gateway is away"}


def degraded(chat: LocalChat) -> None:
    chat.board.now = SNAPSHOT


async def test_owner_sees_every_channel_and_source(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        degraded(chat)
        status = (await chat.ask("GET", "/api/status")).content

    assert (status["channels"], [source["name"] for source in status["sources"]]) == ([WECHAT], ["bob"])


async def test_others_see_one_word_of_the_status(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        degraded(chat)
        status = (await chat.ask("GET", "/api/status", by="bob")).content

    assert status == {"ready": False, "word": "degraded"}


async def test_owner_gets_the_login_code_as_a_picture(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        degraded(chat)
        [login] = (await chat.ask("GET", "/api/status")).content["logins"]
        answer = await chat.ask("GET", login["url"])

    assert (login["channel"], answer.status, answer.headers["Content-Type"], chat.board.drawn) == (
        "wechat",
        200,
        "image/png",
        [PAYLOAD],
    )


@pytest.mark.parametrize(("by", "status"), [("bob", 403), ("", 401)])
async def test_login_code_is_for_owners_only(tmp_path: Path, by: str, status: int) -> None:
    async with local_chat(tmp_path) as chat:
        degraded(chat)
        answer = await chat.ask("GET", "/api/logins/wechat", by=by)

    assert (answer.status, chat.board.drawn) == (status, [])


async def test_login_code_never_leaves_as_text(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        chat.board.draw = lambda _payload: b"picture"
        degraded(chat)
        answers = [
            await chat.ask("GET", path) for path in ("/api/status", "/healthz", "/api/logins/wechat", "/api/me", "/metrics")
        ]

    assert not any(PAYLOAD.encode() in answer.body or b"secret-code" in answer.body for answer in answers)


async def test_login_code_is_not_kept_by_a_browser(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        degraded(chat)
        answer = await chat.ask("GET", "/api/logins/wechat")

    assert answer.headers["Cache-Control"] == "no-store"


async def test_login_code_is_drawn_once_until_it_changes(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        degraded(chat)
        for _ in range(3):
            await chat.ask("GET", "/api/logins/wechat")
        chat.board.now = StatusSnapshot(ready=False, word="degraded", login={"wechat": "another"})
        await chat.ask("GET", "/api/logins/wechat")

    assert chat.board.drawn == [PAYLOAD, "another"]


async def test_version_of_a_login_tells_the_page_that_the_code_changed(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        degraded(chat)
        versions = [(await chat.ask("GET", "/api/status")).content["logins"][0]["version"] for _ in range(2)]
        chat.board.now = StatusSnapshot(ready=False, word="degraded", login={"wechat": "another"})
        versions.append((await chat.ask("GET", "/api/status")).content["logins"][0]["version"])

    assert (versions[0] == versions[1], versions[1] == versions[2]) == (True, False)


async def test_channel_that_is_logged_in_has_no_code(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        answer = await chat.ask("GET", "/api/logins/wechat")

    assert answer.status == 404


@pytest.mark.parametrize(("snapshot", "status"), [(SNAPSHOT, 503), (StatusSnapshot(ready=True, word="ready"), 200)])
async def test_health_is_a_status_and_one_word_without_a_token(tmp_path: Path, snapshot: StatusSnapshot, status: int) -> None:
    async with local_chat(tmp_path) as chat:
        chat.board.now = snapshot
        answer = await chat.ask("GET", "/healthz", by="")

    assert (answer.status, answer.body.decode()) == (status, f"{snapshot.word}\n")


async def test_health_with_an_owners_token_is_every_state(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        degraded(chat)
        answer = await chat.ask("GET", "/healthz")

    assert (answer.status, answer.content["channels"]) == (503, [WECHAT])


@pytest.mark.parametrize("by", ["bob", "#metrics"])
async def test_health_with_another_token_is_one_word(tmp_path: Path, by: str) -> None:
    async with local_chat(tmp_path) as chat:
        degraded(chat)
        answer = await chat.ask("GET", "/healthz", by=by)

    assert answer.body == b"degraded\n"


async def test_health_with_a_wrong_token_is_401(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        answer = await chat.ask("GET", "/healthz", by="", headers={"Authorization": "Bearer wrong"})

    assert answer.status == 401


async def test_health_is_told_although_the_chat_is_closed(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.channel.__aexit__(None, None, None)
        answer = await chat.ask("GET", "/healthz", by="")

    assert answer.status == 200


@pytest.mark.parametrize(("by", "status"), [("#metrics", 200), ("", 401), ("archy", 401)])
async def test_metrics_have_a_token_of_their_own(tmp_path: Path, by: str, status: int) -> None:
    async with local_chat(tmp_path) as chat:
        answer = await chat.ask("GET", "/metrics", by=by)

    assert answer.status == status


@pytest.mark.parametrize("by", ["", "archy", "bob", "#metrics"])
async def test_open_metrics_need_no_token(tmp_path: Path, by: str) -> None:
    async with local_chat(tmp_path, metrics_open=True) as chat:
        answer = await chat.ask("GET", "/metrics", by=by)

    assert (answer.status, answer.body) == (200, b"opsbot_up 1\n")


async def test_metrics_are_prometheus_text(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        answer = await chat.ask("GET", "/metrics", by="#metrics")

    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
