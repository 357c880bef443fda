"""How our long-running processes log: one JSON object a line, to standard error, and never failing by it.

What others log by the standard library comes out in the same form. What must stay true: no line shows what a customer's
file holds, or a secret. An error is told by its kind, its place and the server's code for it: its message can quote the
values that it is about, as those of drivers and validators do, and so can the local variables of a traceback.
"""

from __future__ import annotations

import io
import logging
import os
import select
import sys
import traceback
from collections.abc import MutableMapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, TextIO, cast

import structlog
from psycopg.errors import PipelineAborted

from api.trace_context import REQUEST_ID

_MOST_FRAMES: Final = 30
_PATIENCE_MILLISECONDS: Final = 20
_ErrorInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def configure_logging() -> None:
    """Log one JSON object a line to standard error; never fail by it."""
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_request,
        _without_messages,
    ]
    structlog.configure(
        processors=[*processors, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", StandardError())),
    )
    handler = logging.StreamHandler(cast("TextIO", StandardError()))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.getLogger().handlers = [handler]
    logging.getLogger("psycopg").addFilter(_is_news)
    sys.excepthook = _log_uncaught


class StandardError(io.TextIOBase):
    """Standard error for a log whose lines may be lost.

    It may lead to a file on the disk that is full, or to a reader that is gone. Where an outage is logged is just where
    nothing else may go wrong: the writer thread would end by it, or wait for a reader that reads no more.
    """

    def write(self, text: str) -> int:
        with suppress(OSError):
            out = select.poll()
            out.register(sys.stderr.fileno(), select.POLLOUT)
            if out.poll(_PATIENCE_MILLISECONDS):
                os.write(sys.stderr.fileno(), text.encode())
        return len(text)


def write_patiently(lines: bytes) -> None:
    """Write to standard error, waiting for it; for a thread that has nothing else to do."""
    with suppress(OSError):
        os.write(sys.stderr.fileno(), lines)


def _log_uncaught(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
    structlog.get_logger("cli").critical("the process ends by an error", exc_info=(kind, error, frames))


def _is_news(record: logging.LogRecord) -> bool:
    """False for "pipeline aborted": another worker came first, the batch is decided anew, and nothing is wrong."""
    said = record.args if isinstance(record.args, tuple) else ()
    return not any(isinstance(each, PipelineAborted) for each in said)


def _with_request(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Which request it was logged for, if any."""
    if (request_id := REQUEST_ID.get()) is not None:
        line.setdefault("request_id", request_id)
    return line


def _without_messages(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The error of a line: what kind, the database's code, and where; and what kind of error each cause was."""
    said = line.pop("exc_info", None)
    info = sys.exc_info() if said is True else said
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if info and info[1] is not None:
        line["exception"] = _told(cast("_ErrorInfo", info))
    return line


def _told(info: _ErrorInfo) -> list[dict[str, Any]]:
    """The error and what it came of, the newest first."""
    told: list[dict[str, Any]] = []
    error: BaseException | None = info[1]
    while error is not None and len(told) < _MOST_FRAMES:
        frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
        one: dict[str, Any] = {
            "kind": f"{type(error).__module__}.{type(error).__qualname__}",
            "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        }
        if (state := getattr(error, "sqlstate", None)) is not None:
            one["sqlstate"] = state
        told.append(one)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return told
