"""How many files may be open."""

import resource
from collections.abc import Iterator

import pytest

from opsbot.adapters.sources.file.descriptor import raise_limit


@pytest.fixture(autouse=True)
def _same_limits_afterwards() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_soft_limit_is_raised_to_the_hard_one() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    raise_limit()

    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (wanted, hard)


def test_limit_that_is_high_already_is_left_alone() -> None:
    raise_limit()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_limit()

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
