"""The store on SQLite."""

from opsbot.adapters.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
