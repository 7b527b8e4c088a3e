"""Log files, followed through rotation, truncation and restarts.

Who does what, from the outside in:

- `source`: the port, on the event loop; owns the reader's thread.
- `thread`: the reader's thread: waits for a wake-up, lets the reader work, hands batches over.
- `reader`: one turn after the other over all files; can be driven without a thread. `ending`: the end of a file, and closing it.
- `ledger`: which file is which: newcomers, renamed ones, those that are gone. `resumption` finds what the checkpoints speak of,
  `turned` what links led to, `lineage` what is a copy of what, `lineup` in which order the files of one log are read, `rescue`
  what to do about a truncation, `retirement` when to close.
- `intake`: what is read becomes records. `parcel`: gathers what becomes the next batch. `handover`: brings it to the event loop.
  `standing`: the figures.
- `archive`: a compressed rotation; `shelf` knows which of them were read, `unfinished` which are still being written.
- `tracked`: one open file: reads whole lines from a verified position; `short_way` does, when there is nothing to it.
  `descriptor` opens it, `block` is what a read gives, `encoding` knows how lines stand in bytes, `open_record` how long a record
  of several lines is waited for.
- `trail`: where a file was read through before it was truncated.
- `place`: which paths a pattern means, and which names are rotations of which log.
- `watch`: wake-ups by the operating system; a hint, never the truth. `inotify` on Linux, `observer` elsewhere. `lookout` knows
  when they cannot be relied on, by what `mount` says among others. `bell` wakes the thread from the event loop.
"""
