"""Query parameters, read strictly: a misspelt one must never bring the answer to another question.

What a route takes stands in its `openapi_extra` and nowhere else; anything besides is refused (422).
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from difflib import get_close_matches
from typing import Final

import orjson
from fastapi import Request
from pydantic import TypeAdapter, ValidationError

from api.errors import Problem
from domain.errors import FieldError
from domain.slots import kind_of
from domain.values import EARLIEST, LATEST, Instant, storable_json

LAST_POSITION: Final = 2**63 - 1
_INSTANT: Final = TypeAdapter(Instant)
_USUAL_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)", re.ASCII)
"""How nearly all instants are written, which Python reads as `Instant` does, in a tenth of the time."""

_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}


def invalid_parameter(name: str, detail: str) -> Problem:
    return Problem("invalid-parameter", 422, "A parameter is not valid", f"{name}: {detail}", FieldError(name, detail))


def require_known_parameters(request: Request) -> None:
    """Refuse parameters that the route does not have, that stand there twice, or that no text can hold."""
    if not request.scope["query_string"]:
        return
    known = request.scope["route"].parameter_names
    seen: set[str] = set()
    for name, text in request.query_params.multi_items():
        if name not in known:
            close = get_close_matches(name, known, n=1)
            raise invalid_parameter(name, f"there is no such parameter here{f'; {close[0]}?' if close else ''}")
        if name in seen:
            raise invalid_parameter(name, "stands there twice")
        if "\x00" in text:
            raise invalid_parameter(name, "text may not hold NUL")
        seen.add(name)


def instant(name: str, text: str) -> datetime:
    """A date (midnight in the business time zone) or an RFC 3339 time. Raises Problem 422."""
    if _USUAL_INSTANT.fullmatch(text):
        with suppress(ValueError):
            moment = datetime.fromisoformat(text)
            if EARLIEST <= moment < LATEST:
                return moment
    # An unescaped "+" of an offset arrives as a blank.
    try:
        return _INSTANT.validate_python(text.replace(" ", "+"))
    except ValidationError as error:
        raise invalid_parameter(name, "a date or an RFC 3339 time is needed, such as 2026-06-30") from error


def position(name: str, text: str) -> int:
    """A position of the log, or a version. Raises Problem 422."""
    return whole_number(name, text, LAST_POSITION)


def whole_number(name: str, text: str, most: int) -> int:
    """A number from 1 to `most`, in plain digits. Raises Problem 422."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if not is_number or not 1 <= int(text) <= most:
        raise invalid_parameter(name, f"a whole number from 1 to {most} is needed")
    return int(text)


def flag(request: Request, name: str) -> bool:
    """A switch that is off unless said otherwise. Raises Problem 422 for what is neither true nor false."""
    if not request.scope["query_string"]:
        return False
    text = request.query_params.get(name, "false")
    if text.lower() not in _FLAGS:
        raise invalid_parameter(name, "true or false")
    return _FLAGS[text.lower()]


def json_text(name: str, text: str) -> str:
    """A JSON value, as compact JSON. Raises Problem 422."""
    try:
        return orjson.dumps(storable_json(orjson.loads(text))).decode()
    except ValueError as error:
        raise invalid_parameter(
            name, 'a JSON value is needed, such as 1, true, null or "text" in its quotes'
        ) from error


def slot_path(name: str, text: str) -> str:
    """A slot, or what slots begin with: /tier/VALUE, /contacts. Raises Problem 422."""
    path = text.rstrip("/")
    # whatever lies below a group has the group's name in front, so a made-up last segment tells a group from nothing
    if not path.startswith("/") or not (_is_group(path) or kind_of(path)):
        raise invalid_parameter(name, "a slot is needed, or what slots begin with, such as /tier/VALUE or /contacts")
    return path


def _is_group(path: str) -> bool:
    return any(kind_of(path + below) is not None for below in ("/x", "/x/x", "/x/points/x"))
