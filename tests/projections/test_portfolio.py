"""Questions about all customers, against the oracle."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection

from domain.events import Payload, RecordedEvent
from domain.events.classification import (
    AttributeRecorded,
    AttributeRemoved,
    OwnerAssigned,
    OwnerRole,
    TagApplied,
    TagRemoved,
)
from domain.events.contacts import AddressChanged, AddressKind
from domain.events.lifecycle import CustomerKind, CustomerRegistered
from domain.slots import SLOTS, parent_of
from projections.portfolio.answers import Row, groups, page, whole
from projections.portfolio.errors import NotGroupable, PathUnknown
from projections.portfolio.members import MembersAsked, members
from projections.portfolio.paths import group_path_of, path_of
from projections.portfolio.query import Condition, Grouping, Listing, Measure, MeasureKind, Operator, Sort
from tests.make import Stream, at
from tests.oracle import portfolio
from tests.projections.files import registered, tier
from tests.projections.histories import LONG_TEXTS, instants_of, streams
from tests.projections.world import World

_ON_POSTGRES = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
_SCALARS: list[Any] = [None, True, False, 0, 1, 1.5, -3, 2**64 - 1, 1e300, "", "1", "a", "aß", "中", "100%", "\\_", '"']
_SCALARS += [*LONG_TEXTS, LONG_TEXTS[0] + "er"]
_VALUES = st.one_of(st.sampled_from(_SCALARS), st.sampled_from([[], {}, {"n": 1}, {"n": "1"}, {"n": {"m": None}}, [7]]))
_FACTS: st.SearchStrategy[Payload] = st.one_of(
    st.sampled_from([tier("HIGH_VALUE"), tier("ORDINARY"), tier("POTENTIAL")]),
    st.builds(
        OwnerAssigned, role=st.just(OwnerRole.ACCOUNT_MANAGER), to_staff=st.sampled_from(["u-1", "u-2", "经" * 100])
    ),
    st.builds(TagApplied, taxonomy_version=st.just(1), group=st.just("REGION"), code=st.just("SOUTH")),
    st.builds(TagRemoved, taxonomy_version=st.just(1), group=st.just("REGION"), code=st.just("SOUTH")),
    st.builds(
        AddressChanged,
        address_kind=st.just(AddressKind.REGISTERED),
        country=st.sampled_from(["CN", "DE"]),
        region=st.sampled_from([None, "CN-GD", "DE-BY"]),
    ),
    st.builds(AttributeRecorded, key=st.sampled_from(["a", "b/~c"]), value=_VALUES),
    st.builds(AttributeRemoved, key=st.sampled_from(["a", "b/~c"])),
)
_PATHS = [
    "/tier/VALUE/code",
    "/owner/ACCOUNT_MANAGER",
    "/tags/REGION/SOUTH",
    "/addresses/REGISTERED/region",
    "/addresses/REGISTERED/country",
    "/attributes/a",
    "/attributes/a/n",
    "/attributes/a/n/m",
    "/attributes/b~1~0c",
    "/customer_kind",
    "/file_state",
]
_OPERANDS: dict[str, list[Any]] = {
    "/tier/VALUE/code": ["HIGH_VALUE", "ORDINARY", "POTENTIAL", 1],
    "/owner/ACCOUNT_MANAGER": ["u-1", "u-2", "经" * 100, None],
    "/tags/REGION/SOUTH": [True, "true"],
    "/addresses/REGISTERED/region": ["CN-GD", "DE-BY", None],
    "/addresses/REGISTERED/country": ["CN", "DE"],
    "/customer_kind": ["ORGANISATION", "INDIVIDUAL"],
    "/file_state": ["LIVE", "ARCHIVED"],
}


@st.composite
def _conditions(draw: st.DrawFn) -> Condition:
    text = draw(st.sampled_from(_PATHS))
    asked = draw(st.sampled_from(list(Operator)))
    operands = _OPERANDS.get(text, _SCALARS)
    bounds = [value for value in operands if isinstance(value, str | int | float) and not isinstance(value, bool)]
    operand: Any
    match asked:
        case Operator.EQ:
            operand = draw(st.sampled_from(operands))
        case Operator.IN:
            operand = draw(st.lists(st.sampled_from(operands), max_size=3))
        case Operator.EXISTS:
            operand = draw(st.booleans())
        case Operator.PREFIX:
            operand = draw(st.sampled_from(["", "C", "CN", "u-", "1", "中", "%", "\\", "long", LONG_TEXTS[0]]))
        case _:
            operand = draw(st.sampled_from(bounds or ["x"]))
    return Condition(path_of(text), asked, operand)


_MISSING = object()


def _at(values: dict[str, Any], text: str) -> Any:
    """The value at a path, or _MISSING."""
    path = path_of(text)
    value = values.get(path.slot or text, _MISSING)
    for name in path.member:
        value = value.get(name, _MISSING) if isinstance(value, dict) else _MISSING
    return value


def _type(value: Any) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


_TESTS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: operator.eq,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.PREFIX: str.startswith,
}


def _meets(values: dict[str, Any], condition: Condition) -> bool:
    value, operand = _at(values, condition.path.text), condition.operand
    if condition.operator is Operator.EXISTS:
        return (value is not _MISSING) is operand
    if condition.operator is Operator.IN:
        return any(_type(value) == _type(each) and value == each for each in operand)
    return _type(value) == _type(operand) and _TESTS[condition.operator](value, operand)


def _shown(values: dict[str, Any], text: str) -> Any:
    value = _at(values, text)
    return None if value is _MISSING else value


def _told(rows: Sequence[Row], files: Sequence[Stream]) -> list[Row]:
    """The rows of these customers: others live in the same world."""
    ids = {str(stream.customer_id) for stream in files}
    return [row for row in rows if row[0] in ids]


def _known(files: Sequence[Stream], events: Sequence[RecordedEvent]) -> list[list[RecordedEvent]]:
    """What of each file is among the first events of all."""
    ids = {event.envelope.event_id for event in events}
    return [[event for event in stream.events if event.envelope.event_id in ids] for stream in files]


@st.composite
def _worlds(draw: st.DrawFn) -> tuple[list[Stream], list[RecordedEvent]]:
    """Some files, and all their events in the order in which they are recorded."""
    files = draw(st.lists(streams(8, _FACTS), min_size=1, max_size=4))
    turns = draw(st.permutations([number for number, stream in enumerate(files) for _ in stream.events]))
    remaining = [iter(stream.events) for stream in files]
    return files, [next(remaining[number]) for number in turns]


async def _walked(
    connection: AsyncConnection[Any], query: Listing, position: int, valid_at: datetime, limit: int
) -> list[Row]:
    rows: list[Row] = []
    after: Any = None
    while True:
        found = await page(connection, query, position, valid_at, limit=limit, after=after)
        rows += found.rows
        after = found.next_place
        if after is None:
            return rows


async def _streamed(connection: AsyncConnection[Any], query: Listing, position: int, valid_at: datetime) -> list[Row]:
    return [row async for some in whole(connection, query, position, valid_at) for row in some]


@_ON_POSTGRES
@given(world=_worlds(), data=st.data())
def test_a_portfolio_says_what_the_oracle_says(
    shared_world: World, world: tuple[list[Stream], list[RecordedEvent]], data: st.DataObject
) -> None:
    files, events = world
    begin = shared_world.sealed()
    shared_world.project(*events)
    assert shared_world.sealed() == begin + len(events)
    instants = sorted(set(instants_of(events)))
    points = st.tuples(st.integers(1, len(events)), st.sampled_from(instants))
    columns = tuple(map(path_of, ["customer_id", *_PATHS]))
    questions = data.draw(
        st.lists(st.tuples(points, st.lists(_conditions(), max_size=3), st.integers(1, 3)), min_size=1, max_size=6)
    )

    async def check(connection: AsyncConnection[Any]) -> None:
        for (known, valid_at), where, limit in questions:
            told = portfolio(_known(files, events[:known]), valid_at)
            expected = [
                [customer_id, *(_shown(values, text) for text in _PATHS)]
                for customer_id, values in sorted(told.items())
                if all(_meets(values, condition) for condition in where)
            ]
            query = Listing(tuple(where), columns)
            position = begin + known
            assert _told(await _walked(connection, query, position, valid_at, limit * 20), files) == expected
            assert _told(await _streamed(connection, query, position, valid_at), files) == expected
            own = Condition(path_of("customer_id"), Operator.IN, [stream.customer_id for stream in files])
            narrowed = Listing((own, *where), columns)
            assert await _walked(connection, narrowed, position, valid_at, limit) == expected

    shared_world.read(check)


@_ON_POSTGRES
@given(
    world=_worlds(),
    text=st.sampled_from(["/tier/VALUE/code", "/owner/ACCOUNT_MANAGER", "/tags/REGION/SOUTH"]),
    limit=st.integers(1, 3),
    data=st.data(),
)
def test_members_are_whom_a_page_lists(
    shared_world: World, world: tuple[list[Stream], list[RecordedEvent]], text: str, limit: int, data: st.DataObject
) -> None:
    _, events = world
    begin = shared_world.sealed()
    shared_world.project(*events)
    point = begin + data.draw(st.integers(1, len(events))), data.draw(st.sampled_from(sorted(set(instants_of(events)))))
    where = Condition(path_of(text), Operator.EQ, data.draw(st.sampled_from(_OPERANDS[text])))
    query = Listing((where,), (path_of("customer_id"), path_of(text)))

    async def check(connection: AsyncConnection[Any]) -> None:
        after: Any = None
        while True:
            told = await page(connection, query, *point, limit=limit, after=after)
            asked = MembersAsked.by(query, *point, limit=limit, after=after)
            assert asked is not None
            assert (await members(connection, [asked]))[asked] == [row[0] for row in told.rows]
            after = told.next_place
            if after is None:
                return

    shared_world.read(check)


def test_members_of_several_families_come_together(world: World) -> None:
    stream, other = registered(), registered()
    stream.add(tier("HIGH_VALUE"), at("2026-01-01"))
    other.add(OwnerAssigned(role=OwnerRole.ACCOUNT_MANAGER, to_staff="u-1"), at("2026-01-01"))
    world.project(*stream.events, *other.events)
    wanted = [("/tier/VALUE/code", "HIGH_VALUE"), ("/owner/ACCOUNT_MANAGER", "u-1"), ("/owner/ACCOUNT_MANAGER", "u-2")]
    queries = [Listing((Condition(path_of(text), Operator.EQ, value),)) for text, value in wanted]
    asked = [MembersAsked.by(query, 4, at("2026-02-01"), limit=5, after=None) for query in queries]
    assert None not in asked
    found = world.read(lambda connection: members(connection, [one for one in asked if one]))
    assert list(found.values()) == [[str(stream.customer_id)], [str(other.customer_id)], []]


@pytest.mark.parametrize(
    "query",
    [
        Listing(),
        Listing((Condition(path_of("/tier/VALUE/code"), Operator.EXISTS, True),)),
        Listing((Condition(path_of("/attributes/a"), Operator.EQ, 1),)),
        Listing((Condition(path_of("/tier/VALUE/code"), Operator.EQ, "X"),) * 2),
        Listing((Condition(path_of("/tier/VALUE/code"), Operator.EQ, "X"),), (path_of("/file_state"),)),
        Listing((Condition(path_of("/tier/VALUE/code"), Operator.EQ, "X"),), (), Sort(path_of("customer_id"))),
    ],
)
def test_what_takes_more_than_members_is_not_taken_for_it(query: Listing) -> None:
    assert MembersAsked.by(query, 1, at("2026-01-01"), limit=1, after=None) is None


def _sort_key(value: Any) -> tuple[Any, ...]:
    if value is _MISSING:
        return (2,)
    if _type(value) == "number":
        return (0, value)
    return (1, value if isinstance(value, str) else "")


@_ON_POSTGRES
@given(
    world=_worlds(),
    sort=st.builds(
        Sort,
        st.sampled_from(
            ["/tier/VALUE/code", "/attributes/a", "/owner/ACCOUNT_MANAGER", "/file_state", "customer_id"]
        ).map(path_of),
        st.booleans(),
    ),
    limit=st.integers(1, 3),
    data=st.data(),
)
def test_a_sorted_portfolio_is_whole_and_in_order_page_by_page(
    shared_world: World,
    world: tuple[list[Stream], list[RecordedEvent]],
    sort: Sort,
    limit: int,
    data: st.DataObject,
) -> None:
    files, events = world
    text, descending = sort.path.text, sort.descending
    shared_world.project(*events)
    valid_at = data.draw(st.sampled_from(sorted(set(instants_of(events)))))
    own = Condition(path_of("customer_id"), Operator.IN, [stream.customer_id for stream in files])
    query = Listing((own,), (path_of("customer_id"), sort.path), sort)
    position = shared_world.sealed()
    rows = shared_world.read(lambda connection: _walked(connection, query, position, valid_at, limit))
    told = portfolio([stream.events for stream in files], valid_at)
    assert sorted(row[0] for row in rows) == sorted(told)
    assert [row[0] for row in rows] == [
        row[0] for row in shared_world.read(lambda connection: _streamed(connection, query, position, valid_at))
    ]
    if text != "/attributes/a":
        values = {customer_id: _at({**found, "customer_id": customer_id}, text) for customer_id, found in told.items()}
        values = {key: key if text == "customer_id" else value for key, value in values.items()}
        there = [row[0] for row in rows if values[row[0]] is not _MISSING]
        assert there == sorted(there, key=lambda key: (values[key], key), reverse=descending)
        assert all(values[row[0]] is _MISSING for row in rows[len(there) :])
    else:
        kinds = [_sort_key(_at(told[row[0]], text))[0] for row in rows if _at(told[row[0]], text) is not _MISSING]
        assert kinds == sorted(kinds, reverse=descending)


@_ON_POSTGRES
@given(
    world=_worlds(),
    where=st.lists(_conditions(), max_size=2),
    texts=st.lists(st.sampled_from(_PATHS), max_size=3, unique=True),
    data=st.data(),
)
def test_groups_are_those_of_the_listed_customers(
    shared_world: World,
    world: tuple[list[Stream], list[RecordedEvent]],
    where: list[Condition],
    texts: list[str],
    data: st.DataObject,
) -> None:
    files, events = world
    begin = shared_world.sealed()
    shared_world.project(*events)
    known, instants = data.draw(st.integers(1, len(events))), sorted(set(instants_of(events)))
    valid_at = data.draw(st.sampled_from(instants))
    own = Condition(path_of("customer_id"), Operator.IN, [stream.customer_id for stream in files])
    number = path_of("/attributes/a")
    measures = (
        Measure(MeasureKind.COUNT),
        Measure(MeasureKind.SUM, number),
        Measure(MeasureKind.MIN, number),
        Measure(MeasureKind.MAX, number),
    )
    query = Grouping((own, *where), tuple(map(path_of, texts)), measures)
    rows = shared_world.read(lambda connection: groups(connection, query, begin + known, valid_at, most=100))
    told = portfolio(_known(files, events[:known]), valid_at)
    members: dict[bytes, list[dict[str, Any]]] = {}
    for values in told.values():
        keys = [_at(values, text) for text in texts]
        if _MISSING not in keys and all(_meets(values, condition) for condition in where):
            members.setdefault(_canonical(keys), []).append(values)
    found = {_canonical(row[: len(texts)]): row[len(texts) :] for row in rows if texts or row[0]}
    assert found.keys() == members.keys()
    assert [_canonical(row[: len(texts)]) for row in rows] == sorted(_canonical(row[: len(texts)]) for row in rows)
    for key, some in members.items():
        numbers = [float(value) for each in some if _type(value := _at(each, "/attributes/a")) == "number"]
        count, *figures = found[key]
        assert count == len(some)
        assert [figure is None for figure in figures] == [not numbers] * 3
        if numbers:
            told_figures = [math.fsum(numbers), min(numbers), max(numbers)]
            assert all(math.isclose(float(figure), told) for figure, told in zip(figures, told_figures, strict=True))


def _canonical(keys: Sequence[Any]) -> bytes:
    return orjson.dumps(list(keys), option=orjson.OPT_SORT_KEYS)


def test_what_begins_later_is_in_no_portfolio_of_before(world: World) -> None:
    stream, empty = Stream(), registered()
    stream.add(CustomerRegistered(customer_kind=CustomerKind.ORGANISATION))
    stream.add(tier("HIGH_VALUE"), at("2026-03-01"))
    world.project(*stream.events, *empty.events)
    query = Listing((), (path_of("customer_id"),))

    def found(position: int, valid_at: datetime) -> list[str]:
        rows = world.read(lambda connection: page(connection, query, position, valid_at, limit=10)).rows
        return [row[0] for row in rows]

    assert found(2, at("2026-02-28")) == []
    assert found(2, at("2026-03-01")) == [str(stream.customer_id)]
    assert found(1, at("2026-02-28")) == [str(stream.customer_id)]  # nothing is said of it that would begin
    assert found(3, at("2026-02-28")) == [str(empty.customer_id)]
    assert found(0, at("2026-03-01")) == []


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("/teir/VALUE/code", "/tier/VALUE/code"),
        ("/tier/VALU/code", "/tier/VALUE/code"),
        ("/tier/VALUE/cod", "/tier/VALUE/code"),
        ("/tier/VALUE/code/x", "/tier/VALUE/code"),
        ("/identity/legal_nme", "/identity/legal_name"),
        ("/owner/ACCOUNT_MANGER", "/owner/ACCOUNT_MANAGER"),
        ("/tags/REGION/SOUHT", "/tags/REGION/SOUTH"),
        ("/addresses/REGISTERED/regoin", "/addresses/REGISTERED/region"),
        ("/addresses/REGISTERED/lines", "/addresses/REGISTERED"),
        ("/attribute/size", "/attributes/size"),
        ("/customer_kin", "/customer_kind"),
        ("customerid", "customer_id"),
        ("/contacts/0198c0de-0000-7000-8000-000000000001/name", None),
        ("", None),
        ("/", None),
    ],
)
def test_an_unknown_path_is_refused_by_the_nearest(text: str, nearest: str | None) -> None:
    with pytest.raises(PathUnknown) as caught:
        path_of(text)
    assert path_of(caught.value.nearest).text == caught.value.nearest
    if nearest is not None and not nearest.endswith("REGISTERED"):
        assert caught.value.nearest == nearest


@pytest.mark.parametrize("text", ["customer_id", "/identity/legal_name", "/identifiers/LEI/X", "/primary_contact"])
def test_free_text_and_ids_form_no_groups(text: str) -> None:
    with pytest.raises(NotGroupable):
        group_path_of(text)


def test_no_slot_that_may_be_asked_for_needs_another_to_show() -> None:
    """What a look at the slot alone decides would otherwise show below what is gone."""
    assert [kind.pattern for kind in SLOTS if kind.portfolio is not None and parent_of(kind.pattern)] == []
