"""Where the next page of a portfolio begins, as a token: pinned to one position and instant, good for one question."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import astuple
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from fastapi import Request
from pydantic import BaseModel

from api.encoding import time_text, to_sorted_json
from api.epochs import read_position, written_position
from api.errors import Problem
from api.parameters import LAST_POSITION
from api.portfolio_body import PortfolioQueryBody
from domain.errors import FieldError
from domain.values import storable_text
from projections.basis import Basis
from projections.portfolio.query import SortPlace

_NOT_PART_OF_QUESTION: Final = {"page_token", "limit"}


class Continued(NamedTuple):
    """A page that follows another."""

    position: int
    valid_at: datetime
    place: UUID | SortPlace


def invalid_field(pointer: str, detail: str) -> Problem:
    return Problem("invalid-body", 422, "A field is not valid", f"{pointer}: {detail}", FieldError(pointer, detail))


def token_of(request: Request, body: PortfolioQueryBody, basis: Basis, place: UUID | SortPlace) -> str:
    key = [str(place)] if isinstance(place, UUID) else [str(part) for part in astuple(place)]
    content = [written_position(request, basis.position), time_text(basis.valid_at), key, question_hash(body)]
    return urlsafe_b64encode(orjson.dumps(content)).decode()


def continued(request: Request, body: PortfolioQueryBody) -> Continued | None:
    """Where the body's page_token leads; None on the first page. Raises Problem 422, or 409 from beyond a fork."""
    if body.page_token is None:
        return None
    try:
        position, valid_at, key, fingerprint = orjson.loads(urlsafe_b64decode(body.page_token.encode()))
        known = read_position(request, "/page_token", position)
        found = Continued(known, datetime.fromisoformat(valid_at), _place(key))
        is_possible = 1 <= found.position <= LAST_POSITION and found.valid_at.tzinfo is not None
    except (ValueError, TypeError, InvalidOperation) as error:
        raise invalid_field("/page_token", "send next_page_token as it was answered") from error
    if not is_possible or fingerprint != question_hash(body):
        raise invalid_field("/page_token", "belongs to another query; keep the other fields as they were")
    return found


def _place(key: Any) -> UUID | SortPlace:
    if len(key) == 1:
        return UUID(key[0])
    is_missing, number, text, customer_id = key
    return SortPlace(is_missing == "True", str(Decimal(number)), storable_text(text), UUID(customer_id))


def question_hash(body: BaseModel) -> str:
    """What the pages of one question have in common."""
    stated = body.model_dump(mode="json", exclude=_NOT_PART_OF_QUESTION, exclude_unset=True)
    return hashlib.sha256(to_sorted_json(stated)).hexdigest()[:16]
