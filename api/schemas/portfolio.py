"""All customers at a moment, and between two."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from api.schemas.base import Answer, Basis, ChangeKind
from api.schemas.views import Cause


class PortfolioBasis(Basis):
    """`content_sha256`: over the rows, one a line, as JSON with sorted keys and no blanks; of every format the same."""

    row_count: int
    content_sha256: str


class PortfolioPage(Answer):
    """Rows by column; null where a customer has no value. Of groups: what they have in common, then the measures.

    Sums and extremes are exact decimals, as text; null where there was no number.
    """

    items: list[dict[str, Any]]
    next_page_token: str | None
    basis: PortfolioBasis


class PortfolioMovement(Answer):
    """`from` and `to` are null where the customer is outside, or has no value; kinds are those of a Difference."""

    customer_id: UUID
    movement: Literal["ENTERED", "LEFT", "MOVED"]
    from_: Any = Field(alias="from")
    to: Any
    caused_by: list[Cause]
    effective_from: AwareDatetime | None
    kind: ChangeKind


class PortfolioMatrixCell(Answer):
    from_: Any = Field(alias="from")
    to: Any
    count: int


class PortfolioCounts(Answer):
    ENTERED: int
    LEFT: int
    MOVED: int


class PortfolioDifferences(Answer):
    """`matrix`: how many came from what to what, empty without a path; it and `counts` are of all pages."""

    items: list[PortfolioMovement]
    matrix: list[PortfolioMatrixCell]
    counts: PortfolioCounts
    next_page_token: str | None
    from_: Basis = Field(alias="from")
    to: Basis
