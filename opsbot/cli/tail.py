"""`opsbot tail`: the daemon's engine as a tool."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsbot.cli.tail_input import MAGIC, TailCommand, check_patterns, multiline_of, plain_patterns, read_positions
from opsbot.cli.tail_output import (
    STDOUT,
    Complaints,
    Format,
    JsonLines,
    PlainLines,
    ReaderGoneError,
    complain,
    encoded,
    write_out,
)
from opsbot.core.log import Batch, Rule, SourceFigures

if TYPE_CHECKING:
    from opsbot.app.tailing import Plan

STDIN = 0
READ_BYTES = 65536
ENCODINGS = ("utf-8", "gb18030", "utf-16")
FOUND, NOTHING_FOUND, FAILED = 0, 1, 2


@click.command(cls=TailCommand, short_help="Follow logs and print the records that match.")
@click.argument("patterns", metavar="PATTERN…", nargs=-1)
@click.option("-e", "expressions", metavar="REGEX", multiple=True, help="Print what matches this regular expression (Python's).")
@click.option(
    "-f",
    "rule_files",
    metavar="RULES_FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="… or one of the expressions in this file, one per line; in a .yaml or .yml file NAME: 'REGEX'.",
)
@click.option(
    "--from-start", is_flag=True, help="Begin files at their beginning, not at their end. What is known of a file wins."
)
@click.option("--no-follow", is_flag=True, help="Stop at the present end. Implies --from-start unless positions are kept.")
@click.option(
    "--state",
    "state_dir",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Remember in this directory how far was read, and go on there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print an object per record and rule that matches it.")
@click.option("--count", "counts", is_flag=True, help="Print only how many records each rule matched, at the end.")
@click.option(
    "--multiline",
    metavar="MODE",
    default="none",
    show_default=True,
    help="none, python, java, or a regular expression that is found in the first line of each record.",
)
@click.option(
    "--encoding",
    type=click.Choice(ENCODINGS, case_sensitive=False),
    default="utf-8",
    show_default=True,
    help="The encoding of the files.",
)
@click.option("--resume", is_flag=True, help="For programs: positions come on stdin and go to stdout; see docs/tailing.md.")
@click.option("--stats", is_flag=True, help="At the end, say on stderr what was read, and how each rule was searched.")
def tail(  # noqa: PLR0913 a parameter per option
    patterns: tuple[str, ...],
    expressions: tuple[str, ...],
    rule_files: tuple[Path, ...],
    state_dir: Path | None,
    multiline: str,
    encoding: str,
    *,
    from_start: bool,
    no_follow: bool,
    as_json: bool,
    counts: bool,
    resume: bool,
    stats: bool,
) -> None:
    """Follow the files behind paths or globs (quote these), through rotation and truncation, and print the records that match.

    Without -e and -f every record is printed. Files that do not exist yet are waited for, new ones are picked up and read from
    their beginning. Where there may be several files, each record stands behind PATH and a colon.

    With --state a second run goes on exactly behind the last record that was printed; after a crash it may repeat some, with the
    same keys in --json. The state belongs to the files: rules and patterns may change. With --state or --resume an unfinished
    last line waits until it is finished, otherwise --no-follow takes it as it is.

    \b
    Exit status: 0 when SIGTERM, Ctrl-C or the reader of the output ended it.
    With --no-follow: 0 when something matched, 1 when nothing did.
    2 when something is wrong: a rule, a file that cannot be read (with --no-follow), the state, the output.

    \b
    opsbot tail '/var/log/app/*.log' -e ERROR -e 'status=5\\d\\d'
    opsbot tail app.log -f rules.txt --state ~/.app-tail --no-follow    # from cron: what is new since the last time
    """  # noqa: D301 - click reads the escape
    check_patterns(patterns, rule_files)
    complaints = Complaints()
    complaints.listen()
    from opsbot.app.rule_file import rules_of  # noqa: PLC0415 - `--help` needs none of it
    from opsbot.app.tailing import Plan  # noqa: PLC0415

    _refuse_contradictions(as_json=as_json, counts=counts, resume=resume, has_state=state_dir is not None)
    plan = Plan(
        patterns=plain_patterns(patterns),
        rules=rules_of(expressions, rule_files) or (Rule.every_line(),),
        multiline=multiline_of(multiline),
        encoding=encoding,
        follows=not no_follow,
        state_dir=state_dir,
        positions=read_positions() if resume else None,
        read_from="beginning" if from_start or (no_follow and not resume and state_dir is None) else "end",
    )
    is_wild = len(plan.patterns) > 1 or bool(MAGIC.search(plan.patterns[0]))
    folder = "" if all(map(os.path.isabs, patterns)) else f"{os.getcwd()}/"  # noqa: PTH109 - a string, as paths of records are
    output: Format = PlainLines(with_path=is_wild, folder=folder)
    if as_json or resume:
        output = JsonLines(plan.patterns, plan.rules, with_positions=resume)
    sys.exit(_Run(plan, output, complaints).run(counts=counts, stats=stats))


class _Run:
    """One run: what it found, and why it ends."""

    def __init__(self, plan: "Plan", output: Format, complaints: Complaints) -> None:
        self._plan = plan
        self._output = output
        self._complaints = complaints
        self._has_found = False
        self._signal = 0
        self._end: Callable[[], object] = lambda: None

    def run(self, *, counts: bool, stats: bool) -> int:
        """Give the exit status."""
        with self._signals():
            try:
                figures = self._count() if counts else self._print()
                if stats:
                    _show(figures)
            except ReaderGoneError:
                pass  # as with `| head`: it has what it wanted
            except TimeoutError:
                complain("a file or a rule takes too long; what it was about to find comes with the next run")
        return self._status()

    def _print(self) -> SourceFigures:
        from opsbot.app.tailing import tail as follow  # noqa: PLC0415

        return follow(self._plan, self._take, self._listen)

    def _count(self) -> SourceFigures:
        from opsbot.app.tailing import count  # noqa: PLC0415

        tally, figures = count(self._plan, self._take, self._listen)
        self._has_found = tally.total > 0
        names = [rule.name.replace("\t", r"\t").replace("\n", r"\n") for rule in self._plan.rules]
        lines = [f"{name}\t{number}\n" for name, number in zip(names, tally.counts, strict=True)]
        write_out(encoded(iter([*lines, f"total\t{tally.total}\n"])))
        return figures

    def _take(self, batch: Batch) -> None:
        self._complaints.of(batch, self._plan.rules)
        content = encoded(self._output.lines(batch))
        if content:
            write_out(content)
        self._has_found = self._has_found or bool(batch.records)

    def _status(self) -> int:
        if self._plan.follows:
            return FOUND
        if self._signal:
            signal.raise_signal(self._signal)  # it was ended before its end, and whoever waits for it must see that
        if self._complaints.were_made:
            return FAILED
        return FOUND if self._has_found else NOTHING_FOUND

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """End in order with the first signal; the second one kills, even while nobody reads what we write."""

        def stop(number: int, _frame: object) -> None:
            signal.signal(number, signal.SIG_DFL)
            self._signal = number
            self._end()

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if number == self._signal else handler)

    @contextmanager
    def _listen(self, end: Callable[[], None]) -> Iterator[None]:
        """Call `end` when a signal came, the reader of the output went, or whoever gave us positions did."""
        loop = asyncio.get_running_loop()
        self._end = lambda: loop.call_soon_threadsafe(end)
        if self._signal:
            end()
        if self._plan.positions is not None:
            self._take(Batch(source="", observed_at=datetime.now(UTC)))  # we are there, although there may be no file yet
        watched = [STDOUT] if stat.S_ISFIFO(os.fstat(STDOUT).st_mode) else []
        if self._plan.positions is not None and self._plan.follows:
            watched.append(STDIN)

        def look(fd: int) -> None:
            if fd == STDOUT or not os.read(fd, READ_BYTES):
                loop.remove_reader(fd)
                end()

        with suppress(PermissionError):  # a file is never closed at the other end
            for fd in watched:
                loop.add_reader(fd, look, fd)
        try:
            yield
        finally:
            for fd in watched:
                loop.remove_reader(fd)
            self._end = lambda: None


def _refuse_contradictions(*, as_json: bool, counts: bool, resume: bool, has_state: bool) -> None:
    if resume and has_state:
        raise click.UsageError("--resume and --state are two ways to remember; choose one")
    if counts and (resume or as_json):
        raise click.UsageError("--count prints no records; leave out --json and --resume")
    if sys.stdout is None or (resume and sys.stdin is None):
        # Whatever is opened next would get its place.
        raise click.UsageError("standard input and output must be open")


def _show(figures: SourceFigures) -> None:
    complain(f"files: {figures.files}, bytes read: {figures.read_bytes}, records: {figures.records}")
    for rule in figures.rules:
        why = f" ({rule.reason})" if rule.reason else ""
        complain(f"{rule.name}: {rule.matches} of {rule.candidates} candidates matched, by {rule.engine}{why}")
