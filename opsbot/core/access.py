"""Who is who, and who may do what. What is not granted is refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from opsbot.core.chat import Chat
from opsbot.core.context import Person
from opsbot.core.folding import fold_name
from opsbot.core.operation import Risk
from opsbot.core.scene import Scene
from opsbot.core.surface import CommandSpec

OWNER = "owner"
BOT = "bot"
EVERYONE = "everyone"
RISKS = (Risk.READ, Risk.WRITE, Risk.DANGER)
SYSTEM = Person("system", frozenset({"system"}))
STRANGER = Person("", frozenset({EVERYONE}))


@dataclass(frozen=True, slots=True)
class Grant:
    """Lets a role use a scene, or one command of it, between two dates (both included)."""

    scene: str
    command: str = ""
    starts_on: date | None = None
    ends_on: date | None = None

    def covers(self, scene: str, spec: CommandSpec, today: date) -> bool:
        """Tell whether this grant allows the command today."""
        names = {fold_name(name) for name in (spec.mark.name, *spec.mark.aliases)}
        return self.scene == scene and (not self.command or fold_name(self.command) in names) and self.holds(today)

    def holds(self, today: date) -> bool:
        """Tell whether today lies between its dates."""
        return (self.starts_on is None or self.starts_on <= today) and (self.ends_on is None or today <= self.ends_on)


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, and the name of what decided it."""

    allowed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Access:
    """The people, what their roles are granted, and the highest risk that may be taken over each channel."""

    people: tuple[Person, ...] = ()
    grants: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)
    max_risk: Mapping[str, Risk] = field(default_factory=dict)

    def identify(self, channel: str, sender_id: str) -> Person | None:
        """Find whom an id on a channel belongs to; ids are compared exactly, names never."""
        wanted = (channel, sender_id)
        return next((person for person in self.people if sender_id and wanted in person.ids), None)

    def owners(self) -> tuple[Person, ...]:
        """Give the people who hold every grant."""
        return tuple(person for person in self.people if OWNER in person.roles)

    def may_run(self, person: Person, scene: Scene, spec: CommandSpec, today: date, chat: Chat) -> Decision:
        """Decide whether a person may run a command of a scene in this chat and today."""
        if RISKS.index(spec.mark.risk) > RISKS.index(self.max_risk.get(chat.channel, Risk.DANGER)):
            return Decision(allowed=False, reason="max_risk_of_channel")
        if chat.is_room and not spec.mark.rooms:
            return Decision(allowed=False, reason="not_in_rooms")
        if OWNER in person.roles:
            return Decision(allowed=True, reason="role:owner")
        if spec.mark.for_partner and scene.partner is not None and scene.partner == person:
            return Decision(allowed=True, reason="partner_of_scene")
        if spec.mark.for_members and self._has_grant(person, today):
            return Decision(allowed=True, reason="member")
        return self._decide_by_grants(person, scene, spec, today)

    def _decide_by_grants(self, person: Person, scene: Scene, spec: CommandSpec, today: date) -> Decision:
        roles = [*sorted(person.roles - {EVERYONE}), EVERYONE]
        for role in roles:
            if role == EVERYONE and spec.mark.risk is not Risk.READ:
                continue  # strangers may be shown things, never change them
            if any(grant.covers(scene.name, spec, today) for grant in self.grants.get(role, ())):
                return Decision(allowed=True, reason=f"role:{role}")
        return Decision(allowed=False, reason="no_grant")

    def _has_grant(self, person: Person, today: date) -> bool:
        grants: Iterable[Grant] = (grant for role in person.roles for grant in self.grants.get(role, ()))
        return any(grant.holds(today) for grant in grants)

    def knows(self, person: Person) -> bool:
        """Tell whether somebody is to be answered at all, if only with what is wrong."""
        return bool(person.name) and (OWNER in person.roles or any(self.grants.get(role) for role in person.roles))
