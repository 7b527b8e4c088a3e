"""`load`: a path becomes a Configuration, or a list of everything that is wrong with it."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from opsbot.config.model import Configuration
from opsbot.config.problem import configuration_problems
from opsbot.config.read import read
from opsbot.config.reference import reference_problems
from opsbot.core.errors import ConfigError


def load(path: Path, environ: Mapping[str, str] | None = None) -> Configuration:
    """Read, complete and check a configuration file; `environ` stands in for the environment.

    Raises:
        ConfigError: with every problem there is, in the order of the file.
    """
    reading = read(path, os.environ if environ is None else environ)
    document = reading.document
    found = []
    configuration = None
    try:
        configuration = Configuration.model_validate(document.values, context=document)
    except ValidationError as error:
        found += configuration_problems(document, error)
    found += reference_problems(document)
    problems = [*reading.problems, *found]
    if problems or configuration is None:
        raise ConfigError(*sorted(dict.fromkeys(problems), key=lambda problem: (problem.line, problem.key))) from None
    return configuration
