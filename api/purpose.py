"""The header Dossier-Purpose: why somebody reads. A code of the list, and optional words after a semicolon.

    Dossier-Purpose: CREDIT_REVIEW; annual review of the limit

What must stay true: what is not exactly that is refused; nothing that a terminal or a log could act on gets in.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from fastapi import Request

from api.errors import Problem
from domain.errors import FieldError
from domain.purposes import PurposeCode

HEADER: Final = "Dossier-Purpose"
MOST_CHARACTERS: Final = 300
_CODES: Final = frozenset(map(str, PurposeCode))

Stated = tuple[str, str | None]
"""A code and words."""


def purpose_of(request: Request) -> Stated | None:
    """What the request states; None when it states nothing. Raises Problem 422."""
    text = request.headers.get("dossier-purpose")
    return None if text is None else _read(text)


def purpose_required() -> Problem:
    return Problem(
        "purpose-required",
        422,
        "A purpose is required",
        "values of the class SENSITIVE are shown in clear to nobody who does not say what for",
        FieldError(HEADER, f"send one of {', '.join(PurposeCode)}, and more in your own words after a semicolon"),
    )


@lru_cache(maxsize=1024)
def _read(header: str) -> Stated:
    try:
        stated = header.encode("latin-1").decode("utf-8")  # a server takes every byte for a character
    except UnicodeError as error:
        raise _invalid("is not UTF-8") from error
    code, separator, words = stated.partition(";")
    code, words = code.strip(" "), words.strip(" ")
    if code not in _CODES:
        raise _invalid(f"begins with one of {', '.join(PurposeCode)}")
    if not words:
        if separator or code == PurposeCode.OTHER:
            raise _invalid("the purpose OTHER needs words after a semicolon" if not separator else "has no words")
        return code, None
    if len(words) > MOST_CHARACTERS:
        raise _invalid(f"has at most {MOST_CHARACTERS} characters after the semicolon")
    if not words.isprintable():
        raise _invalid("holds no control characters")
    return code, words


def _invalid(detail: str) -> Problem:
    field = FieldError(HEADER, detail)
    return Problem("invalid-purpose", 422, "The purpose is not valid", f"{HEADER}: {detail}", field)
