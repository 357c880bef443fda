"""The body of a question about what changed in a segment, the question that it makes, and its page tokens.

A token pins both positions and both instants, and is good for one question.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

import orjson
from fastapi import Request
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api.encoding import time_text
from api.epochs import read_position, written_position
from api.moments import Moment
from api.pages import DEFAULT_LIMIT, MOST_ITEMS
from api.parameters import LAST_POSITION
from api.portfolio_body import BodyPart, GroupPath, PortfolioWhere, Text, WrittenPosition, read_written
from api.portfolio_pages import invalid_field, question_hash
from domain.values import Instant
from projections.basis import Basis
from projections.portfolio.movement import Movements
from projections.portfolio.paths import Path, path_of


class PortfolioPoint(BodyPart):
    """What is known, by an instant or a position, and the instant that is looked at; the latest unless it says more."""

    known_at: Instant | None = None
    at_position: WrittenPosition | None = None
    valid_at: Instant | None = None

    @model_validator(mode="after")
    def _says_once_what_is_known(self) -> Self:
        if self.known_at is not None and self.at_position is not None:
            raise PydanticCustomError("moment", "say what is known by known_at or by at_position, not by both")
        return self

    def moment(self, request: Request, name: str) -> Moment:
        """The moment of the point that the body calls `name`. Raises Problem 409 for one from beyond a fork."""
        position = read_written(request, f"/{name}/at_position", self.at_position)
        return Moment(self.known_at, self.valid_at, position, known_by=f"/{name}/known_at")


class PortfolioDiffBody(BodyPart):
    """Two points, the segment (`where`), and what is compared within it (`path`); without a path nobody moves.

    Of pages, everything but `page_token` and `limit` stays the same from one to the next.
    """

    from_: PortfolioPoint = Field(alias="from")
    to: PortfolioPoint = PortfolioPoint()
    where: PortfolioWhere = PortfolioWhere()
    path: GroupPath | None = None
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MOST_ITEMS)
    page_token: Text | None = None

    def asked_by(self) -> Iterator[tuple[str, Path]]:
        """What is looked at and compared, with the place of each in the body."""
        yield from self.where.asked_by()
        if self.path is not None:
            yield "/path", path_of(self.path)

    def movements(self) -> Movements:
        return Movements(self.where.conditions(), None if self.path is None else path_of(self.path))


class ContinuedDiff(NamedTuple):
    """A page that follows another: what both points of the first one came to, and whom the page begins behind."""

    left: Moment | Basis
    right: Moment | Basis
    after: UUID


def token_of(request: Request, body: PortfolioDiffBody, bases: tuple[Basis, Basis], after: UUID) -> str:
    points = [
        [written_position(request, basis.position), time_text(basis.valid_at), time_text(basis.known_at)]
        for basis in bases
    ]
    return urlsafe_b64encode(orjson.dumps([points, str(after), question_hash(body)])).decode()


def continued(request: Request, body: PortfolioDiffBody) -> ContinuedDiff | None:
    """Where the body's page_token leads; None on the first page. Raises Problem 422, or 409 from beyond a fork."""
    if body.page_token is None:
        return None
    try:
        (left, right), after, of_question = orjson.loads(urlsafe_b64decode(body.page_token.encode()))
        found = ContinuedDiff(_pinned(request, *left), _pinned(request, *right), UUID(after))
    except (ValueError, TypeError, AttributeError) as error:
        raise invalid_field("/page_token", "send next_page_token as it was answered") from error
    if of_question != question_hash(body):
        raise invalid_field("/page_token", "belongs to another query; keep the other fields as they were")
    return found


def _pinned(request: Request, written: Any, *instants: Any) -> Moment | Basis:
    valid_at, known_at = map(datetime.fromisoformat, instants)
    position = read_position(request, "/page_token", written)
    if not 0 <= position <= LAST_POSITION or None in {valid_at.tzinfo, known_at.tzinfo}:
        raise ValueError
    if not position:  # before everything: no position of the log stands for it
        return Basis(known_at, 0, valid_at, stable=False)
    return Moment(valid_at=valid_at, at_position=position)
