"""What statements are made of: relations that candidates come from, looks at each, and what is wanted of them.

What must stay true: text of a question only ever becomes a parameter. Conditions that an index finds in the order of
ids become relations, and the planner, who knows how many customers each leaves, starts from whichever leaves fewest;
all others are looks at one candidate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal, Placeholder

from db.queries import load
from projections.long_texts import long_json
from projections.portfolio.paths import Decided, Path
from projections.portfolio.query import ORDERINGS, Condition, Measure, MeasureKind, Operator, Sort, SortPlace

_QUERIES: Final = load("projections.portfolio", "portfolio.sql")
_CLASSIFIED: Final = {"/tier/": SQL("'/tier/%%'"), "/owner/": SQL("'/owner/%%'"), "/tags/": SQL("'/tags/%%'")}
"""The slots of facts_classified_idx, facts_known_from_idx and facts_known_until_idx."""
_CODED: Final = ("/tier/", "/owner/")
"""Those of them whose value is a code, or has no other member."""
_FEW_VALUES: Final = 16
"""Of so many values each is found in the order of ids, and these are merged."""


class Parts:
    """A statement while it is put together. `values`, and some `codes`, are those of slots that the relations bring."""

    def __init__(
        self, position: int, valid_at: datetime, *, one_by_one: bool = False, everyone: Composable | None = None
    ) -> None:
        self.params: dict[str, Any] = {"position": position, "valid_at": valid_at}
        self.values: dict[str, Composable] = {}
        self.codes: dict[str, Composable] = {}
        self._relations: list[Composable] = []
        self._conditions: list[Composable] = [SQL("true")]
        self._sources = 0
        self._one_by_one = one_by_one
        self._everyone = everyone or composed("everyone")
        self._first: dict[str, Composable] | None = None

    @property
    def relations(self) -> Composed:
        return SQL(" ").join(self._relations)

    @property
    def conditions(self) -> Composed:
        return SQL(" AND ").join(self._conditions)

    def put(self, value: Any) -> Placeholder:
        name = f"p{len(self.params)}"
        self.params[name] = value
        return Placeholder(name)

    def take_first(self, limit: int, after: UUID | None) -> None:
        """Nothing else is asked for, so of each value no more than a page is: to be said before `begin`."""
        # the planner does not see that what each value gives in order can be merged
        self._first = {"limit": self.put(limit), "after": self.put(after)}

    def require(self, conditions: Iterable[Composable]) -> None:
        self._conditions += conditions

    def begin(self, where: Sequence[Condition], or_from: Sequence[Path] = ()) -> None:
        """The candidates: from what indexes find, else from the slots of `or_from`, else everyone."""
        rest = []
        for condition in where:
            source = self._source(condition)
            if source is None:
                rest.append(condition)
            else:
                value = self._candidates(source, condition.path.slot)
                if condition.operator not in {Operator.EQ, Operator.IN}:
                    self.require([self._predicate(condition, self._member(value, condition.path.member))])
        if not self._sources:
            for path in or_from:
                self._candidates(self._slot(path.slot), path.slot)
                self.codes[path.slot] = SQL("c0.code")
        if not self._sources:
            self._candidates(self._everyone, None)
        self.require(self._look(condition) for condition in rest)

    def value(self, path: Path, *, optional: bool = False) -> Composable:
        """The value at a path, null if there is none; candidates without one are left out unless it is `optional`."""
        key = path.slot or path.text
        if key not in self.values:
            name = Identifier(f"k{len(self._relations)}")
            kind = SQL("LEFT JOIN" if optional else "JOIN")
            if is_classified(path.slot):
                found = self._slot(path.slot)
                relation = SQL("{} ({}) AS {} ON {}.customer_id = c0.customer_id").format(kind, found, name, name)
                self._relations.append(relation)
                self.codes[key] = SQL("{}.code").format(name)
            else:
                found = self._held(path, SQL("c0.customer_id"))
                self._relations.append(SQL("{} LATERAL ({}) AS {} ON true").format(kind, found, name))
            self.values[key] = SQL("{}.value").format(name)
        return self._member(self.values[key], path.member)

    def key(self, path: Path) -> Composable:
        """What to group by: the code, where it is brought along, as it says the same and is sooner compared."""
        value = self.value(path)
        if (
            path.slot in self.codes
            and path.slot.startswith(_CODED)
            and len(path.member) == path.slot.startswith("/tier/")
        ):
            return self.codes[path.slot]
        self.require([SQL("{} IS NOT NULL").format(value)])
        return value

    def sorted(self, sort: Sort) -> list[Composable]:
        """What to order by. What is missing comes last, whichever way."""
        if sort.path.is_customer_id:
            return [SQL("c0.customer_id")]
        value = self.value(sort.path, optional=True)
        missing = SQL("({} IS {} NULL)").format(value, SQL("NOT" if sort.descending else ""))
        is_number = SQL("coalesce(jsonb_typeof({}) = 'number', false)").format(value)
        number = SQL("CASE WHEN {} THEN ({})::numeric ELSE 'Infinity' END").format(is_number, value)
        text = SQL("CASE WHEN {} THEN '' ELSE coalesce({} #>> '{{}}', '') END").format(is_number, value)
        text = SQL("""({}) COLLATE "C" """).format(text)
        return [missing, number, text, SQL("c0.customer_id")]

    def behind(self, after: UUID | SortPlace | None, order: Sequence[Composable], sort: Sort | None) -> None:
        """Leave out all up to and with `after`."""
        sign = SQL("<" if sort and sort.descending else ">")
        if isinstance(after, UUID):
            # said of each relation: all are read in the order of ids
            self.require(
                SQL("{}.customer_id {} {}").format(Identifier(f"c{number}"), sign, self.put(after))
                for number in range(self._sources)
            )
        elif after is not None:
            place = (after.is_missing, after.number, after.text, after.customer_id)
            types = ("boolean", "numeric", "text", "uuid")
            given = [SQL("{}::{}").format(self.put(part), SQL(name)) for part, name in zip(place, types, strict=True)]
            self.require([SQL("({}) {} ({})").format(SQL(", ").join(order), sign, SQL(", ").join(given))])

    def described(self, columns: Sequence[Path], slots: Sequence[str]) -> list[Composable]:
        """Kind, state and slots of a customer of the page."""
        customer = SQL("page.customer_id")
        asked = {path.decided for path in columns}
        told: list[Composable] = [
            SQL("({})::text").format(SQL("({})").format(composed(_NAMES[decided], customer=customer)))
            if decided in asked
            else SQL("NULL")
            for decided in Decided
        ]
        shown = composed("shown", customer=customer, slots=self.put(list(slots))) if slots else SQL("NULL")
        return [*told, SQL("({})::text").format(shown)]

    def measured(self, measure: Measure) -> Composable:
        """Exact decimals, as text; null where no number was found."""
        if measure.path is None:
            return SQL("count(*)")
        value = self.value(measure.path, optional=True)
        number = SQL("CASE WHEN jsonb_typeof({}) = 'number' THEN ({})::numeric END").format(value, value)
        function = {MeasureKind.SUM: SQL("sum"), MeasureKind.MIN: SQL("min"), MeasureKind.MAX: SQL("max")}[measure.kind]
        return SQL("{}({})::text").format(function, number)

    def _candidates(self, source: Composable, slot: str | None) -> Composable:
        name = Identifier(f"c{self._sources}")
        relation = SQL("({}) AS {}").format(source, name)
        if self._sources:
            relation = SQL("JOIN {} ON {}.customer_id = c0.customer_id").format(relation, name)
        self._sources += 1
        self._relations.append(relation)
        value = SQL("{}.value").format(name)
        if slot is not None:
            self.values[slot] = value
        return value

    def _source(self, condition: Condition) -> Composable | None:
        """The relation that finds who meets a condition; None where it takes a look at each candidate."""
        path, operator = condition.path, condition.operator
        if path.slot.startswith("/addresses/") and path.member == ("region",) and operator is Operator.EQ:
            if isinstance(condition.operand, str):
                return composed("by_region", slot=self.put(path.slot), value=self.put(condition.operand))
            return None
        if not is_classified(path.slot) or (operator is Operator.EXISTS and not condition.operand):
            return None
        if operator is Operator.EQ or (operator is Operator.EXISTS and path.slot.startswith("/tags/")):
            return self._values(path, [condition.operand])  # a tag that is there is true
        if operator is Operator.IN:
            return self._values(path, condition.operand)
        return self._slot(path.slot)

    def _values(self, path: Path, operands: Sequence[Any]) -> Composable:
        slot, family = self.put(path.slot), family_of(path.slot)
        distinct = {(isinstance(operand, bool), operand): operand for operand in operands}.values()
        values = [_json(whole_value(path, operand)) for operand in distinct]
        if len(values) > _FEW_VALUES or not values:
            return composed("by_values", slot=slot, family=family, values=self.put(values))
        found = (composed("by_value", slot=slot, family=family, value=self.put(value)) for value in values)
        if len(values) == 1:
            return next(found)
        if self._first is not None:
            found = (composed("first", source=each, **self._first) for each in found)
        return SQL(" UNION ALL ").join(SQL("({})").format(each) for each in found)

    def _slot(self, slot: str) -> Composable:
        return composed("by_slot", slot=self.put(slot), family=family_of(slot))

    def _held(self, path: Path, customer: Composable) -> Composable:
        if path.decided is not None:
            return composed(_NAMES[path.decided], customer=customer)
        return composed("held", slot=self.put(path.slot), customer=customer)

    def _look(self, condition: Condition) -> Composable:
        path = condition.path
        if path.is_customer_id:
            ids = [condition.operand] if condition.operator is Operator.EQ else list(condition.operand)
            return SQL("c0.customer_id = ANY ({}::uuid[])").format(self.put(ids))
        value = self._member(SQL("held.own" if self._is_in_row(condition) else "held.value"), path.member)
        parts = {
            "held": self._held(path, SQL("c0.customer_id")),
            "predicate": self._predicate(condition, value),
        }
        negated = condition.operator is Operator.EXISTS and not condition.operand
        if self._one_by_one:
            return SQL("({}) IS {} NULL").format(composed("look", **parts), SQL("" if negated else "NOT"))
        return SQL("{} EXISTS ({})").format(SQL("NOT" if negated else ""), composed("look_at_all", **parts))

    def _is_in_row(self, condition: Condition) -> bool:
        """Whether no long text can meet the condition, so that rows are enough, and an index on what they say."""
        path, operand = condition.path, condition.operand
        if path.decided is not None:
            return False
        if path.member:
            return True
        if condition.operator not in {Operator.EQ, Operator.IN}:
            return False
        return not any(map(long_json, [operand] if condition.operator is Operator.EQ else operand))

    def _member(self, value: Composable, member: Sequence[str]) -> Composable:
        """A member of a value. By its name: in a list there is none."""
        for name in member:
            value = SQL("({} -> {}::text)").format(value, self.put(name))
        return value

    def _predicate(self, condition: Condition, value: Composable) -> Composable:
        """What the condition says of a value; of one that is there, for EXISTS of either kind."""
        operand, operator = condition.operand, condition.operator
        match operator:
            case Operator.EXISTS:
                return SQL("{} IS NOT NULL").format(value)
            case Operator.EQ:
                return SQL("{} = {}::jsonb").format(value, self.put(_json(operand)))
            case Operator.IN:
                return SQL("{} = ANY ({}::jsonb[])").format(value, self.put([_json(each) for each in operand]))
            case Operator.PREFIX:
                test = SQL("starts_with({} #>> '{{}}', {})").format(value, self.put(operand))
                return _of_type("string", value, test)
            case _ if isinstance(operand, str):
                text = SQL("""({} #>> '{{}}') COLLATE "C" """).format(value)
                return _of_type("string", value, _ordered(text, operator, self.put(operand)))
            case _:
                number = SQL("({})::numeric").format(value)
                bound = SQL("({}::jsonb)::numeric").format(self.put(_json(operand)))
                return _of_type("number", value, _ordered(number, operator, bound))


_NAMES: Final = {Decided.CUSTOMER_KIND: "customer_kind", Decided.FILE_STATE: "file_state"}


def family_of(slot: str) -> SQL:
    """What a classified slot begins with, as a constant that leads to an index of such slots."""
    return next(constant for begin, constant in _CLASSIFIED.items() if slot.startswith(begin))


def is_classified(slot: str) -> bool:
    return slot.startswith(tuple(_CLASSIFIED))


def whole_value(path: Path, operand: Any) -> Any:
    """The value of a slot whose member is `operand`: a tier has no other member than its code."""
    return {path.member[0]: operand} if path.member else operand


def _of_type(name: str, value: Composable, test: Composable) -> Composable:
    # a CASE, because a test of another type's value would end the statement
    return SQL("CASE WHEN jsonb_typeof({}) = {} THEN {} ELSE false END").format(value, Literal(name), test)


def _ordered(value: Composable, operator: Operator, bound: Composable) -> Composable:
    return SQL("{} {} {}").format(value, SQL(ORDERINGS[operator]), bound)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def composed(name: str, **parts: Composable) -> Composed:
    return SQL(_QUERIES[name]).format(**parts)
