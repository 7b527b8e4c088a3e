"""The rules themselves: `re.search` on one record, and never for long.

A search cannot be interrupted, and holds the interpreter meanwhile: one hostile line could stop the whole daemon. So an
expression that may take long on a text of this length is searched in a process of its own, which can be killed.
"""

import contextlib
import json
import re
import select
import signal
import subprocess  # noqa: TID251 the runner belongs to the event loop; this waits in a reader's thread
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from opsbot.adapters.matching.backtracking import longest_safe_text
from opsbot.core.log import Rule

CPU_BUDGET_S = 0.25
_PATIENCE_S = 60.0
"""The process counts its own time; so long it may be kept from working at all."""
_ATTEMPTS = 2
_MEND = "write it without repetitions inside repetitions"


class TooSlowError(Exception):
    """The search was given up; the text says why, and what the rule's owner can do."""


class Search:
    """Searches rules in records. Used by one thread."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Compile nothing yet: of a thousand rules most are never found."""
        self._patterns = [rule.pattern for rule in rules]
        self._prepared: dict[int, tuple[int, Callable[[str], re.Match[str] | None]]] = {}
        self._process = SearchProcess()

    def __call__(self, number: int, text: str) -> Mapping[str, str] | None:
        """Give the named groups that took part when rule `number` is found in the text, else None.

        Raises:
            TooSlowError: it would take too long to find out.
        """
        safe_length, search = self._prepared.get(number) or self._prepare(number)
        if len(text) > safe_length:
            return self._process.search(self._patterns[number], text)
        found = search(text)
        return None if found is None else groups_of(found)

    def _prepare(self, number: int) -> tuple[int, Callable[[str], re.Match[str] | None]]:
        pattern = self._patterns[number]
        prepared = self._prepared[number] = (longest_safe_text(pattern), re.compile(pattern).search)
        return prepared

    def close(self) -> None:
        """End the process, if there is one."""
        self._process.close()


def groups_of(found: re.Match[str]) -> Mapping[str, str]:
    """Give the named groups that took part."""
    return {name: value for name, value in found.groupdict().items() if value is not None}


class SearchProcess:
    """A process that searches; started when it is first needed, and again after it ended."""

    def __init__(self, cpu_budget_s: float = CPU_BUDGET_S) -> None:
        """Start nothing yet."""
        self._cpu_budget_s = cpu_budget_s
        self._child: subprocess.Popen[bytes] | None = None

    def search(self, pattern: str, text: str) -> Mapping[str, str] | None:
        """Do what `re.search` does.

        Raises:
            TooSlowError: it took longer than `cpu_budget_s` of a core, or whatever is asked does not answer.
        """
        question = json.dumps([pattern, text]).encode() + b"\n"
        for _ in range(_ATTEMPTS):
            child = self._child = self._child or self._start()
            if answer := _ask(child, question):
                groups: Mapping[str, str] | None = json.loads(answer)
                return groups
            self.close()
            if child.returncode == -signal.SIGVTALRM:
                raise TooSlowError(f"one search took more than {self._cpu_budget_s} s of a core; {_MEND}")
        raise TooSlowError(f"the process for searches that may take long did not answer; {_MEND}")

    def close(self) -> None:
        """End the process: killed, it is gone within a millisecond."""
        child, self._child = self._child, None
        if child is not None and child.stdin is not None and child.stdout is not None:
            child.kill()
            with contextlib.suppress(OSError):
                child.stdin.close()
            child.stdout.close()
            child.wait()

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.close()

    def __del__(self) -> None:
        """End the process with the matcher that it belongs to: a matcher is not closed, only let go."""
        self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 this interpreter and a file of ours
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("searcher.py")), str(self._cpu_budget_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={},
            start_new_session=True,  # Ctrl-C is for the daemon
        )


def _ask(child: "subprocess.Popen[bytes]", question: bytes) -> bytes:
    """Give the answer, b"" when there is none."""
    if child.stdin is None or child.stdout is None:
        return b""
    try:
        child.stdin.write(question)
        child.stdin.flush()
        answers = select.poll()  # select() knows only the first 1024 descriptors, and logs are many
        answers.register(child.stdout, select.POLLIN)
        answer = child.stdout.readline() if answers.poll(_PATIENCE_S * 1000) else b""
    except OSError:
        return b""
    return answer if answer.endswith(b"\n") else b""  # it may be killed in the middle of one
