"""RE2: no faster than memory, but the same speed for one rule and for a thousand, and no surprises."""

from collections.abc import Sequence
from types import ModuleType

from opsbot.adapters.matching.engine import Candidate, Expression

_MEMORY_BYTES = 64 * 1024 * 1024
"""With the default of 8 MB a thousand rules are searched at a fortieth of the speed."""
_FEW = 8
"""So many rules are tried one by one faster than they are told apart."""


class Re2UnavailableError(Exception):
    """It is not installed."""


class Re2Engine:
    """One expression that finds any of the rules, and a set that tells which. For records of one line."""

    def __init__(self, expressions: Sequence[Expression]) -> None:
        """Compile what it takes; `numbers` says what that was.

        Raises:
            Re2UnavailableError: it is not installed.
        """
        library = _library()
        taken = [each for each in expressions if _is_taken(library, each)]
        while taken:
            try:
                self._compile(library, taken)
                break
            except library.error:  # each for itself, but not together
                taken = sorted(taken, key=lambda each: len(each.pattern))[: len(taken) * 3 // 4]
        self.numbers = tuple(each.number for each in taken)

    def _compile(self, library: ModuleType, expressions: Sequence[Expression]) -> None:
        self._any = library.compile(b"|".join(b"(?m:%b)" % each.pattern for each in expressions), _options(library))
        self._set = None
        if len(expressions) > _FEW:
            self._set = library.Set.SearchSet(_options(library))
            for each in expressions:
                self._set.Add(b"(?m)" + each.pattern)
            self._set.Compile()

    def candidates(self, block: bytes | memoryview) -> Sequence[Candidate]:
        """Scan a block."""
        found: list[Candidate] = []
        data, at = bytes(block), 0
        while self.numbers and (match := self._any.search(data, at)) is not None:
            start, at = data.rfind(b"\n", 0, match.end() - 1) + 1, data.find(b"\n", match.end() - 1) + 1 or len(data)
            found += [(at, number) for number in self._numbers_in(data[start:at])]
        return found

    def _numbers_in(self, line: bytes) -> Sequence[int]:
        # Without memory the set knows none, although there is one.
        places = self._set.Match(line) if self._set is not None else ()
        return [self.numbers[place] for place in places] or self.numbers


def _library() -> ModuleType:
    try:
        import re2  # noqa: PLC0415 an extra
    except ImportError as exc:
        raise Re2UnavailableError("google-re2 is not installed: pip install 'opsbot[fast]'") from exc
    library: ModuleType = re2
    return library


def _options(library: ModuleType) -> object:
    options = library.Options()
    options.encoding = library.Options.Encoding.LATIN1  # bytes
    options.max_mem = _MEMORY_BYTES
    options.never_nl = True
    options.never_capture = True
    options.log_errors = False
    return options


def _is_taken(library: ModuleType, expression: Expression) -> bool:
    try:
        library.compile(b"(?m)" + expression.pattern, _options(library))
    except library.error:
        return False
    return True
