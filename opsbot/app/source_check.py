"""The check-up of sources: how far each was read, how it is woken, how its rules are searched."""

import importlib.util
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from glob import glob
from pathlib import Path

from opsbot.adapters.matching.cpu import lacks
from opsbot.adapters.sources.file.mount import silent
from opsbot.adapters.stores.sqlite.glance import checkpoints_in
from opsbot.app.command_check import command_finding
from opsbot.app.matching import matcher_for
from opsbot.app.own_file import Identity, OwnFiles
from opsbot.app.scenes import Cast
from opsbot.config.model import Configuration
from opsbot.config.source import SourceSettings
from opsbot.core.errors import StateError
from opsbot.core.finding import Finding, Level
from opsbot.core.log import Checkpoint, RuleFigures
from opsbot.core.size import in_words
from opsbot.pipeline.watch import Listener, listeners_of

NAMES_SHOWN = 5
Offsets = Mapping[Identity, int]


def source_findings(configuration: Configuration, cast: Cast) -> Iterator[Finding]:
    """Look at each source, and at what its rules cost. Blocking."""
    database = configuration.state_dir / "opsbot.db"
    known: Mapping[str, Sequence[Checkpoint]] | None = None
    try:
        known = checkpoints_in(database) if database.exists() else None
    except StateError as exc:
        yield Finding("state.database", Level.FAIL, str(exc))
    own = OwnFiles(configuration.state_dir, configuration.log.file).look(_streams_of_the_daemon(configuration.state_dir))
    has_rules = False
    for name, settings in configuration.sources.items():
        if settings.path is not None:
            yield _source(name, settings.path, None if known is None else _offsets(known.get(name, ())), own)
        elif settings.command is not None:
            yield command_finding(name, settings.command, (known or {}).get(name, ()))
        listeners = listeners_of(tuple(cast.scenes.values()), name)
        has_rules |= bool(listeners)
        yield from _rules(name, settings, listeners)
    if has_rules:
        yield _engine()


def _streams_of_the_daemon(state_dir: Path) -> tuple[str, ...]:
    """Say where the output of the daemon that runs goes, as far as this user may know: the lock holds its number."""
    try:
        pid = int((state_dir / "lock").read_text("ascii"))
    except (OSError, ValueError):
        return ()
    return f"/proc/{pid}/fd/1", f"/proc/{pid}/fd/2"


def _source(name: str, path: Path, offsets: Offsets | None, own: OwnFiles) -> Finding:
    check = f"source.{name}"
    if path.is_dir():
        return Finding(check, Level.FAIL, f"{path} is a directory", f"path: {path}/*")
    matched = [one for one in map(Path, glob(str(path), recursive=True)) if one.is_file()]  # noqa: PTH207 - a wildcard may be in any part
    files = {(status.st_dev, status.st_ino): (one, status.st_size) for one in matched for status in [one.stat()]}
    ours = [identity for identity, (one, _) in files.items() if own.has(str(one.resolve()), identity)]
    left_out = sorted(str(files.pop(identity)[0]) for identity in ours)
    if left_out and not files:
        return Finding(check, Level.WARN, f"{left_out[0]} is written by opsbot itself and never read", "is the path right?")
    if not files:
        return Finding(check, Level.WARN, f"{path}: no file yet", "it is read as soon as it appears; is the path right?")
    closed = [one for one, _ in files.values() if not os.access(one, os.R_OK)]
    if closed:
        mend = "let this user read it: usermod -aG, and chmod g+r"
        return Finding(check, Level.FAIL, f"{closed[0]} cannot be read by this user", mend)
    said = [f"{len(files)} file(s), {in_words(sum(size for _, size in files.values()))}"]
    said.append(_progress({identity: size for identity, (_, size) in files.items()}, offsets))
    said += [f"left out, as opsbot writes it itself: {', '.join(left_out)}"] if left_out else []
    why_polled = silent({str(one.parent.resolve()) for one, _ in files.values()})
    said.append(f"polled: {why_polled}" if why_polled else "woken by inotify")
    return Finding(check, Level.OK, "; ".join(said))


def _offsets(checkpoints: Sequence[Checkpoint]) -> Offsets:
    return {(each.device, each.inode): each.offset for each in checkpoints}


def _progress(sizes: Mapping[Identity, int], offsets: Offsets | None) -> str:
    """Say how far files were read, as of the last commit; one without a checkpoint was not seen by a daemon yet."""
    if offsets is None:
        return "never read yet"
    behind = sum(max(0, size - offsets[identity]) for identity, size in sizes.items() if identity in offsets)
    new = sum(identity not in offsets for identity in sizes)
    lag = f"{in_words(behind)} behind" if behind else "read to the end"
    return f"{lag}, {new} file(s) not begun" if new else lag


def _rules(source: str, settings: SourceSettings, listeners: Sequence[Listener]) -> Iterator[Finding]:
    """Say by which engines the rules are searched, and which of them are slow, and why."""
    if not listeners:
        return
    rules = [listener.rule for listener in listeners]
    # Without the folder for compiled rules: a check-up leaves nothing behind.
    figures = matcher_for(rules, multiline=settings.records(), encoding=settings.encoding).figures()
    engines: dict[str, int] = defaultdict(int)
    slow: dict[str, list[str]] = defaultdict(list)
    for listener, one in zip(listeners, figures, strict=True):
        engines[one.engine] += 1
        if _is_slow(one):
            slow[one.reason].append(f"{listener.scene.name}: {one.name}")
    counts = ", ".join(f"{engine} {count}" for engine, count in sorted(engines.items()))
    yield Finding(f"rules.{source}", Level.OK, f"{len(listeners)} rule(s): {counts}")
    for reason, names in slow.items():
        shown = "; ".join(names[:NAMES_SHOWN]) + (f"; … and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else "")
        yield Finding(f"rules.{source}.slow", Level.WARN, f"on the slow path ({reason}): {shown}", "write them without that")


def _is_slow(figures: RuleFigures) -> bool:
    """Say whether a rule could be searched faster if it were written otherwise; else the machine is to be mended, once."""
    return figures.engine == "re" and bool(figures.reason) and _has_engine()


def _has_engine() -> bool:
    return not lacks() and importlib.util.find_spec("hyperscan") is not None


def _engine() -> Finding:
    if _has_engine():
        return Finding("matching.engine", Level.OK, "hyperscan is there")
    if missing := lacks():
        said = f"this processor has no {missing}, which hyperscan needs: rules are searched by slower engines"
        return Finding("matching.engine", Level.WARN, said, "another machine, if there are many rules")
    said = "hyperscan is not installed: rules are searched by slower engines, which is felt when there are many"
    return Finding("matching.engine", Level.WARN, said, "pip install 'opsbot[fast]'")
