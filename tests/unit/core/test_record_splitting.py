"""Which lines of a log are one record: real tracebacks and stack traces among ordinary lines."""

import logging
import re
import traceback
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.core.log import Multiline
from opsbot.core.record_splitting import RecordSplitter

PYTHON = Multiline(kind="python")
JAVA = Multiline(kind="java")
DATED = Multiline(kind="start", start=r"^\d\d:\d\d ")

SEPARATOR = "====\n"
"""Stands between the records of a sample."""

SAMPLES: dict[str, tuple[Multiline, str]] = {
    "lines without a traceback are records of their own": (PYTHON, "one\n====\n  two\n====\n\n====\nthree\n"),
    "a traceback belongs to the line before it": (
        PYTHON,
        """\
INFO before
====
ERROR it failed
Traceback (most recent call last):
  File "/srv/bot.py", line 5, in chain
    try: f(1)
         ^^^^
  [Previous line repeated 54 more times]
ValueError: 1
====
INFO after
""",
    ),
    "a traceback without a line before it begins a record": (
        PYTHON,
        """\
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    f()
__main__.f.<locals>.OddError
====
INFO after
""",
    ),
    "a traceback in the message begins its record": (
        PYTHON,
        """\
INFO before
====
ERROR:root:Traceback (most recent call last):
  File "a.py", line 1, in <module>
KeyboardInterrupt
====
INFO after
""",
    ),
    "each of two tracebacks is a record": (
        PYTHON,
        """\
Traceback (most recent call last):
  File "a.py", line 1, in <module>
KeyError: 1
====
Traceback (most recent call last):
  File "a.py", line 1, in <module>
KeyError: 1
""",
    ),
    "chained tracebacks are one record": (
        PYTHON,
        """\
ERROR last
Traceback (most recent call last):
  File "a.py", line 5, in chain
    try: f(1)
         ^^^^
ValueError: 1

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 6, in chain
    except ValueError: {}["k"]
                       ~~^^^^^
KeyError: 'k'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "a.py", line 8, in chain
    raise RuntimeError("last") from e
RuntimeError: last
====

====
INFO after
""",
    ),
    "an exception group belongs to the line before it, chained and nested": (
        PYTHON,
        """\
ERROR two
Traceback (most recent call last):
  File "a.py", line 19, in grp
KeyError: 'k'

During handling of the above exception, another exception occurred:

  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 20, in grp
  |     except KeyError: raise ExceptionGroup("two", es)
  |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "a.py", line 16, in grp
    | ValueError: 0
    | a note
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "a.py", line 16, in grp
    |\x20
    | During handling of the above exception, another exception occurred:
    |\x20
    | Traceback (most recent call last):
    |   File "a.py", line 16, in grp
    | ValueError: 1
    +------------------------------------

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 30, in grp
KeyError: 2
====
INFO after
""",
    ),
    "an exception group ends with its last branch": (
        PYTHON,
        """\
ERROR one
  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 20, in grp
  | ExceptionGroup: one (1 sub-exception)
  +-+---------------- 1 ----------------
    | ValueError: 0
    +------------------------------------
====
NameError: this is a line of its own
""",
    ),
    "the carets of a syntax error stand within the traceback": (
        PYTHON,
        """\
ERROR no
Traceback (most recent call last):
  File "a.py", line 22, in syn
    def syn(): compile("x = = 1\\n","<string>","exec")
               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "<string>", line 1
    x = = 1
        ^
SyntaxError: invalid syntax
====
INFO after
""",
    ),
    "a syntax error at the start of a program has no head": (
        PYTHON,
        """\
starting
  File "/srv/bot.py", line 1
    x = = 1
        ^
SyntaxError: invalid syntax
====
INFO after
""",
    ),
    "an indented traceback ends with the error at the same indent": (
        PYTHON,
        """\
ERROR worker said:
    Traceback (most recent call last):
      File "a.py", line 1, in f
        g()
    ValueError: 1
====
    INFO indented too
====
INFO after
""",
    ),
    "a traceback that breaks off takes no other line": (
        PYTHON,
        """\
ERROR killed
Traceback (most recent call last):
  File "a.py", line 1, in f
====
2026-11-20 10:00:00 INFO started
""",
    ),
    "the further lines of a message cannot be told": (
        PYTHON,
        """\
ERROR it failed
Traceback (most recent call last):
  File "a.py", line 1, in f
ValueError: one
====
two
====
INFO after
""",
    ),
    "an empty line takes no traceback": (
        PYTHON,
        '\n====\nTraceback (most recent call last):\n  File "a.py", line 1, in f\nE: 1\n',
    ),
    "the word traceback alone is none": (PYTHON, "no Traceback here\n====\n  indented\n"),
    "a stack trace belongs to the line before it": (
        JAVA,
        """\
12:00:00 INFO main - starting
====
12:00:00 ERROR main - login failed
java.lang.RuntimeException: outer
\tat T.main(T.java:7)
\tat java.base/java.lang.reflect.Method.invoke(Method.java:569)
\tSuppressed: java.lang.IllegalStateException: close
\t\tat T$Res.close(T.java:3)
\t\t... 8 more
Caused by: java.lang.IllegalArgumentException: bad
\tat T.a(T.java:4)
\t... 8 more
Caused by: java.lang.Error
\tat T.a(T.java:4)
\t... 12 common frames omitted
====
12:00:01 INFO next
""",
    ),
    "a stack trace takes indented lines that are no frames": (
        JAVA,
        """\
"main" prio=5 tid=0x1
   at java.lang.Object.wait(Native Method)
   - waiting on <0x00000000d5>
====
next
====
   indented without a trace
""",
    ),
    "each of two stack traces is a record": (
        JAVA,
        """\
Exception in thread "worker" java.lang.Error
\tat T.lambda$main$0(T.java:10)
====
java.lang.IllegalStateException: 1
\tat T.a(T.java:4)
====
java.lang.IllegalStateException: 2
\tat T.a(T.java:4)
""",
    ),
    "a throwable without a trace belongs to the line before it": (
        JAVA,
        "ERROR no\ncom.acme.BotException\n====\nERROR no\ncom.acme.BotException: again\n====\nINFO com.acme.Bot: fine\n",
    ),
    "an empty line takes no stack trace": (JAVA, "\n====\njava.lang.Error\n\tat T.a(T.java:4)\n====\n\n====\nnext\n"),
    "a record begins where the pattern is found": (DATED, "10:00 one\n more\n\nmore\n====\n10:01 two\n====\n10:02 three\nmore\n"),
    "lines before the first beginning are a record": (DATED, "of yesterday\nof yesterday too\n====\n10:00 one\n"),
}


def records(multiline: Multiline, lines: list[str]) -> list[list[str]]:
    ranges, _ = RecordSplitter(multiline).split(lines)
    return [lines[first:end] for first, end in ranges]


def lines_of(sample: str) -> list[list[str]]:
    return [record.split("\n")[:-1] for record in sample.split(SEPARATOR)]


@pytest.mark.parametrize("name", SAMPLES)
def test_lines_that_belong_together_are_one_record(name: str) -> None:
    multiline, sample = SAMPLES[name]
    expected = lines_of(sample)

    assert records(multiline, [line for record in expected for line in record]) == expected


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_records_are_the_same_however_their_lines_come(name: str, size: int) -> None:
    multiline, sample = SAMPLES[name]
    expected = lines_of(sample)

    assert list(in_blocks(multiline, [line for record in expected for line in record], size)) == expected


def in_blocks(multiline: Multiline, lines: list[str], size: int) -> Iterator[list[str]]:
    """Split as a reader does: what is open is given again with the next few lines."""
    splitter = RecordSplitter(multiline)
    first = 0
    for stop in [*range(size, len(lines), size), len(lines)]:
        ranges, open_count = splitter.split(lines[first:stop])
        whole = ranges if stop == len(lines) else ranges[: len(ranges) - open_count]
        yield from (lines[first + begin : first + end] for begin, end in whole)
        first += whole[-1][1] if whole else 0


PIECES = [line for _, sample in SAMPLES.values() for record in lines_of(sample) for line in record]


def test_line_that_does_not_fit_behind_the_one_before_it_takes_its_own_lines_along() -> None:
    lines = ["x" * 12, '  File "/srv/bot.py", line 1', "  indented"]

    assert records(Multiline(kind="python", max_bytes=40), lines) == [lines[:1], lines[1:]]


@given(
    lines=st.lists(st.sampled_from(sorted(set(PIECES))), max_size=30),
    size=st.integers(1, 8),
    kind=st.sampled_from(["python", "java", "start"]),
    max_lines=st.sampled_from([1, 2, 3, 5, 500]),
    max_bytes=st.sampled_from([1, 40, 100, 10_000]),
)
def test_any_lines_give_the_same_records_in_blocks_as_at_once(
    lines: list[str], size: int, kind: Literal["python", "java", "start"], max_lines: int, max_bytes: int
) -> None:
    multiline = Multiline(kind=kind, start="[1-5]", max_lines=max_lines, max_bytes=max_bytes)
    at_once = records(multiline, lines)

    assert list(in_blocks(multiline, lines, size)) == at_once
    assert [line for record in at_once for line in record] == lines
    assert all(len(record) <= max_lines for record in at_once)
    assert all(len(record) == 1 or sum(len(line.encode()) + 1 for line in record) <= max_bytes for record in at_once)


@pytest.mark.parametrize(
    ("kind", "more"), [("python", '  File "a.py", line 1, in f'), ("java", "\tat a.B.c(B.java:1)"), ("start", "x")]
)
def test_record_that_has_reached_its_bounds_is_not_open(kind: Literal["python", "java", "start"], more: str) -> None:
    splitter = RecordSplitter(Multiline(kind=kind, start="^head", max_lines=3))

    assert [splitter.split(["head", *[more] * count])[1] for count in range(4)] == [1, 1, 0, 1]


def test_line_that_is_larger_than_a_record_may_be_is_not_open() -> None:
    splitter = RecordSplitter(Multiline(kind="python", max_bytes=10))

    assert (splitter.split(["错" * 3])[1], splitter.split(["x" * 8])[1]) == (0, 1)


def test_empty_line_after_a_traceback_is_open_with_it() -> None:
    ranges, open_count = RecordSplitter(PYTHON).split(["Traceback (most recent call last):", '  File "a", line 1', "E: 1", ""])

    assert (ranges, open_count) == ([(0, 3), (3, 4)], 2)


def test_no_lines_are_no_records() -> None:
    assert RecordSplitter(PYTHON).split([]) == ([], 0)


def chain() -> None:
    try:
        try:
            int("x")
        except ValueError:
            [].pop()
    except IndexError as error:
        raise RuntimeError("last") from error


def group() -> None:
    error = ValueError(1)
    error.add_note("a note")
    try:
        chain()
    except RuntimeError as other:
        raise ExceptionGroup("two", [error, other, ExceptionGroup("inner", [KeyError(2)])]) from other


def syntax() -> None:
    compile("x = (1,\n  = 1\n", "<string>", "exec")


def recursion() -> None:
    recursion()


@pytest.mark.parametrize("fails", [chain, group, syntax, recursion])
def test_what_this_python_logs_of_an_exception_is_one_record(fails: Callable[[], None]) -> None:
    formatter = logging.Formatter("%(levelname)s %(message)s")
    try:
        fails()
    except Exception as error:  # noqa: BLE001 whatever it is
        record = logging.LogRecord("a", logging.ERROR, "", 0, "it failed", (), (type(error), error, error.__traceback__))
    logged = re.split("\n", formatter.format(record))

    assert records(PYTHON, ["before", *logged, "", "after"]) == [["before"], logged, [""], ["after"]]


def test_each_traceback_of_this_python_is_one_record() -> None:
    try:
        chain()
    except RuntimeError:
        printed = traceback.format_exc().split("\n")[:-1]

    assert records(PYTHON, printed * 3) == [printed] * 3
