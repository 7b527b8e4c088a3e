"""The matcher: engines say where rules may match, the rules themselves decide there."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from opsbot.adapters.matching.engine import Engine
from opsbot.adapters.matching.layout import AllRecords, NearLines, Span
from opsbot.adapters.matching.search import Search, TooSlowError
from opsbot.core.log import Disabled, Hit, Match, Multiline, Rule, RuleFigures, Scan
from opsbot.core.record_splitting import RecordSplitter


@dataclass(frozen=True, slots=True)
class Plan:
    """How a set of rules is searched.

    Args:
        engines: together they know all rules but those in `everywhere`.
        everywhere: rules that no engine is asked about; they are searched in every record.
        stands_for: expressions that are no rules, and for which rules they stand.
        figures: what is known of each rule so far.
    """

    engines: Sequence[Engine]
    everywhere: Sequence[int]
    stands_for: Mapping[int, Collection[int]]
    figures: Sequence[RuleFigures]


class EngineMatcher:
    """Asks each engine about a block, and then the rules about the records in which they may match.

    Engines are asked for a part of most rules. Where that part turns out to be frequent, the plan is made anew with all of it.

    Args:
        rules: what is searched; hits name a rule by its place.
        plan: makes the plan; is told which rules are to be searched whole. May block for a second.
        multiline: how lines become records.
        whole: rules that are searched whole from the first.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        plan: Callable[[frozenset[int]], Plan],
        multiline: Multiline | None,
        whole: frozenset[int] = frozenset(),
    ) -> None:
        """Make the first plan."""
        self._search = Search(rules)
        self._make_plan = plan
        self._whole = whole
        self._plan = plan(whole)
        self._splitter = RecordSplitter(multiline) if multiline else None
        self._candidates = [0] * len(rules)
        self._matches = [0] * len(rules)
        self._disabled: dict[int, str] = {}
        self._vain_searches = _VAIN_SEARCHES
        self._is_frequent = False

    def scan(self, block: bytes | memoryview, *, is_end: bool = True) -> Scan:
        """Find the records that match; see `opsbot.core.ports.Matcher`."""
        if self._is_frequent:
            self._refine()
        everywhere = self._plan.everywhere
        found = [candidate for engine in self._plan.engines for candidate in engine.candidates(block)]
        if self._splitter is None and not everywhere:
            return self._decide(self._wanted(sorted(found), NearLines(block)), len(block)) if found else Scan((), len(block))
        layout = AllRecords(block, self._splitter, is_end=is_end)
        wanted = self._wanted(sorted(found), layout)
        for span in layout.spans if everywhere else ():
            wanted.setdefault(span, set()).update(everywhere)
        return self._decide(wanted, layout.consumed)

    def search(self, record: str) -> Scan:
        """Ask the rules about one record; see `opsbot.core.ports.Matcher`."""
        whole = Span(0, len(record), len(record), record)
        return self._decide({whole: self._wanted_in(record)}, len(record))

    def _wanted_in(self, record: str) -> set[int]:
        """Collect which rules may match in a record; engines know lines, so that one with a line end inside is for all rules."""
        try:
            block = record.encode() + b"\n"
        except UnicodeEncodeError:
            block = b""
        if not block or "\n" in record or "\r" in record:
            return set(range(len(self._matches)))
        wanted = set(self._plan.everywhere)
        for engine in self._plan.engines:
            for _, number in engine.candidates(block):
                wanted.update(self._plan.stands_for.get(number, (number,)))
        return wanted

    def figures(self) -> Sequence[RuleFigures]:
        """Say how each rule is searched; see `opsbot.core.ports.Matcher`."""
        return [
            replace(
                known,
                candidates=self._candidates[number],
                matches=self._matches[number],
                is_disabled=number in self._disabled,
            )
            for number, known in enumerate(self._plan.figures)
        ]

    def _refine(self) -> None:
        """Let the engines search the whole of those rules whose part was mostly found in vain.

        Each time it takes more to do so again: to compile a thousand rules takes seconds.
        """
        self._is_frequent = False
        counts = zip(self._candidates, self._matches, strict=True)
        vain = {
            number for number, (asked, matched) in enumerate(counts) if asked > self._vain_searches // 4 and asked > 2 * matched
        }
        if not vain <= self._whole | set(self._plan.everywhere):
            self._whole |= vain
            self._vain_searches *= 4
            self._plan = self._make_plan(self._whole)

    def _wanted(self, candidates: Iterable[tuple[int, int]], layout: NearLines | AllRecords) -> dict[Span, set[int]]:
        """Collect, per record, which rules may match in it."""
        wanted: dict[Span, set[int]] = {}
        span: Span | None = None
        for end, number in candidates:
            if span is None or not span.start < end <= span.after:
                span = layout.span_at(end - 1)
            if span is not None:
                wanted.setdefault(span, set()).update(self._plan.stands_for.get(number, (number,)))
        return wanted

    def _decide(self, wanted: Mapping[Span, set[int]], consumed: int) -> Scan:
        before = len(self._disabled)
        matches = []
        for span in sorted(wanted):
            hits = tuple(hit for number in sorted(wanted[span] - self._disabled.keys()) if (hit := self._hit(number, span.text)))
            if hits:
                matches.append(Match(span.start, span.end, span.text, hits))
        return Scan(matches, consumed, tuple(Disabled(number, why) for number, why in [*self._disabled.items()][before:]))

    def _hit(self, number: int, text: str) -> Hit | None:
        self._candidates[number] += 1
        try:
            groups = self._search(number, text)
        except TooSlowError as exc:
            self._disabled[number] = str(exc)
            return None
        if groups is None:
            self._is_frequent |= self._candidates[number] % self._vain_searches == 0
            return None
        self._matches[number] += 1
        return Hit(number, groups)


_VAIN_SEARCHES = 1000
"""So many times a part of a rule may be found in vain at first."""
