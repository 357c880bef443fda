"""Who entered, left or moved between two points, and why: against the oracle, and against the diff of one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection

from domain.events import RecordedEvent
from domain.events.classification import OwnerAssigned, OwnerRole
from domain.events.lifecycle import ArchiveReason, CustomerArchived, CustomerKind, CustomerRegistered
from projections.causes import Point
from projections.diff import diff
from projections.portfolio.movement import Cell, Moved, Movements, movements
from projections.portfolio.movement_causes import explain
from projections.portfolio.paths import path_of
from projections.portfolio.query import Condition, Operator
from tests.make import Stream, at
from tests.oracle import holders, portfolio
from tests.projections.files import registered, tier
from tests.projections.histories import instants_of
from tests.projections.test_portfolio import _MISSING, _PATHS, _at, _conditions, _known, _meets, _worlds
from tests.projections.world import World

_ON_POSTGRES = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
_TIER = path_of("/tier/VALUE/code")
_OTHER_WAY = {"ENTERED": "LEFT", "LEFT": "ENTERED", "MOVED": "MOVED"}
Item = dict[str, Any]


async def _asked(
    connection: AsyncConnection[Any], question: Movements, left: Point, right: Point, limit: int = 10_000
) -> tuple[list[Item], list[Cell]]:
    """All movements, explained, page by page; and all counted."""
    items: list[Item] = []
    after, cells = None, None
    while True:
        found = await movements(connection, question, left, right, limit=limit, after=after, most=1000)
        assert cells is None or _counted(found.cells) == _counted(cells)
        cells = found.cells
        told = await explain(connection, question, left, right, found.moved)
        items += [_item(moved, why) for moved, why in zip(found.moved, told, strict=True)]
        if len(found.moved) < limit:
            return items, cells
        after = found.moved[-1].customer_id


def _item(moved: Moved, why: Item) -> Item:
    ends = {"from": moved.before, "to": moved.after}
    return {"customer_id": str(moved.customer_id), "movement": moved.movement, **ends, **why}


def _counted(cells: Sequence[Cell]) -> Counter[bytes]:
    counts: Counter[bytes] = Counter()
    for cell in cells:
        counts[_key(cell.movement, cell.before, cell.after)] += cell.count
    return counts


def _key(*parts: Any) -> bytes:
    return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)


def _ends(item: Item) -> tuple[str, str, Any, Any]:
    return (item["customer_id"], item["movement"], item["from"], item["to"])


def _expected(
    question: Movements, before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]
) -> list[tuple[str, str, Any, Any]]:
    members = [
        {
            customer_id: _at(values, question.path.text) if question.path else _MISSING
            for customer_id, values in side.items()
            if all(_meets(values, condition) for condition in question.where)
        }
        for side in (before, after)
    ]
    rows: list[tuple[str, str, Any, Any]] = []
    for customer_id in sorted({*members[0], *members[1]}):
        was, becomes = (side.get(customer_id, _MISSING) for side in members)
        inside = [customer_id in side for side in members]
        if all(inside) and (was is becomes or (_MISSING not in (was, becomes) and _same(was, becomes))):
            continue
        movement = "MOVED" if all(inside) else "LEFT" if inside[0] else "ENTERED"
        ends = [None if value is _MISSING else value for value in (was, becomes)]
        rows.append((customer_id, movement, ends[0], ends[1]))
    return rows


def _same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


@_ON_POSTGRES
@given(
    world=_worlds(),
    question=st.builds(
        Movements,
        st.lists(_conditions(), max_size=2).map(tuple),
        st.none() | st.sampled_from(_PATHS).map(path_of),
    ),
    limit=st.integers(1, 3),
    data=st.data(),
)
def test_who_moves_is_who_the_oracle_says(
    shared_world: World,
    world: tuple[list[Stream], list[RecordedEvent]],
    question: Movements,
    limit: int,
    data: st.DataObject,
) -> None:
    files, events = world
    begin = shared_world.sealed()
    shared_world.project(*events)
    instants = sorted(set(instants_of(events)))
    known, valid = st.integers(0, len(events)), st.sampled_from(instants)
    (left, right) = data.draw(
        st.one_of(
            st.tuples(st.tuples(known, valid), st.tuples(known, valid)),
            st.tuples(known, known, valid).map(lambda drawn: ((drawn[0], drawn[2]), (drawn[1], drawn[2]))),
            st.tuples(known, valid, valid).map(lambda drawn: ((drawn[0], drawn[1]), (drawn[0], drawn[2]))),
        )
    )
    told = [portfolio(_known(files, events[:place]), valid_at) for place, valid_at in (left, right)]
    own = Condition(path_of("customer_id"), Operator.IN, [stream.customer_id for stream in files])
    narrowed = Movements((own, *question.where), question.path)
    expected = _expected(question, *told)
    ids = {str(stream.customer_id) for stream in files}
    points = (Point(begin + left[0], left[1]), Point(begin + right[0], right[1]))

    async def check(connection: AsyncConnection[Any]) -> None:
        items, _ = await _asked(connection, question, *points)
        own_items = [item for item in items if item["customer_id"] in ids]
        assert [_ends(item) for item in own_items] == expected
        walked, cells = await _asked(connection, narrowed, *points, limit)
        assert walked == own_items
        assert _counted(cells) == Counter(_key(*row[1:]) for row in expected)
        back, _ = await _asked(connection, narrowed, points[1], points[0])
        for item, other in zip(own_items, back, strict=True):
            assert item["caused_by"]
            swapped = {"movement": _OTHER_WAY[item["movement"]], "from": item["to"], "to": item["from"]}
            assert other == item | swapped
            await _check_as_one_file(connection, question, item, points)
            _check_news(question, item, events, points, begin)

    shared_world.read(check)


async def _check_as_one_file(
    connection: AsyncConnection[Any], question: Movements, item: Item, points: tuple[Point, Point]
) -> None:
    """Who moved has the causes that the diff of the one file names."""
    if item["movement"] == "MOVED" and question.path is not None and question.path.slot:
        slot = question.path.slot
        stream = await diff(connection, UUID(item["customer_id"]), *points)
        of_slot = [change for change in stream if change["path"] == slot or change["path"].startswith(slot + "/")]
        for name in ("caused_by", "kind", "effective_from"):
            assert {_key(change[name]) for change in of_slot} == {_key(item[name])}


def _check_news(
    question: Movements, item: Item, events: Sequence[RecordedEvent], points: tuple[Point, Point], begin: int
) -> None:
    """Where what is there at the later point is news, it is the cause, of the kind that its envelope says."""
    slots = [question.path.slot] if item["movement"] == "MOVED" and question.path else question.slots
    if len(slots) != 1 or not slots[0] or (item["movement"] != "MOVED" and question.is_of_existence):
        return
    if item["movement"] != "MOVED" and len({each.path.text for each in question.where}) != 1:
        return
    earlier, later = sorted(points)
    known = [
        event for event in events[: later.position - begin] if str(event.envelope.customer_id) == item["customer_id"]
    ]
    holder = holders(known, later.valid_at).get(slots[0])
    if holder is None:
        return
    envelope, is_new = holder.envelope, begin + events.index(holder) + 1 > earlier.position
    start = envelope.effective_from
    assert start is not None
    if not is_new and start <= earlier.valid_at:
        return
    assert [cause["version"] for cause in item["caused_by"]] == [envelope.version]
    if envelope.corrects or envelope.retracts:
        assert item["kind"] == "CORRECTION"
    else:
        assert item["kind"] == ("LATE" if is_new and start < earlier.valid_at else "CHANGE")


def _found(
    world: World, where: Sequence[Condition], left: tuple[int, str], right: tuple[int, str], path: Any = None
) -> list[Item]:
    points = (Point(left[0], at(left[1])), Point(right[0], at(right[1])))
    question = Movements(tuple(where), path)
    return world.read(lambda connection: _asked(connection, question, *points))[0]


def _told(items: Sequence[Item]) -> list[tuple[str, str, list[int]]]:
    return [(item["movement"], item["kind"], [cause["version"] for cause in item["caused_by"]]) for item in items]


def test_only_the_conditions_that_turned_are_causes(world: World) -> None:
    stream = registered()
    stream.add(tier("HIGH_VALUE"))
    stream.add(OwnerAssigned(role=OwnerRole.ACCOUNT_MANAGER, to_staff="u-1"))
    stream.add(tier("POTENTIAL"))
    stream.add(OwnerAssigned(role=OwnerRole.ACCOUNT_MANAGER, to_staff="u-2"))
    world.project(*stream.events)
    where = [
        Condition(_TIER, Operator.IN, ["HIGH_VALUE", "POTENTIAL"]),
        Condition(path_of("/owner/ACCOUNT_MANAGER"), Operator.EQ, "u-1"),
    ]
    day = "2026-07-01"
    assert _told(_found(world, where, (3, day), (5, day))) == [("LEFT", "LATE", [5])]
    assert _told(_found(world, where, (1, day), (3, day))) == [("ENTERED", "LATE", [2, 3])]
    assert _told(_found(world, where, (3, day), (4, day), _TIER)) == [("MOVED", "LATE", [4])]
    assert _found(world, where, (4, day), (4, "2026-08-01")) == []


def test_who_is_new_enters_by_its_registration_and_who_begins_by_its_first_fact(world: World) -> None:
    stream = Stream()
    stream.add(CustomerRegistered(customer_kind=CustomerKind.ORGANISATION))
    stream.add(tier("HIGH_VALUE"), at("2026-03-01"))
    world.project(*stream.events)
    assert _told(_found(world, [], (0, "2026-07-01"), (2, "2026-07-01"))) == [("ENTERED", "CHANGE", [1])]
    assert _told(_found(world, [], (2, "2026-02-01"), (2, "2026-07-01"))) == [("ENTERED", "CHANGE", [2])]
    assert _told(_found(world, [], (2, "2026-07-01"), (2, "2026-02-01"))) == [("LEFT", "CHANGE", [2])]


def test_what_only_began_once_a_first_fact_was_moved_is_caused_by_the_correction(world: World) -> None:
    stream = registered()
    first = stream.add(tier("HIGH_VALUE"), at("2026-03-01"), effective_to=at("2026-04-01"))
    stream.correct(first, tier("HIGH_VALUE"), at("2026-02-01"), effective_to=at("2026-02-10"))
    world.project(*stream.events)
    day = "2026-02-20"
    (item,) = _found(world, [], (2, day), (3, day))
    assert _told([item]) == [("ENTERED", "CORRECTION", [3])]


def test_who_is_archived_leaves_by_the_decision(world: World) -> None:
    stream = registered()
    stream.add(tier("HIGH_VALUE"))
    stream.add(CustomerArchived(reason_code=ArchiveReason.LOST))
    world.project(*stream.events)
    where = [Condition(path_of("/file_state"), Operator.EQ, "LIVE"), Condition(_TIER, Operator.EXISTS, True)]
    (item,) = _found(world, where, (2, "2026-07-01"), (3, "2026-07-01"))
    assert _told([item]) == [("LEFT", "CHANGE", [3])]
    assert item["effective_from"] is None


def test_equal_points_do_not_differ(world: World) -> None:
    stream = registered()
    stream.add(tier("HIGH_VALUE"))
    world.project(*stream.events)
    assert _found(world, [], (2, "2026-07-01"), (2, "2026-07-01"), _TIER) == []
