"""What our long-running processes have in common: how they log, and how they collect garbage."""

from __future__ import annotations

import gc
import sys

import structlog

_YOUNG_OBJECTS = 50_000
_GENERATIONS = (20, 100)


def configure_logging() -> None:
    """Log one JSON object a line to standard error.

    Tracebacks never show local variables: those are customers' data.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def settle_memory() -> None:
    """Call once everything is imported and made: what lives now lives on, so it is not looked through again.

    A batch makes thousands of objects that are no garbage; with the default thresholds, looking for cycles among
    them took a quarter of the writer's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *_GENERATIONS)
