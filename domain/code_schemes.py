"""Code schemes: versioned lists from domain/schemes/*.toml, read once.

A code is judged by the edition of its scheme that is valid at the fact's effective time (rule I23), so that
past values are read with the list of their day.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from domain.errors import FieldError, UnknownCode
from domain.values import BUSINESS_TIMEZONE


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition of a scheme, valid from `since` until the next one. Codes from the lowest to the highest."""

    version: int
    since: date
    codes: tuple[str, ...]


def tier_edition(scheme: str, at: datetime, field: str = "/scheme") -> Edition:
    """The edition of a tier scheme valid at `at`; UnknownCode names `field` if there is no such scheme."""
    return _edition("tiers", scheme, at, field)


def tag_edition(group: str, at: datetime, field: str = "/group") -> Edition:
    return _edition("tags", group, at, field)


def tier_schemes() -> tuple[str, ...]:
    return tuple(_schemes("tiers"))


@cache
def tier_codes() -> frozenset[str]:
    """Every code of any edition of any tier scheme."""
    return frozenset(code for editions in _schemes("tiers").values() for edition in editions for code in edition.codes)


def tags() -> tuple[tuple[str, str], ...]:
    """Group and code of every tag of any edition."""
    return tuple(
        (group, code)
        for group, editions in _schemes("tags").items()
        for code in dict.fromkeys(code for edition in editions for code in edition.codes)
    )


def require_code(edition: Edition, code: str, field: str) -> None:
    """UnknownCode, with the closest match, unless `code` stands in `edition`."""
    if code not in edition.codes:
        raise UnknownCode(f"{code} is not in the list", FieldError(field, _hint(code, edition.codes)))


def _edition(table: str, scheme: str, at: datetime, field: str) -> Edition:
    editions = _schemes(table).get(scheme)
    if editions is None:
        raise UnknownCode(f"there is no {scheme}", FieldError(field, _hint(scheme, tuple(_schemes(table)))))
    day = at.astimezone(BUSINESS_TIMEZONE).date()
    return next((edition for edition in reversed(editions) if edition.since <= day), editions[0])


def _hint(code: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(code, known, n=1)
    return f"did you mean {close[0]}?" if close else f"one of {', '.join(known)}"


@cache
def _schemes(table: str) -> dict[str, tuple[Edition, ...]]:
    return {
        scheme: tuple(Edition(entry["version"], entry["from"], tuple(entry["codes"])) for entry in entries)
        for scheme, entries in _read(table).items()
    }


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files("domain") / "schemes" / f"{name}.toml").read_text(encoding="utf-8"))
