"""The body of a question about all customers, and the question that it makes.

What must stay true: everything that is misspelt is refused, with the nearest that there is; nothing is ignored.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Annotated, Any, Final, Self
from uuid import UUID

from fastapi import Request
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    StrictStr,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from api.epochs import read_position
from api.moments import Moment
from api.pages import DEFAULT_LIMIT, MOST_ITEMS
from api.parameters import LAST_POSITION
from domain.values import Instant, storable_json, storable_text
from projections.portfolio.errors import QuestionRefused
from projections.portfolio.paths import CUSTOMER_ID, Path, group_path_of, path_of
from projections.portfolio.query import MOST_VALUES, Condition, Grouping, Listing, Measure, MeasureKind, Operator, Sort

_MOST_CONDITIONS: Final = 50
_MOST_COLUMNS: Final = 50
_MOST_KEYS: Final = 5
_OPERATORS: Final = tuple(map(str, Operator))


def _known(read: Callable[[str], Path]) -> AfterValidator:
    def check(text: str) -> str:
        try:
            read(text)
        except QuestionRefused as error:
            raise PydanticCustomError("path", "{why}", {"why": str(error)}) from error
        return text

    return AfterValidator(check)


def _scalar(value: Any) -> Any:
    if isinstance(value, list | dict):
        raise PydanticCustomError("scalar", "text, a number, true, false or null is needed")
    return storable_json(value)


def _bound(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise PydanticCustomError("bound", "text or a number is needed")
    return storable_json(value)


Text = Annotated[StrictStr, Field(max_length=1000), AfterValidator(storable_text)]
_PathText = Annotated[Text, _known(path_of)]
GroupPath = Annotated[Text, _known(group_path_of)]
# Not unions: of a value that fits none, each of their members would say why.
_Scalar = Annotated[Any, AfterValidator(_scalar), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})]
_Bound = Annotated[Any, AfterValidator(_bound), WithJsonSchema({"type": ["string", "number"]})]


class BodyPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


class PortfolioCondition(BodyPart):
    """At least one operator; of several all must hold. A customer without a value there meets `exists` false alone.

    Text is ordered by its code points, numbers by size; values of different JSON types are never equal.
    """

    path: _PathText
    eq: _Scalar = None
    in_: list[_Scalar] = Field(default=[], alias="in", max_length=MOST_VALUES)
    exists: StrictBool = True
    gt: _Bound = ""
    ge: _Bound = ""
    lt: _Bound = ""
    le: _Bound = ""
    prefix: Text = ""

    @model_validator(mode="before")
    @classmethod
    def _names_operators(cls, content: Any) -> Any:
        stated = [str(name) for name in content if name != "path"] if isinstance(content, dict) else list(_OPERATORS)
        for name in stated:
            if name not in _OPERATORS:
                (near,) = get_close_matches(name, _OPERATORS, n=1, cutoff=0.0)
                raise PydanticCustomError(
                    "operator", "there is no operator {name}; {near}?", {"name": name, "near": near}
                )
        if not stated:
            raise PydanticCustomError("operator", "an operator is needed: {all}", {"all": ", ".join(_OPERATORS)})
        return content

    @model_validator(mode="after")
    def _fits_ids(self) -> Self:
        if self.path == CUSTOMER_ID:
            if not self.model_fields_set <= {"path", "eq", "in_"}:
                raise PydanticCustomError("operator", "of customer_id only eq and in can be asked")
            deque(self.conditions(), maxlen=0)  # which reads the ids
        return self

    def conditions(self) -> Iterator[Condition]:
        path = path_of(self.path)
        for operator in Operator:
            name = "in_" if operator is Operator.IN else operator.value
            if name in self.model_fields_set:
                operand = getattr(self, name)
                yield Condition(path, operator, _ids(operator, operand) if path.is_customer_id else operand)


def _ids(operator: Operator, operand: Any) -> Any:
    try:
        return [UUID(each) for each in operand] if operator is Operator.IN else UUID(operand)
    except (ValueError, TypeError, AttributeError) as error:
        raise PydanticCustomError("uuid", "customer_id is compared with UUIDs") from error


class PortfolioWhere(BodyPart):
    """`all`: every condition holds."""

    all: list[PortfolioCondition] = Field(default=[], max_length=_MOST_CONDITIONS)

    def conditions(self) -> tuple[Condition, ...]:
        return tuple(condition for stated in self.all for condition in stated.conditions())

    def asked_by(self) -> Iterator[tuple[str, Path]]:
        """What the conditions look at, with the place of each in the body."""
        return ((f"/where/all/{number}/path", path_of(stated.path)) for number, stated in enumerate(self.all))


class PortfolioSort(BodyPart):
    """Numbers come first, by size, then everything else by its text; customers without a value come last."""

    path: _PathText
    descending: StrictBool = False


class PortfolioMeasure(BodyPart):
    """One of: how many customers, or what comes of the numbers at a path (what is no number is left out)."""

    count: StrictBool | None = None
    sum: _PathText | None = None
    min: _PathText | None = None
    max: _PathText | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        stated = [name for name in MeasureKind if getattr(self, name) not in {None, False}]
        if len(stated) != 1:
            raise PydanticCustomError("measure", "say one of count, sum, min and max")
        return self

    def measure(self) -> Measure:
        (kind,) = (kind for kind in MeasureKind if getattr(self, kind) not in {None, False})
        return Measure(kind, None if kind is MeasureKind.COUNT else path_of(getattr(self, kind)))


_IN_AN_EPOCH: Final = re.compile(r"[0-9a-z-]{1,40}:[1-9][0-9]{0,17}", re.ASCII)


def _written(value: Any) -> int | str:
    if type(value) is int and 1 <= value <= LAST_POSITION:
        return value
    if isinstance(value, str) and _IN_AN_EPOCH.fullmatch(value):
        return value
    raise PydanticCustomError("position", "a whole number from 1 on is needed, or epoch:position")


WrittenPosition = Annotated[
    int | str,
    PlainValidator(
        _written,
        json_schema_input_type=Annotated[int, Field(ge=1, le=LAST_POSITION)]
        | Annotated[str, Field(pattern=f"^{_IN_AN_EPOCH.pattern}$")],
    ),
]
"""A position of the log: a number, or `epoch:position` as it was answered."""


def read_written(request: Request, pointer: str, written: int | str | None) -> int | None:
    """The position that a body names. Raises Problem 409 for one from beyond a fork."""
    return None if written is None else read_position(request, pointer, written)


class PortfolioQueryBody(BodyPart):
    """Which customers (`where`), as known and as valid when, and what of them: `columns`, or groups and measures.

    Of pages, everything but `page_token` and `limit` stays the same from one to the next.
    """

    known_at: Instant | None = None
    at_position: WrittenPosition | None = None
    valid_at: Instant | None = None
    where: PortfolioWhere = PortfolioWhere()
    columns: list[_PathText] = Field(default=[CUSTOMER_ID], max_length=_MOST_COLUMNS)
    sort: PortfolioSort | None = None
    group_by: list[GroupPath] = Field(default=[], max_length=_MOST_KEYS)
    measures: list[PortfolioMeasure] = Field(default=[], max_length=_MOST_KEYS)
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MOST_ITEMS)
    page_token: Text | None = None

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if self.known_at is not None and self.at_position is not None:
            raise PydanticCustomError("moment", "say what is known by known_at or by at_position, not by both")
        if self.is_grouping:
            for name in ("columns", "sort", "limit", "page_token"):
                if name in self.model_fields_set:
                    raise PydanticCustomError("grouping", "groups come whole: leave out {name}", {"name": name})
        return self

    @property
    def is_grouping(self) -> bool:
        return bool(self.group_by or self.measures)

    def asked_by(self) -> Iterator[tuple[str, Path]]:
        """By what it is filtered, sorted, grouped and measured, with the place of each in the body."""
        yield from self.where.asked_by()
        if self.sort is not None:
            yield "/sort/path", path_of(self.sort.path)
        yield from ((f"/group_by/{number}", path_of(text)) for number, text in enumerate(self.group_by))
        for number, stated in enumerate(self.measures):
            if (path := stated.measure().path) is not None:
                yield f"/measures/{number}", path

    def moment(self, request: Request) -> Moment:
        """Raises Problem 409 for a position from beyond a fork."""
        position = read_written(request, "/at_position", self.at_position)
        return Moment(self.known_at, self.valid_at, position, known_by="/known_at")

    def listing(self) -> Listing:
        """Its columns begin with the customer's id, each stands there once."""
        names = dict.fromkeys([CUSTOMER_ID, *self.columns])
        sort = Sort(path_of(self.sort.path), self.sort.descending) if self.sort else None
        return Listing(self.where.conditions(), tuple(map(path_of, names)), sort)

    def grouping(self) -> Grouping:
        measures = tuple(dict.fromkeys(each.measure() for each in self.measures)) or Grouping().measures
        return Grouping(self.where.conditions(), tuple(map(path_of, dict.fromkeys(self.group_by))), measures)
