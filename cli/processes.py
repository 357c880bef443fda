"""What our long-running processes have in common: how they log, how many files they open, how they collect garbage."""

from __future__ import annotations

import gc
import io
import logging
import os
import resource
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog
from psycopg.errors import PipelineAborted

_YOUNG_OBJECTS = 50_000
_GENERATIONS = (20, 100)


def configure_logging() -> None:
    """Log one JSON object a line to standard error; never fail by it.

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
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _StandardError())),
    )
    logging.getLogger("psycopg").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """False for "pipeline aborted": another worker came first, the batch is decided anew, and nothing is wrong."""
    said = record.args if isinstance(record.args, tuple) else ()
    return not any(isinstance(each, PipelineAborted) for each in said)


def allow_many_files() -> None:
    """Let this process open as many files as it may: a connection is one, and the usual soft limit is 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # where "no limit" is refused as a number, the soft one stays
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def settle_memory() -> None:
    """Call once everything is imported and made: what lives now lives on, so it is not looked through again.

    A batch makes thousands of objects that are no garbage; with the default thresholds, looking for cycles among
    them took a quarter of the writer's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *_GENERATIONS)


class _StandardError(io.TextIOBase):
    """Standard error for a log whose lines may be lost.

    It may lead to a file on the disk that is full, or to a reader that is gone. Where an outage is logged is just where
    nothing else may go wrong: the writer thread would end by it.
    """

    def write(self, text: str) -> int:
        with suppress(OSError):
            os.write(sys.stderr.fileno(), text.encode())
        return len(text)
