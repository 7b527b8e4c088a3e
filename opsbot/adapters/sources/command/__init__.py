"""Logs that come out of a command: a partner's opsbot on another machine, or whatever prints lines.

- `source`: the port, on the event loop; owns the command. `opsbot.core.invocation` says what it will print.
- `remote`: makes batches of what opsbot's `tail --json` says; `wire` reads its single lines, with suspicion.
- `plain`: makes batches of lines that are nothing but lines.
- `lines`: bytes as whole lines, bounded.
"""
