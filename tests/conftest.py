"""Fixtures for all tests."""

import os
from collections.abc import Iterator

import pytest
import structlog
from blockbuster import blockbuster_ctx
from hypothesis import settings

from opsbot.testing import harness

__all__ = ["harness"]

# While one works on something a few examples are enough; `make test` asks for many: --hypothesis-profile=thorough.
settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=300, deadline=None)
settings.load_profile("quick")


@pytest.fixture(autouse=True, scope="session")
def _no_blocking_call_in_the_loop() -> Iterator[None]:
    """Fail a test in which opsbot blocks the event loop; what the test itself does is its own business."""
    with blockbuster_ctx("opsbot") as watched:
        for name in ("os.stat", "io.BufferedReader.read", "io.TextIOWrapper.read"):
            # A traceback shows lines of source: read when a bug is logged, and only then.
            watched.functions[name].can_block_in("linecache.py", {"checkcache", "updatecache", "getlines"})
        yield


@pytest.fixture(autouse=True)
def _plain_log() -> None:
    """Log as the daemon does where nobody looks: plain lines, plain tracebacks. Anew for each test: a command configures it."""
    structlog.reset_defaults()
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()]
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Where nothing may be missing (CI), a test that skips for want of a peer fails."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and os.environ.get("OPSBOT_NO_SKIP") and "is missing" in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, but nothing may be missing here: {report.longrepr}"
