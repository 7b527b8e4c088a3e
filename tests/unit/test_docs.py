"""What the documents say is so: every name, command, target, link and example in them is held against the code."""

import asyncio
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from fnmatch import fnmatch
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import pytest

from opsbot import api
from opsbot.app.preparation import verify
from opsbot.cli import COMMANDS, opsbot
from opsbot.config.load import load
from opsbot.core import catalogue, errors
from opsbot.core.context import Context
from opsbot.core.log import LogEvent
from opsbot.core.notification import Notification
from opsbot.core.operation import CommandMark, Operation
from opsbot.loader import Loader
from opsbot.testing import Harness
from tests.unit.config.sample import ENVIRON

ROOT = Path(__file__).parents[2]
READMES = (ROOT / "README.md", ROOT / "README.zh.md")
DOCS = (*READMES, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))
AUTHORS = (ROOT / "docs" / "writing-operations.md").read_text("utf-8")
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n]*)\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\\)\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a document: the words behind the fence, and what it holds."""

    file: Path
    line: int
    info: tuple[str, ...]
    body: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}"


def blocks_of(file: Path, *info: str) -> list[Block]:
    """Give a document's blocks whose first words behind the fence are these."""
    text = file.read_text("utf-8")
    found = (
        Block(file, text.count("\n", 0, one.start()) + 1, tuple(one["info"].split()), dedent(one["body"]))
        for one in FENCE.finditer(text)
    )
    return [block for block in found if block.info[: len(info)] == info]


def blocks(*info: str) -> list[Block]:
    return [block for file in DOCS for block in blocks_of(file, *info)]


def code_of(file: Path) -> Iterator[str]:
    """Give what a document shows as code, line by line: fenced blocks and `spans`."""
    text = file.read_text("utf-8")
    for found in FENCE.finditer(text):
        yield from re.sub(r"\\\n\s*", "", found["body"]).splitlines()
    yield from re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


# --- the surface for authors


def names_in(text: str) -> set[str]:
    """Give every identifier that stands in `code`."""
    code = " ".join(re.findall(r"`([^`\n]+)`", text))
    return set(re.findall(r"[A-Za-z_][A-Za-z_0-9]*", code))


HOOKS = [name for name, value in vars(Operation).items() if inspect.isfunction(value) and not name.startswith("_")]
PROTOCOL = [name for name in vars(Context) if not name.startswith("_")]


def test_the_hooks_are_found() -> None:
    assert {"rules", "on_log", "takes", "on_command", "on_timer", "on_start", "on_stop", "on_partner_message"} <= set(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_described_with_its_parameters(name: str) -> None:
    parameters = ", ".join(inspect.signature(getattr(Operation, name)).parameters)

    assert f"| `{name}({parameters})` |" in AUTHORS


@pytest.mark.parametrize("name", api.__all__)
def test_every_name_of_the_api_is_described(name: str) -> None:
    assert name in names_in(FENCE.sub("", AUTHORS))


@pytest.mark.parametrize("name", PROTOCOL)
def test_every_member_of_the_context_is_described(name: str) -> None:
    assert re.search(rf"`ctx\.{name}\b", AUTHORS)


@pytest.mark.parametrize("name", [one.name for cls in (CommandMark, Notification, LogEvent) for one in fields(cls)])
def test_every_field_of_what_authors_write_and_read_is_described(name: str) -> None:
    assert re.search(rf"^\| .*`{name}`.* \|", AUTHORS, re.MULTILINE)


def test_the_api_is_sorted() -> None:
    assert api.__all__ == sorted(api.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


def test_the_api_names_everything_that_the_module_offers() -> None:
    used_inside = {"re", "Annotated", "AfterValidator", "SCAN", "LOGIN", "LOGOUT", "JSON"}

    assert {name for name in vars(api) if not name.startswith("_")} - used_inside == set(api.__all__)


@pytest.mark.parametrize("block", blocks("python", "operation"), ids=str)
def test_every_operation_that_is_shown_can_be_loaded(tmp_path: Path, block: Block) -> None:
    assert loaded(tmp_path, block).__doc__


@pytest.mark.parametrize("block", blocks("python", "test"), ids=str)
async def test_every_test_that_is_shown_passes(tmp_path: Path, harness: Harness, block: Block) -> None:
    (shown,) = blocks_of(block.file, "python", "operation", block.info[2])
    cls = await asyncio.to_thread(loaded, tmp_path, shown)
    names: dict[str, Any] = {cls.__name__: cls}
    exec(compile(block.body, str(block), "exec"), names)  # noqa: S102 - the document's own example
    (test,) = (value for name, value in names.items() if name.startswith("test_"))

    await test(harness)


def loaded(folder: Path, shown: Block) -> type[Operation]:
    """Load an operation that a document shows."""
    file = folder / f"{shown.info[2]}.py"
    file.write_text(shown.body, "utf-8")
    file.chmod(0o600)
    return Loader([folder]).load(shown.info[2]).operation


# --- errors and texts

TREE_LINE = re.compile(r"^(?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+Error)\b")


def drawn_tree() -> dict[str, str]:
    """Read the tree in the docstring of the errors: name → the name it hangs from."""
    parents: list[tuple[int, str]] = []
    drawn: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        found = TREE_LINE.match(line)
        if not found:
            continue
        while parents and parents[-1][0] >= len(found["indent"]):
            parents.pop()
        drawn[found["name"]] = parents[-1][1] if parents else "Exception"
        parents.append((len(found["indent"]), found["name"]))
    return drawn


def test_every_error_stands_in_the_drawn_tree_below_its_parent() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]

    assert drawn_tree() == {cls.__name__: cls.__base__.__name__ for cls in classes if cls.__base__}


@pytest.mark.parametrize("key", catalogue.TEXTS)
def test_every_text_exists_in_both_languages_with_the_same_values(key: str) -> None:
    values = {language: sorted(re.findall(r"{(\w+)}", text)) for language, text in catalogue.TEXTS[key].items()}

    assert set(values) == {"en", "zh"}
    assert values["en"] == values["zh"]


def test_every_text_that_the_code_asks_for_exists() -> None:
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "opsbot").rglob("*.py"))

    assert set(re.findall(r"(?<![\w.])text\(\s*\"(\w+)\"", source)) <= set(catalogue.TEXTS)


# --- what the documents tell people to type

TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_every_make_target_exists(file: Path) -> None:
    named = {target for code in code_of(file) for target in re.findall(r"(?:^|[ ;&])make ([a-z][a-z-]*)", code)}

    assert named <= TARGETS


def commands_in(file: Path) -> list[tuple[str, list[str]]]:
    """Give every `opsbot SUBCOMMAND …` a document shows, and the options behind it."""
    found = []
    for code in code_of(file):
        for name, rest in re.findall(r"(?:^|[\s/$(])opsbot ([a-z][a-z-]*)(?![\w=.:/])([^|;&#)]*)", code):
            found.append((name, re.findall(r"(?:^|\s)(--?[a-z][a-z-]*)", rest)))
    return found


def options_of(name: str) -> set[str]:
    command = opsbot.get_command(click.Context(opsbot), name)
    assert command is not None
    return {option for one in command.get_params(click.Context(command)) for option in (*one.opts, *one.secondary_opts)}


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_every_command_of_opsbot_exists_with_its_options(file: Path) -> None:
    for name, options in commands_in(file):
        assert name in COMMANDS
        assert set(options) <= options_of(name) | {"-h", "--help"}


@pytest.mark.parametrize("readme", READMES, ids=lambda file: file.name)
def test_the_readme_names_every_command_a_user_has(readme: Path) -> None:
    assert {name for name, _ in commands_in(readme)} == set(COMMANDS)


def test_the_service_files_start_a_command_that_exists() -> None:
    unit = (ROOT / "packaging" / "opsbot.service").read_text("utf-8")
    pm2 = (ROOT / "packaging" / "ecosystem.config.js").read_text("utf-8")
    image = (ROOT / "Dockerfile").read_text("utf-8")

    started = [re.findall(r"^ExecStart=\S+/opsbot (\w+)", unit, re.MULTILINE)]
    started += [re.findall(r"args: \['(\w+)'", pm2), re.findall(r'^CMD \["(\w+)"', image, re.MULTILINE)]

    assert started == [["run"]] * 3


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(name: str) -> None:
    module = importlib.import_module(f"opsbot.cli.{name}")

    assert getattr(module, name).help


# --- links, configurations, and the two languages


@pytest.mark.parametrize("file", DOCS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(file: Path) -> None:
    targets = [found["target"] for found in LINK.finditer(FENCE.sub("", file.read_text("utf-8")))]
    own = [target for target in targets if "://" not in target and not target.startswith("mailto:")]

    assert [target for target in own if not leads_somewhere(file, target)] == []


def leads_somewhere(file: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    aim = (file.parent / path).resolve() if path else file
    return aim.exists() and (not anchor or anchor in anchors_of(aim))


def anchors_of(file: Path) -> set[str]:
    """Give the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", file.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_there_are_configurations_in_the_documents() -> None:
    assert {block.file.name for block in blocks("yaml", "config")} >= {"README.md", "README.zh.md"}


@pytest.mark.parametrize("block", blocks("yaml", "config"), ids=str)
def test_every_configuration_that_is_shown_is_valid(tmp_path: Path, block: Block) -> None:
    (tmp_path / "config.yaml").write_text(block.body, "utf-8")

    assert verify(load(tmp_path / "config.yaml", ENVIRON)) == ()


def headings_of(file: Path) -> list[int]:
    return [len(found) for found in re.findall(r"^(#+) ", FENCE.sub("", file.read_text("utf-8")), re.MULTILINE)]


@pytest.mark.parametrize("file", [file for file in DOCS if file.name != "CHANGELOG.md"], ids=lambda file: file.name)
def test_no_document_has_two_sections_of_one_name(file: Path) -> None:
    titles = re.findall(r"^## (.+)$", FENCE.sub("", file.read_text("utf-8")), re.MULTILINE)

    assert len(titles) == len(set(titles))


def test_both_readmes_have_the_same_headings() -> None:
    english, chinese = (headings_of(file) for file in READMES)

    assert english == chinese


def test_both_readmes_show_the_same_commands_and_configurations() -> None:
    english, chinese = ([without_comments(block) for block in blocks_of(file)] for file in READMES)

    assert english == chinese


def without_comments(block: Block) -> str:
    return re.sub(r"[ \t]*# .*$", "", block.body, flags=re.MULTILINE)


@pytest.mark.parametrize("readme", READMES, ids=lambda file: file.name)
def test_the_readme_marks_where_the_figures_go(readme: Path) -> None:
    assert readme.read_text("utf-8").count("<!-- bench -->") == 1


def test_every_decision_is_in_the_list_of_decisions() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text("utf-8"))

    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))


# --- what operators look up

CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text("utf-8")
SHIPPED = [path.stem for path in sorted((ROOT / "operations").glob("[a-z]*.py"))]


def rows_below(heading: str) -> set[str]:
    """Give the names in the first column of the table below a heading."""
    section = re.search(rf"^### {heading}$(.*?)(?=^#|\Z)", CONFIGURATION, re.MULTILINE | re.DOTALL)
    cells = re.findall(r"^\| (`[^|]*) \|", section[1], re.MULTILINE) if section else []
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_setting_of_a_shipped_operation_is_described(name: str) -> None:
    operation: Any = Loader([]).load(name).operation

    assert rows_below(name) == {one.name for one in fields(operation)}


CHECKING = [code for file in (ROOT / "opsbot" / "app").glob("*.py") if "Finding(" in (code := file.read_text("utf-8"))]
NAME_OF_A_CHECK = re.compile(r'(?:Finding\(\s*|check\b.*? = )f?"([a-z0-9_.{}]+)"')


def test_all_modules_with_checks_are_read() -> None:
    names = {name for code in CHECKING for name in NAME_OF_A_CHECK.findall(code)}

    assert {"clock", "matching.engine", "state.database", "source.{name}", "rules.{source}.slow"} <= names
    assert len(CHECKING) >= 3


@pytest.mark.parametrize("readme", READMES, ids=lambda file: file.name)
def test_the_readme_names_every_check_of_the_doctor(readme: Path) -> None:
    in_code = {re.sub(r"{\w+}", "*", one) for code in CHECKING for one in NAME_OF_A_CHECK.findall(code)}
    section = re.findall(r"^\| (`[a-z0-9_.]+[^|]*) \|", readme.read_text("utf-8"), re.MULTILINE)
    named = {one for cell in section for one in re.findall(r"`([a-z0-9_]+(?:\.\w+)*)`", cell)}

    assert [one for one in sorted(in_code) if not any(fnmatch(name, one) for name in named)] == []
