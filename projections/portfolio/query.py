"""A question about all customers, as a value: which of them, what of them, in which order, or how many by what.

What must stay true: a question that can be made can be answered; what makes no sense is refused where it is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from projections.portfolio.paths import Path

MOST_VALUES: Final = 10_000
"""So many values one condition may list."""


class Operator(StrEnum):
    """How a condition looks at a value. Values of different JSON types are never equal, and in no order."""

    EQ = "eq"
    IN = "in"
    EXISTS = "exists"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"
    PREFIX = "prefix"


ORDERINGS: Final = {Operator.GT: ">", Operator.GE: ">=", Operator.LT: "<", Operator.LE: "<="}
"""Of numbers by size, of text by its code points."""


@dataclass(frozen=True, slots=True)
class Condition:
    """`operand`: a scalar of JSON; for IN a sequence of them; a flag for EXISTS; text or a number for an ordering.

    A customer without a value there meets none but EXISTS false. Of the customer's id only EQ and IN, with UUIDs.
    """

    path: Path
    operator: Operator
    operand: Any


@dataclass(frozen=True, slots=True)
class Sort:
    """By the value there: numbers first, by size, then the rest by its text; customers without one come last."""

    path: Path
    descending: bool = False


class MeasureKind(StrEnum):
    COUNT = "count"
    SUM = "sum"
    MIN = "min"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class Measure:
    """How many customers (`path` None), or what comes of the numbers there; what is no number is left out."""

    kind: MeasureKind
    path: Path | None = None

    @property
    def name(self) -> str:
        return self.kind.value if self.path is None else f"{self.kind.value}:{self.path.text}"


@dataclass(frozen=True, slots=True)
class Listing:
    """Customers that meet all conditions, in the order of their ids unless there is a `sort`, and what of each."""

    where: tuple[Condition, ...] = ()
    columns: tuple[Path, ...] = ()
    sort: Sort | None = None


@dataclass(frozen=True, slots=True)
class Grouping:
    """Customers that meet all conditions, by the values at `by`; one without a value there is in no group."""

    where: tuple[Condition, ...] = ()
    by: tuple[Path, ...] = ()
    measures: tuple[Measure, ...] = field(default=(Measure(MeasureKind.COUNT),))


@dataclass(frozen=True, slots=True)
class SortPlace:
    """Where a customer stands in a sorted list: whether it has a value, the value as number or text, its id."""

    is_missing: bool
    number: str
    text: str
    customer_id: UUID
