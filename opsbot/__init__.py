"""opsbot: a chat-driven ops daemon."""

__version__ = "0.1.0"
