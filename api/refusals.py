"""Problems of requests that never get to the application, and how they are sent: by the connection itself."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from api.encoding import to_json
from api.errors import MEDIA_TYPE, RETRY_AFTER_SECONDS, Problem, content_of

LONGEST_URL_BYTES: Final = 8 * 1024
LONGEST_HEAD_BYTES: Final = 32 * 1024
MOST_HEADERS: Final = 100


def malformed() -> Problem:
    return Problem("malformed-request", 400, "The request is not HTTP", "it cannot be read")


def url_too_long() -> Problem:
    return Problem("url-too-long", 414, "The URL is too long", f"at most {LONGEST_URL_BYTES} bytes are taken")


def head_too_large() -> Problem:
    detail = f"at most {MOST_HEADERS} headers and {LONGEST_HEAD_BYTES} bytes are taken"
    return Problem("head-too-large", 431, "The head of the request is too large", detail)


def too_slow(part: str) -> Problem:
    return Problem("request-timeout", 408, "The request takes too long", f"{part} has not come in time")


def overloaded(title: str) -> Problem:
    return Problem("overloaded", 503, title, "come back in a moment")


def too_much(what: str, seconds: int) -> Problem:
    detail = f"there were too many {what} in too short a time; come back in {seconds} s"
    return Problem("too-many-requests", 429, "You ask for too much", detail, retry_after=seconds)


def as_answer(problem: Problem, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    body = to_json(content_of(problem.slug, problem.status, problem.title, problem.detail))
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode()]
    lines += [name + b": " + value for name, value in default_headers]
    lines += [
        f"Content-Type: {MEDIA_TYPE}".encode(),
        f"Content-Length: {len(body)}".encode(),
        b"Cache-Control: no-store",
    ]
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        lines.append(f"Retry-After: {RETRY_AFTER_SECONDS}".encode())
    return b"\r\n".join([*lines, b"Connection: close", b"", body])
