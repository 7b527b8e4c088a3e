"""Who may do what."""

# ruff: noqa: ARG002 - a hook takes what the surface says, whether it needs it or not

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from opsbot.core.access import STRANGER, SYSTEM, Access, Decision, Grant
from opsbot.core.chat import Chat
from opsbot.core.context import Context
from opsbot.core.operation import Operation, Risk, command
from opsbot.core.scene import Scene
from opsbot.core.surface import surface_of
from opsbot.testing import a_person


class Many(Operation):
    """One of each."""

    @command("look", aliases=("看",), risk=Risk.READ)
    async def look(self, ctx: Context) -> str:
        """Look."""
        return ""

    @command("change")
    async def change(self, ctx: Context) -> str:
        """Change."""
        return ""

    @command("destroy", risk=Risk.DANGER, rooms=False)
    async def destroy(self, ctx: Context) -> str:
        """Destroy."""
        return ""

    @command("qr", risk=Risk.READ, for_partner=True)
    async def qr(self, ctx: Context) -> str:
        """Show."""
        return ""

    @command("help", risk=Risk.READ, for_members=True)
    async def help(self, ctx: Context) -> str:
        """Help."""
        return ""


TODAY = date(2026, 11, 20)
DIRECT = Chat("wechat", "x")
ROOM = Chat("wechat", "r", is_room=True)
BOB = a_person("bob", "bot")
EVE = a_person("eve", "bot")
SCENE = Scene(name="many", operation=Many(), surface=surface_of(Many), partner=BOB)


def decides(name: str, person: Any = "carol", grants: Mapping[str, tuple[Grant, ...]] | None = None, **changes: Any) -> Decision:
    access = replace(Access(grants=grants or {}), max_risk=changes.get("max_risk", {}))
    somebody = a_person(person, "oncall") if isinstance(person, str) else person
    return access.may_run(somebody, SCENE, SCENE.surface.commands[name], TODAY, changes.get("chat", DIRECT))


def oncall(*args: Any, **changes: Any) -> dict[str, tuple[Grant, ...]]:
    return {"oncall": (Grant(*args, **changes),)}


def test_nothing_is_allowed_without_a_grant() -> None:
    assert decides("look") == Decision(allowed=False, reason="no_grant")


@pytest.mark.parametrize(
    ("name", "grant", "allowed"),
    [
        ("change", Grant("many"), True),
        ("change", Grant("many", "change"), True),
        ("change", Grant("many", "Ｃhange"), True),
        ("look", Grant("many", "看"), True),
        ("change", Grant("many", "look"), False),
        ("change", Grant("other"), False),
        ("change", Grant("Many"), False),
        ("change", Grant("many", starts_on=TODAY), True),
        ("change", Grant("many", starts_on=date(2026, 11, 21)), False),
        ("change", Grant("many", ends_on=TODAY), True),
        ("change", Grant("many", ends_on=date(2026, 11, 19)), False),
        ("change", Grant("many", starts_on=date(2026, 11, 1), ends_on=date(2026, 12, 31)), True),
        ("destroy", Grant("many"), True),
    ],
)
def test_grant_covers_scene_command_and_dates(name: str, grant: Grant, *, allowed: bool) -> None:
    assert decides(name, grants={"oncall": (grant,)}).allowed is allowed


def test_decision_names_the_role() -> None:
    assert decides("look", grants=oncall("many")) == Decision(allowed=True, reason="role:oncall")


def test_owner_may_do_everything() -> None:
    assert decides("destroy", a_person("archy", "owner")) == Decision(allowed=True, reason="role:owner")


@pytest.mark.parametrize(("name", "allowed"), [("look", True), ("change", False), ("destroy", False)])
def test_everyone_may_be_given_reading_and_nothing_more(name: str, *, allowed: bool) -> None:
    assert decides(name, STRANGER, {"everyone": (Grant("many"),)}).allowed is allowed


@pytest.mark.parametrize(("name", "allowed"), [("qr", True), ("look", False), ("change", False)])
def test_partner_may_use_what_is_meant_for_it(name: str, *, allowed: bool) -> None:
    assert decides(name, BOB).allowed is allowed


def test_other_bot_is_no_partner_of_the_scene() -> None:
    assert decides("qr", EVE).allowed is False


@pytest.mark.parametrize(
    ("grant", "allowed"),
    [
        (Grant("other"), True),
        (Grant("other", ends_on=date(2026, 11, 19)), False),
        (Grant("other", starts_on=date(2026, 11, 21)), False),
    ],
)
def test_whoever_has_a_grant_now_is_a_member(grant: Grant, *, allowed: bool) -> None:
    assert decides("help", grants={"oncall": (grant,)}).allowed is allowed


@pytest.mark.parametrize(
    ("name", "limit", "allowed"),
    [
        ("look", Risk.READ, True),
        ("change", Risk.READ, False),
        ("change", Risk.WRITE, True),
        ("destroy", Risk.WRITE, False),
        ("destroy", Risk.DANGER, True),
    ],
)
def test_channel_bounds_the_risk_even_for_owners(name: str, limit: Risk, *, allowed: bool) -> None:
    assert decides(name, a_person("archy", "owner"), max_risk={"wechat": limit}).allowed is allowed


def test_bound_of_another_channel_does_not_count() -> None:
    assert decides("destroy", a_person("archy", "owner"), max_risk={"page": Risk.READ}).allowed


@pytest.mark.parametrize(("chat", "allowed"), [(DIRECT, True), (ROOM, False)])
def test_command_that_is_not_for_rooms_is_refused_there(chat: Chat, *, allowed: bool) -> None:
    assert decides("destroy", a_person("archy", "owner"), chat=chat).allowed is allowed


def test_system_has_no_grants_of_its_own() -> None:
    assert decides("look", SYSTEM).allowed is False


PEOPLE = (a_person("archy", "owner", wechat="wx_1", page="archy"), a_person("carol", "oncall", wechat="wx_2"))


@pytest.mark.parametrize(
    ("channel", "sender", "name"),
    [
        ("wechat", "wx_1", "archy"),
        ("wechat", "wx_2", "carol"),
        ("page", "archy", "archy"),
        ("page", "wx_1", ""),
        ("wechat", "archy", ""),
        ("wechat", "WX_1", ""),
        ("wechat", "wx_1 ", ""),
        ("wechat", "", ""),
        ("other", "wx_1", ""),
    ],
)
def test_people_are_known_by_their_exact_id_on_the_channel(channel: str, sender: str, name: str) -> None:
    person = Access(PEOPLE).identify(channel, sender)

    assert (person.name if person else "") == name


def test_owners_are_found() -> None:
    assert [person.name for person in Access(PEOPLE).owners()] == ["archy"]


@pytest.mark.parametrize(
    ("person", "known"), [(PEOPLE[0], True), (PEOPLE[1], True), (a_person("bob", "bot"), False), (STRANGER, False)]
)
def test_only_people_with_a_grant_are_known(person: Any, *, known: bool) -> None:
    assert Access(PEOPLE, oncall("many")).knows(person) is known
