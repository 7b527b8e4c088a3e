"""The daemon's own log: to stderr, with every secret masked."""

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import structlog

from opsbot.core.redact import Redactor

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def set_up_logging(level: str, redactor: Callable[[], Redactor]) -> None:
    """Log to stderr: for people on a terminal, as one JSON object per line elsewhere.

    `redactor` is asked for each line, so that a reloaded configuration's secrets are masked too.
    """
    is_terminal = sys.stderr.isatty()

    def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:  # noqa: ANN401 - structlog's signature
        return {key: redactor().mask(value) if isinstance(value, str) else value for key, value in event.items()}

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(),
        mask,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if is_terminal else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    # Libraries log through the standard library: they get the same masking and the same form.
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    # aiohttp logs what it could not parse with the whole request, tokens included.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    # watchdog calls its own end an error; what a lost wake-up means, the source says itself.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    for noisy in ("aiohttp.access", "asyncio", "hpack", "grpclib"):
        logging.getLogger(noisy).setLevel(max(LEVELS[level], logging.WARNING))
