"""Answers that are whole files: made on disk, in threads, and given away from their beginning to their end.

What must stay true: a file is whole before its first byte is sent, it is closed and with that gone however the answer
ends, and no room for it is an answer of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import IO, Any, Final, TypeVar

import structlog
from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from api.errors import Problem

_LOG: Final = structlog.get_logger("api")
_CHUNK_BYTES: Final = 256 * 1024
_COME_BACK: Final = "come back later"

Answer = TypeVar("Answer")


async def on_disk(work: Callable[..., Answer], *arguments: Any, instead: str = _COME_BACK) -> Answer:
    """Work on a temporary file, in a thread. Raises Problem 503 when there is no room for it, saying what to do."""
    try:
        return await asyncio.to_thread(work, *arguments)
    except OSError as error:
        _LOG.error("no temporary file", error=error.strerror or type(error).__name__)
        raise Problem(
            "no-room-for-answer",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "There is no room for the answer",
            f"it could not be written to a temporary file; {instead}",
        ) from error


async def send_more(send: Send, body: bytes) -> None:
    if body:
        await send({"type": "http.response.body", "body": body, "more_body": True})


class FileAnswer(Response):
    """A file from its beginning to its end, closed then."""

    def __init__(self, request: Request, file: IO[bytes], headers: Mapping[str, str]) -> None:
        super().__init__(None, HTTPStatus.OK, headers)
        self.headers["content-length"] = str(file.seek(0, 2))
        file.seek(0)
        self._request = request
        self._file = file

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        with self._file as file:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                await send_more(send, chunk)
                if await self._request.is_disconnected():
                    return
        await send({"type": "http.response.body", "body": b""})
