"""The page of the embedded chat as files: strict, complete in both languages, readable, and nothing from another host."""

import re
from importlib import resources
from pathlib import Path

import pytest

from tests.peers.local_chat import local_chat

FOLDER = Path(str(resources.files("opsbot.adapters.channels.local").joinpath("page")))
FILES = sorted(path.name for path in FOLDER.iterdir())
SCRIPTS = [name for name in FILES if name.endswith(".js")]
READABLE = 4.5  # WCAG 2.2, 1.4.3: contrast of text
PAIRS = (
    ("ink", "paper"),
    ("ink", "surface"),
    ("ink", "theirs"),
    ("ink", "code"),
    ("ink-soft", "paper"),
    ("ink-soft", "surface"),
    ("ink-soft", "sunk"),
    ("mine-ink", "mine"),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
    ("accent-strong", "theirs"),
    ("ok", "ok-back"),
    ("warn", "warn-back"),
    ("warn", "paper"),
    ("bad", "bad-back"),
    ("bad", "surface"),
)


def read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def words() -> dict[str, dict[str, str]]:
    blocks = re.findall(r"^  (zh|en): \{\n(.*?)^  \},", read("words.js"), re.MULTILINE | re.DOTALL)
    return {language: dict(re.findall(r'^    (\w+): "(.*)",$', block, re.MULTILINE)) for language, block in blocks}


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def colours() -> list[dict[str, str]]:
    blocks = re.findall(r":root \{(.*?)\}", read("style.css"), re.DOTALL)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in blocks]


def test_both_languages_have_the_same_words() -> None:
    both = words()

    assert (set(both), both["zh"].keys()) == ({"zh", "en"}, both["en"].keys())


def test_words_are_filled_in_with_the_same_names() -> None:
    both = words()
    holes = {language: {key: sorted(re.findall(r"\{\w+\}", text)) for key, text in both[language].items()} for language in both}

    assert holes["zh"] == holes["en"]


def test_every_word_that_is_asked_for_is_there() -> None:
    asked = set(re.findall(r'data-(?:word|label)="(\w+)"', read("index.html")))
    asked |= {key for name in SCRIPTS for key in re.findall(r'word\("(\w+)"', read(name))}

    assert asked - words()["zh"].keys() == set()


@pytest.mark.parametrize("name", FILES)
def test_nothing_comes_from_another_host(name: str) -> None:
    text = read(name).replace('xmlns="http://www.w3.org/2000/svg"', "")

    assert not re.search(r"(https?:)?//[\w-]+\.", text)


def test_markup_holds_no_script_and_no_style_of_its_own() -> None:
    html = read("index.html")

    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", html)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_make_no_markup_from_text(name: str) -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", read(name))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("pair", PAIRS, ids="-on-".join)
def test_text_can_be_read(scheme: int, pair: tuple[str, str]) -> None:
    palette = colours()[scheme]

    assert contrast(palette[pair[0]], palette[pair[1]]) >= READABLE


async def test_every_file_of_the_page_is_served_without_a_token(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        answers = [await chat.ask("GET", "/" if name == "index.html" else f"/{name}", by="") for name in FILES]

    assert {answer.status for answer in answers} == {200}


async def test_policy_allows_no_inline_script_and_no_other_host(tmp_path: Path) -> None:
    async with local_chat(tmp_path) as chat:
        policy = (await chat.ask("GET", "/", by="")).headers["Content-Security-Policy"]

    assert ("unsafe" in policy, "script-src 'self';" in policy, "frame-ancestors 'none'" in policy) == (False, True, True)


async def test_pages_that_may_embed_the_chat_are_configured(tmp_path: Path) -> None:
    async with local_chat(tmp_path, frame_ancestors="http://127.0.0.1:8000") as chat:
        policy = (await chat.ask("GET", "/", by="")).headers["Content-Security-Policy"]

    assert policy.endswith("frame-ancestors http://127.0.0.1:8000")
