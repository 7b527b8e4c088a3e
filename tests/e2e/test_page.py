"""The page of the embedded chat in a real browser: live, in place, with the keyboard alone, at both widths, in both languages."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import qrcode
from aiohttp import web

from opsbot.adapters.channels.local import PartState, StatusSnapshot
from opsbot.adapters.web.server import WebServer
from opsbot.core.chat import Attachment
from tests.peers.browser import CHROMIUM, Browser, Page
from tests.peers.local_chat import OPS, LocalChat, heard, local_chat

pytestmark = [
    pytest.mark.real,
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is missing: install it to test the page"),
]

DESKTOP = (1180, 780)
PHONE = (360, 720)
LIVE = "document.querySelector('#link').dataset.link === 'live'"
BUBBLES = "[...document.querySelectorAll('.bubble')].map((node) => node.innerText)"
FOCUS = "document.activeElement.id || document.activeElement.dataset.chat || document.activeElement.dataset.language"
LANDMARKS = (
    "['header', 'nav[aria-label]', 'aside[aria-label]', 'main[aria-labelledby]', '[role=log][aria-label]', '[role=status]']"
)
NAME_OF = "(node.innerText || node.ariaLabel || node.labels?.length)"
TOO_WIDE = (
    "[...document.querySelectorAll('body *')].filter((node) => node.checkVisibility() && !node.closest('.chats ul, pre, .unseen')"
    " && node.getBoundingClientRect().right > innerWidth + 0.5).map((node) => node.outerHTML.slice(0, 90))"
)
WAITING = StatusSnapshot(
    ready=True,
    word="ready",
    channels=(
        PartState(name="wechat", kind="wechaty", state="STARTING"),
        PartState(name="phone", kind="apprise", state="BACKOFF", detail="no answer"),
    ),
    sources=(PartState(name="bob", kind="file", state="RUNNING"),),
    login={"wechat": "http://weixin.qq.com/x/secret"},
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with Browser() as started:
        yield started


@asynccontextmanager
async def opened(browser: Browser, chat: LocalChat, *, by: str = "archy", **how: Any) -> AsyncIterator[Page]:
    page = await browser.open(chat.channel.link(chat.server.url, by), **how)
    try:
        await page.sees(LIVE)
        yield page
    finally:
        await page.close()
    assert page.complaints == []


def qr_png(payload: str) -> bytes:
    buffer = io.BytesIO()
    qrcode.make(payload).save(buffer)
    return buffer.getvalue()


async def test_link_opens_the_chat_and_the_token_leaves_the_address(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        address = await page.js("location.href")

    assert address == f"{chat.server.url}/"


async def test_page_that_is_loaded_again_still_knows_the_token(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        await chat.sends("still here")
        await page.call("Page.reload")

        assert await page.sees(f"{LIVE} && {BUBBLES}.includes('still here')")


@pytest.mark.parametrize(("end", "said"), [("", "The whole link is needed"), ("#token=wrong", "This link is no longer valid")])
async def test_page_without_a_good_token_says_what_to_do(browser: Browser, tmp_path: Path, end: str, said: str) -> None:
    async with local_chat(tmp_path) as chat:
        page = await browser.open(chat.server.url + "/" + end)
        await page.sees("!document.querySelector('#empty').hidden")
        text = await page.text("#empty")
        await page.close()

    assert said in text


async def test_message_of_the_bot_appears_while_one_looks(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        await chat.sends("磁盘 82%")

        assert await page.sees(f"{BUBBLES}.join() === '磁盘 82%'")


async def test_edit_replaces_the_text_in_place(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path, language="en") as chat, opened(browser, chat) as page:
        message_id = await chat.sends("50 %")
        await chat.sends("after it")
        await page.sees(f"{BUBBLES}.length === 2")

        await chat.edits(message_id, "100 %")
        await page.sees(f"{BUBBLES}.join() === '100 %,after it'")
        about = await page.text(".about")

    assert "edited" in about


async def test_picture_is_fetched_with_the_token_and_shown(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        await chat.sends("scan", Attachment("login.png", "image/png", qr_png("x")))

        width = await page.sees("document.querySelector('.thumb img').naturalWidth")
        source = await page.js("document.querySelector('.thumb img').src")

    assert (width > 100, source.startswith("blob:")) == (True, True)


async def test_picture_opens_large_and_closes_with_escape(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        await chat.sends("", Attachment("login.png", "image/png", qr_png("x")))
        await page.sees("document.querySelector('.thumb img').naturalWidth")
        await page.click(".thumb")
        await page.sees("document.querySelector('#picture').open && document.querySelector('#picture-image').naturalWidth")

        await page.press("Escape")
        closed = await page.sees("!document.querySelector('#picture').open")

    assert closed


async def test_file_is_offered_by_name_and_size(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        await chat.sends("", Attachment("bob-out.log", "text/plain", b"x" * 2048))
        await page.sees("document.querySelector('.file')")
        text = await page.text(".file")

    assert text.split("\n") == ["LOG", "bob-out.log", "2 KB"]


async def test_enter_sends_and_shift_enter_does_not(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        await page.js("document.querySelector('#text').focus()")
        await page.type("one")
        await page.press("Enter", shift=True)
        await page.type("two")
        await page.press("Enter")
        [message] = await heard(chat.channel, 1)
        value = await page.js("document.querySelector('#text').value")

    assert (message.text, value) == ("one\ntwo", "")


async def test_enter_that_ends_a_chinese_word_sends_nothing(browser: Browser, tmp_path: Path) -> None:
    event = "new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, cancelable: true, bubbles: true})"

    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        await page.js("document.querySelector('#text').focus()")
        await page.type("zhong")
        is_left_alone = await page.js(f"document.querySelector('#text').dispatchEvent({event})")
        value = await page.js("document.querySelector('#text').value")

    assert (is_left_alone, value) == (True, "zhong")


async def test_own_message_is_shown_once_and_settles(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path, language="en") as chat, opened(browser, chat) as page:
        await page.js("document.querySelector('#text').focus()")
        for text in ("status", "status"):
            await page.type(text)
            await page.press("Enter")
        await chat.sends("the end")

        await page.sees(f"{BUBBLES}.join() === 'status,status,the end'")
        settled = await page.sees("!document.querySelector('#messages').innerText.includes('sending')")

    assert settled


async def test_arrow_up_brings_the_last_command_back(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        await page.js("document.querySelector('#text').focus()")
        await page.type("restart bob")
        await page.press("Enter")
        await page.press("ArrowUp")
        value = await page.js("document.querySelector('#text').value")

    assert value == "restart bob"


async def test_what_others_write_is_text_and_never_markup(browser: Browser, tmp_path: Path) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"

    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        await chat.sends(evil)
        await page.sees(f"{BUBBLES}.length === 1")
        [shown] = await page.js(BUBBLES)
        title = await page.js("document.title")

    assert (shown, title) == (evil, "alice")


async def test_message_in_another_chat_is_counted_there(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        await chat.sends("look here", to=OPS)

        unread = await page.sees("document.querySelector('[data-chat=\"room:OPS\"] .unread')?.textContent")
        await page.click('[data-chat="room:OPS"]')
        texts = await page.js(BUBBLES)

    assert (unread, texts) == ("1", ["look here"])


async def test_mention_button_writes_the_mention(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        await page.click('[data-chat="room:OPS"]')
        await page.click("#mention")
        await page.type("disk")
        await page.press("Enter")
        [message] = await heard(chat.channel, 1)

    assert (message.text, message.mentions_bot, message.chat) == ("disk", True, OPS)


async def test_long_output_is_folded_and_opens(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path, language="en") as chat, opened(browser, chat) as page:
        await chat.sends("\n".join(f"line {n}" for n in range(80)))
        await page.sees("document.querySelector('.fold')")
        folded = await page.js("document.querySelector('.text').clientHeight")
        await page.click(".fold")
        whole = await page.js("document.querySelector('.text').clientHeight")

    assert whole > 3 * folded


async def test_everything_is_reached_with_the_keyboard_alone_and_seen(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        reached, outlines = [], []
        for _ in range(9):
            await page.press("Tab")
            reached.append(await page.js(f"document.activeElement.className === 'skip' ? 'skip' : {FOCUS}"))
            outlines.append(await page.js("getComputedStyle(document.activeElement).outlineStyle"))

    expected = ["skip", "archy", "room:OPS", "zh", "en", "log", "text"]
    assert ([name for name in reached if name in expected][:7], "none" in outlines[:7]) == (expected, False)


async def test_chat_is_switched_and_a_command_sent_with_the_keyboard_alone(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        for _ in range(3):
            await page.press("Tab")
        await page.press("Enter")
        focused = await page.js(FOCUS)
        await page.type("@alice disk")
        await page.press("Enter")
        [message] = await heard(chat.channel, 1)

    assert (focused, message.chat, message.text) == ("text", OPS, "disk")


async def test_skip_link_leads_to_the_message_box(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        await page.press("Tab")
        await page.press("Enter")
        focused = await page.sees("document.activeElement.id")

    assert focused == "text"


async def test_page_has_landmarks_and_a_live_log(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, opened(browser, chat) as page:
        missing = await page.js(f"{LANDMARKS}.filter((one) => !document.querySelector(one))")
        unnamed = await page.js(
            f"[...document.querySelectorAll('button, textarea')].filter((node) => !{NAME_OF}).map((n) => n.outerHTML)"
        )

    assert (missing, unnamed) == ([], [])


@pytest.mark.parametrize(
    ("language", "lang", "words"),
    [("zh", "zh-CN", ["会话", "已连接", "私聊"]), ("en", "en", ["Chats", "Connected", "Direct chat"])],
)
async def test_page_speaks_the_language_of_the_daemon(
    browser: Browser, tmp_path: Path, language: str, lang: str, words: list[str]
) -> None:
    async with local_chat(tmp_path, language=language) as chat, opened(browser, chat) as page:
        text = await page.text("body")
        said = await page.js("document.documentElement.lang")

    assert (said, [word for word in words if word in text]) == (lang, words)


async def test_language_is_switched_and_remembered(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path, language="zh") as chat, opened(browser, chat) as page:
        await page.click("[data-language=en]")
        switched = await page.text(".chats .label")
        await page.call("Page.reload")
        await page.sees(LIVE)
        remembered = await page.text(".chats .label")

    assert (switched, remembered) == ("Chats", "Chats")


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_nothing_is_wider_than_a_phone(browser: Browser, tmp_path: Path, language: str) -> None:
    async with local_chat(tmp_path, language=language, rooms=("OPS", "a room with quite a long name", "值班群")) as chat:
        chat.board.now = WAITING
        chat.board.draw = qr_png
        await chat.sends(
            "```\n" + "x" * 200 + "\n```\n" + "y" * 300, Attachment("a-rather-long-name-" * 5 + ".log", "text/plain", b"x")
        )
        await chat.sends("", Attachment("login.png", "image/png", qr_png("x")))
        async with opened(browser, chat, width=360, height=720) as page:
            await page.sees(
                "document.querySelector('.thumb img').naturalWidth && !document.querySelector('#login-notice').hidden"
            )
            too_wide = await page.js(TOO_WIDE)
            await page.click("#panel-toggle")
            too_wide += await page.js(TOO_WIDE)

    assert too_wide == []


async def test_state_opens_on_a_phone_and_escape_gives_the_focus_back(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat, opened(browser, chat, width=360, height=720) as page:
        hidden = await page.js("!document.querySelector('#panel').checkVisibility()")
        await page.click("#panel-toggle")
        shown = await page.js("document.querySelector('#panel').checkVisibility()")
        await page.press("Escape")
        closed = await page.js("!document.querySelector('#panel').checkVisibility()")
        focused = await page.js(FOCUS)

    assert (hidden, shown, closed, focused) == (True, True, True, "panel-toggle")


async def test_owner_sees_the_state_of_every_part(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path, language="en") as chat:
        chat.board.now = WAITING
        async with opened(browser, chat) as page:
            await page.sees("document.querySelectorAll('.part').length === 3")
            chips = await page.js("[...document.querySelectorAll('.chip')].map((chip) => chip.textContent)")

    assert chips == ["Waits for login", "Trying again", "Running"]


async def test_login_code_is_shown_while_a_channel_waits_and_then_gone(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        chat.board.now = WAITING
        chat.board.draw = qr_png
        async with opened(browser, chat) as page:
            await page.sees("document.querySelector('.login img').naturalWidth")
            first = await page.js("document.querySelector('.login img').src")
            chat.board.now = StatusSnapshot(ready=True, word="ready", channels=WAITING.channels, login={"wechat": "another"})
            await page.sees(f"document.querySelector('.login img').src !== '{first}'")
            chat.board.now = StatusSnapshot(ready=True, word="ready", channels=WAITING.channels)
            gone = await page.sees("!document.querySelector('.login')")

    assert (gone, chat.board.drawn) == (True, ["http://weixin.qq.com/x/secret", "another"])


async def test_others_see_no_state_and_no_code(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        chat.board.now = WAITING
        async with opened(browser, chat, by="bob") as page:
            await chat.post("hello", by="bob")
            await page.sees(f"{BUBBLES}.length === 1")
            hidden = await page.js("['#board', '#logins', '#login-notice'].every((one) => document.querySelector(one).hidden)")
            asked = [url for url in page.requested if "login" in url or "status" in url]

    assert (hidden, asked) == (True, [])


async def test_page_asks_no_other_host(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        chat.board.now = WAITING
        chat.board.draw = qr_png
        await chat.sends("", Attachment("login.png", "image/png", qr_png("x")))
        async with opened(browser, chat) as page:
            await page.sees(
                "document.querySelector('.thumb img').naturalWidth && document.querySelector('.login img').naturalWidth"
            )
            foreign = [url for url in page.requested if not url.removeprefix("blob:").startswith(chat.server.url)]

    assert foreign == []


async def test_page_says_that_the_daemon_is_away_and_goes_on_when_it_is_back(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path, language="en") as chat:
        page = await browser.open(chat.channel.link(chat.server.url, "archy"))
        await page.sees(LIVE)
        await chat.server.__aexit__(None, None, None)
        await page.sees("document.querySelector('#link').innerText === 'Reconnecting…'")
        await chat.sends("while you were away")
        async with WebServer(f"127.0.0.1:{chat.server.port}", chat.channel.routes()):
            texts = await page.sees(f"{LIVE} && {BUBBLES}.join()")
            await page.close()

    assert texts == "while you were away"


async def test_message_that_could_not_be_sent_is_sent_again_by_hand_and_said_once(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        page = await browser.open(chat.channel.link(chat.server.url, "archy"))
        await page.sees(LIVE)
        await chat.server.__aexit__(None, None, None)
        await page.js("document.querySelector('#text').focus()")
        await page.type("restart")
        await page.press("Enter")
        await page.sees("document.querySelector('.again')")
        async with WebServer(f"127.0.0.1:{chat.server.port}", chat.channel.routes()):
            await page.sees(LIVE)
            await page.click(".again")
            [message] = await heard(chat.channel, 1)
            texts = await page.sees(f"!document.querySelector('.again') && {BUBBLES}")
            await page.close()

    assert (message.text, texts) == ("restart", ["restart"])


@pytest.mark.parametrize("is_allowed", [True, False])
async def test_page_works_in_a_frame_of_those_who_may_embed_it(browser: Browser, tmp_path: Path, *, is_allowed: bool) -> None:
    links: list[str] = []

    async def host(_request: web.Request) -> web.Response:
        return web.Response(text=f"<iframe src='{links[0]}' width=400 height=600></iframe>", content_type="text/html")

    async with WebServer("127.0.0.1:0", [web.get("/", host)]) as outer:
        ancestors = outer.url if is_allowed else "'none'"
        async with local_chat(tmp_path, frame_ancestors=ancestors) as chat:
            links.append(chat.channel.link(chat.server.url, "archy"))
            page = await browser.open(outer.url)
            await page.sees("document.readyState === 'complete'")
            frame = await page.child_frame()
            await chat.sends("inside")
            seen = is_allowed and await in_frame(page, frame["id"], f"{LIVE} && {BUBBLES}.join() === 'inside'")
            await page.close()

    assert (seen, frame["url"].startswith(chat.server.url)) == (is_allowed, is_allowed)


async def in_frame(page: Page, frame_id: str, condition: str) -> bool:
    watch = f"new Promise((done) => {{ const look = () => ({condition}) ? done(true) : setTimeout(look, 15); look(); }})"
    return bool(await page.js_in_frame(frame_id, watch))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_page_can_be_drawn_in_light_and_dark(
    browser: Browser, tmp_path: Path, size: tuple[int, int], *, dark: bool
) -> None:
    async with local_chat(tmp_path) as chat:
        await chat.sends("磁盘 82%")
        async with opened(browser, chat, dark=dark, width=size[0], height=size[1]) as page:
            await page.shoot(tmp_path / "page.png")
            ground = await page.js("getComputedStyle(document.body).backgroundColor")

    picture = await asyncio.to_thread((tmp_path / "page.png").stat)
    assert (picture.st_size > 5_000, ground) == (True, "rgb(15, 20, 18)" if dark else "rgb(243, 245, 242)")


async def test_token_that_is_refused_takes_the_state_off_the_page(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path, language="en") as chat:
        chat.board.now = WAITING
        page = await browser.open(chat.channel.link(chat.server.url, "archy"))
        await page.sees("document.querySelectorAll('.part').length === 3")
        await page.js("location.hash = '#token=wrong'")
        gone = await page.sees(
            "document.querySelector('#board').hidden && document.querySelector('#empty').innerText.includes('no longer')"
        )
        await page.close()

    assert gone


async def test_another_link_in_the_same_tab_is_another_person(browser: Browser, tmp_path: Path) -> None:
    async with local_chat(tmp_path, language="en") as chat, opened(browser, chat) as page:
        await chat.sends("for archy alone")
        await page.sees(f"{BUBBLES}.length === 1")
        await page.js(f"location.hash = '#token={chat.tokens['bob']}'")
        texts = await page.sees(
            f"{LIVE} && document.querySelector('#me').innerText.includes('bob') && {BUBBLES}.join() === '' && 'none'"
        )

    assert texts == "none"
