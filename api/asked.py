"""What had been asked about many customers, as the read ledger keeps it: for good, so without what names somebody.

What must stay true: of values that customers were searched by only codes that describe many are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from api.portfolio_body import PortfolioQueryBody, PortfolioWhere
from api.portfolio_diff_body import PortfolioDiffBody
from domain.shown import highest_asked
from domain.slots import Sensitivity
from projections.portfolio.paths import path_of

_OF_MANY: Final = ("/tier/", "/owner/", "/tags/", "/customer_kind", "/file_state")
"""Paths whose values are codes or staff ids."""
_VALUE_SEGMENT: Final = 3
"""Of /identifiers/{scheme}/{value}."""
_MOST_VALUES: Final = 20


def without_value(path: str) -> str:
    """A path without the identifier that it may hold."""
    segments = path.split("/")
    if segments[1:2] == ["identifiers"] and len(segments) > _VALUE_SEGMENT:
        segments[_VALUE_SEGMENT] = "…"
    return "/".join(segments)


def question_of(body: PortfolioQueryBody | PortfolioDiffBody) -> dict[str, Any]:
    """The question, but for the page."""
    asked: dict[str, Any] = {"where": list(_conditions(body.where))}
    if isinstance(body, PortfolioDiffBody):
        return asked | ({} if body.path is None else {"path": without_value(body.path)})
    if body.is_grouping:
        asked["group_by"] = [without_value(path) for path in body.group_by]
        asked["measures"] = [measure.measure().name for measure in body.measures]
    else:
        asked["columns"] = [without_value(path) for path in body.columns]
        if body.sort is not None:
            asked["sort"] = without_value(body.sort.path)
    return asked


def highest_in_question(body: PortfolioQueryBody | PortfolioDiffBody) -> Sensitivity:
    """The highest class of values that the answer shows, or that customers are told apart by."""
    paths = [condition.path for condition in body.where.all]
    if isinstance(body, PortfolioDiffBody):
        paths += [] if body.path is None else [body.path]
    else:
        measured = (path for measure in body.measures for path in (measure.sum, measure.min, measure.max))
        paths += [*body.columns, *body.group_by, *filter(None, measured)]
        paths += [] if body.sort is None else [body.sort.path]
    return highest_asked(frozenset(slot for path in paths if (slot := path_of(path).slot)))


def _conditions(where: PortfolioWhere) -> Iterator[dict[str, Any]]:
    for condition in where.all:
        kept = condition.path.startswith(_OF_MANY)
        stated: dict[str, Any] = {"path": without_value(condition.path)}
        for operator in condition.model_fields_set - {"path"}:
            value = getattr(condition, operator)
            few = not isinstance(value, list) or len(value) <= _MOST_VALUES
            stated[operator.rstrip("_")] = value if kept and few else True
        yield stated
