"""Giving the contents of files their names."""

from opsbot.adapters.sources.file.cursor import Cursor
from opsbot.adapters.sources.file.generation import after, complete, head_of, is_complete
from opsbot.adapters.sources.file.intake import Intake
from opsbot.adapters.sources.file.ledger import Ledger
from opsbot.adapters.sources.file.tracked import Tracked


def announce(ledger: Ledger, intake: Intake, tracked: Tracked, *, is_over: bool = False) -> None:
    """Hand over what a content is called before anything of it is read.

    Whoever acts on a record has committed by then what was handed over before: should he die without committing the record, it is
    found again under the same name, wherever its content has gone meanwhile.
    """
    if not is_complete(tracked.generation) and name(ledger, tracked, is_over=is_over):
        intake.flush()


def name(ledger: Ledger, tracked: Tracked, *, is_over: bool = False) -> bool:
    """Name the content of a file; False as long as its first line is unfinished, unless nobody will finish it.

    Copies that were made of a log between two truncations, and never read there, come between what the log held before and
    what it holds now.
    """
    if inherit(ledger, tracked):
        return True
    head = head_of(tracked.fd) if tracked.fd is not None else None
    if tracked.fd is None or (head is None and not is_over):
        return False
    heirs = [each for each in ledger.lineup.relatives(tracked) if each.generation and not is_complete(each.generation)]
    tracked.generation = complete(heirs[-1].generation if heirs else tracked.origin(), head or b"")
    ledger.parcel.advance(tracked, tracked.cursor)
    for heir in heirs[-1:]:
        if heir is not tracked:
            heir.generation = after(tracked.generation, heir.identity[1])
            ledger.parcel.advance(heir, heir.cursor)
    return True


def name_all(ledger: Ledger) -> bool:
    """Name all contents of which nothing has to be found out first, True if there were any: a thousand are one batch then."""
    nameless = [each for each in ledger.nameless if each in ledger.dirty and not is_complete(each.generation)]
    ledger.nameless = dict.fromkeys(each for each in nameless if not each.is_checked)
    plain = [each for each in nameless if each.original is None and _is_plain(ledger, each)]
    return bool([each for each in plain if name(ledger, each)])


def _is_plain(ledger: Ledger, tracked: Tracked) -> bool:
    """Say whether nobody has to be asked: it comes first, or it is a new file of a log that was read under a name until now.

    Should it turn out to be a copy of another log, it takes over the name of that.
    """
    others = [each for each in ledger.lineup.relatives(tracked) if each is not tracked]
    is_new_log = tracked.is_live and all(is_complete(each.generation) and each.cursor.offset for each in others)
    return is_new_log or (tracked.is_checked and ledger.lineup.is_first(tracked))


def inherit(ledger: Ledger, tracked: Tracked) -> bool:
    """Give a copy the name of what was named and then truncated unread (though a life before may have read it)."""
    for other in ledger.lineup.relatives(tracked):
        is_unread = is_complete(other.generation) and not other.cursor.offset and other.fd is not None
        if is_unread and not other.holds(Cursor(), other.generation) and tracked.holds(Cursor(), other.generation):
            tracked.generation, other.generation = other.generation, after(other.generation, other.identity[1])
            ledger.parcel.advance(tracked, tracked.cursor)
            ledger.parcel.advance(other, other.cursor)
            return True
    return False
