"""Whether a value meets a condition, for values at hand: what statement.py asks the database, said of one value."""

from __future__ import annotations

from typing import Any

from domain.facts import ABSENT, same_json
from projections.portfolio.paths import Path
from projections.portfolio.query import Condition, Operator


def meets(value: Any, condition: Condition) -> bool:
    """Whether the value of the condition's slot (ABSENT: there is none) meets it."""
    member, operand = member_of(value, condition.path), condition.operand
    match condition.operator:
        case Operator.EXISTS:
            return (member is not ABSENT) is operand
        case Operator.EQ:
            return same_json(member, operand)
        case Operator.IN:
            return any(same_json(member, each) for each in operand)
        case Operator.PREFIX:
            return isinstance(member, str) and member.startswith(operand)
        case ordering:
            return (
                _type(member) in {"text", "number"}
                and _type(member) == _type(operand)
                and _ordered(member, ordering, operand)
            )


def member_of(value: Any, path: Path) -> Any:
    """The member of a slot's value that the path means; ABSENT if there is none."""
    for name in path.member:
        value = value.get(name, ABSENT) if isinstance(value, dict) else ABSENT
    return value


def _type(value: Any) -> str | None:
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else None


def _ordered(value: Any, ordering: Operator, bound: Any) -> bool:
    match ordering:
        case Operator.GT:
            return bool(value > bound)
        case Operator.GE:
            return bool(value >= bound)
        case Operator.LT:
            return bool(value < bound)
        case _:
            return bool(value <= bound)
