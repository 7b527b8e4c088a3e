"""Which engine searches which rule: the fastest that takes it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from opsbot.adapters.matching.engine import Engine, Expression
from opsbot.adapters.matching.hyperscan import HyperscanUnavailableError, compile_expressions
from opsbot.adapters.matching.matcher import EngineMatcher, Plan
from opsbot.adapters.matching.re2 import Re2Engine, Re2UnavailableError
from opsbot.adapters.matching.superset import FOLDED, TooWideError, superset_of
from opsbot.core.log import Multiline, Rule, RuleFigures

ENGINES = ("hyperscan", "re2")
_EVERYWHERE = "re"
_FEW = 4
"""So few rules are searched as fast whole as in part."""


def compile_rules(
    rules: Sequence[Rule],
    multiline: Multiline | None = None,
    cache_dir: Path | None = None,
    *,
    engines: Collection[str] = ENGINES,
) -> EngineMatcher:
    """Compile rules for UTF-8, each for the first of hyperscan, hyperscan with a wider expression, RE2, and `re` that takes it.

    Blocking: about a millisecond per rule when they are not in `cache_dir`. Only `engines` are tried; `re` always is.
    """

    def plan(whole: frozenset[int]) -> Plan:
        ladder = _Ladder(spans_lines=multiline is not None)
        ladder.translate(rules, whole)
        if "hyperscan" in engines:
            ladder.climb_hyperscan(cache_dir)
        if "re2" in engines and multiline is None:
            ladder.climb_re2()
        return ladder.plan(rules)

    return EngineMatcher(rules, plan, multiline, frozenset(range(len(rules))) if len(rules) <= _FEW else frozenset())


@dataclass(slots=True)
class _Ladder:
    """Rules go down it until an engine takes them."""

    spans_lines: bool
    engines: list[Engine] = field(default_factory=list)
    stands_for: dict[int, list[int]] = field(default_factory=dict)
    _left: dict[int, Expression] = field(default_factory=dict)
    _folded: set[int] = field(default_factory=set)
    _taken: dict[int, str] = field(default_factory=dict)
    _reasons: dict[int, str] = field(default_factory=dict)
    _absent: list[str] = field(default_factory=list)
    _free: int = 0

    def translate(self, rules: Sequence[Rule], whole: frozenset[int]) -> None:
        """Write the rules as engines want them; what cannot be written so stays with `re`."""
        self._free = len(rules)
        for number, rule in enumerate(rules):
            try:
                superset = superset_of(rule.pattern, spans_lines=self.spans_lines, is_whole=number in whole)
            except (TooWideError, NotImplementedError, RecursionError) as exc:
                self._reasons[number] = "it is nested too deep" if isinstance(exc, RecursionError) else str(exc)
                continue
            self._left[number] = Expression(number, superset.pattern)
            if superset.is_folded:
                self._folded.add(number)

    def climb_hyperscan(self, cache_dir: Path | None) -> None:
        """Let Hyperscan take what it can."""
        try:
            asked = self._asked()
            compiled = compile_expressions(asked, cache_dir, spans_lines=self.spans_lines) if asked else None
        except HyperscanUnavailableError as exc:
            self._absent.append(str(exc))
            return
        if compiled is not None:
            self._take(compiled.exact, "hyperscan")
            self._take(compiled.prefiltered, "hyperscan prefilter")
            if compiled.exact | compiled.prefiltered:
                self.engines.append(compiled.engine)

    def climb_re2(self) -> None:
        """Let RE2 take what it can."""
        try:
            engine = Re2Engine(self._asked()) if self._left else None
        except Re2UnavailableError as exc:
            self._absent.append(str(exc))
            return
        if engine is not None:
            self._take(engine.numbers, "re2")
            self.engines.append(engine)

    def plan(self, rules: Sequence[Rule]) -> Plan:
        """Say where each rule ended, and why not higher."""
        refused = "; ".join(self._absent) or "too large for hyperscan"
        figures = []
        for number, rule in enumerate(rules):
            engine = self._taken.get(number, _EVERYWHERE)
            reason = "" if engine == "hyperscan" else self._reasons.get(number, refused)
            figures.append(RuleFigures(name=rule.name, engine=engine, reason=reason))
        everywhere = [number for number in range(len(rules)) if number not in self._taken]
        return Plan(self.engines, everywhere, self.stands_for, figures)

    def _asked(self) -> list[Expression]:
        """Give what is left; one expression more stands for all rules that letters from afar may match."""
        folded = self._folded & self._left.keys()
        if not folded:
            return list(self._left.values())
        self.stands_for[self._free] = sorted(folded)
        return [*self._left.values(), Expression(self._free, FOLDED)]

    def _take(self, numbers: Sequence[int] | frozenset[int], engine: str) -> None:
        for number in numbers:
            if self._left.pop(number, None) is not None:
                self._taken[number] = engine
        if self._free in numbers:
            self._free += 1
