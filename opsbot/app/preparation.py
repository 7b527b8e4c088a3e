"""All that a configuration names is imported and loaded before anything runs."""

from opsbot.app.channels import import_adapters
from opsbot.app.scenes import Cast, access_of, cast_of
from opsbot.config.model import Configuration
from opsbot.core.access import Access
from opsbot.core.errors import Problem
from opsbot.loader import Loader


def prepare(configuration: Configuration, access: Access | None = None) -> Cast:
    """Import all that the configuration names, and load all operations. Blocking.

    Raises:
        ConfigError: the operations do not fit the configuration; nothing would run.
    """
    import_adapters(configuration)
    return cast_of(configuration, access or access_of(configuration), Loader(configuration.operation_dirs))


def verify(configuration: Configuration) -> tuple[Problem, ...]:
    """Give the problems of files of operations that cannot be loaded; see `prepare`."""
    return prepare(configuration).load_failures
