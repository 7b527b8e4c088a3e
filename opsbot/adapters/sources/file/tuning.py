"""The numbers of the file source; the defaults are meant for production, the others for tests."""

import resource
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How eagerly files are read.

    Args:
        reconcile_s: how often everything is compared with the file system although no wake-up came.
        poll_s: the same, while the operating system cannot wake us.
        rearm_s: how often watching is tried again meanwhile.
        rotate_wait_s: how long a file that was rotated away stays open after its last line.
        chunk_bytes: the size of one read.
        max_line_bytes: of a longer line only so much is searched.
        turn_bytes: how much of one file is read before the next has its turn.
        flush_s: after so long progress without matches is handed over.
        flush_bytes: … or after so much of it.
        batch_records: the most records in one batch.
        queued_batches: how many batches may wait for the consumer before the reader does.
        archive_bytes: of a compressed rotation only so much is decompressed.
        open_files: above so many open files the quiet ones are closed; 0 means half of what the system allows.
    """

    reconcile_s: float = 5.0
    poll_s: float = 0.25
    rearm_s: float = 60.0
    rotate_wait_s: float = 30.0
    chunk_bytes: int = 1024 * 1024
    max_line_bytes: int = 1024 * 1024
    turn_bytes: int = 1024 * 1024
    flush_s: float = 1.0
    flush_bytes: int = 4 * 1024 * 1024
    batch_records: int = 500
    queued_batches: int = 8
    archive_bytes: int = 4 * 1024 * 1024 * 1024
    open_files: int = 0

    def most_open_files(self) -> int:
        """Say how many files may be open; asked anew each time, because the limit of a process can be changed."""
        return self.open_files or resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
