"""Fixtures for all tests."""

from opsbot.testing import harness

__all__ = ["harness"]
