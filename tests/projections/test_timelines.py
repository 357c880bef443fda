"""Timelines and knowledge of one file's slots, against the oracle and page by page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection

from domain.events import RecordedEvent, Source
from domain.events.classification import AttributeRecorded
from domain.events.envelope import SourceKind
from domain.facts import ABSENT, same_json
from domain.values import LATEST
from projections.basis import position_of
from projections.knowledge import ValuePlace, knowledge
from projections.timelines import RectanglePlace, timeline
from tests.make import Stream, at
from tests.oracle import event_value, holders
from tests.projections.files import registered
from tests.projections.histories import instants_of, streams
from tests.projections.world import World

_ON_POSTGRES = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

Items = list[dict[str, Any]]


async def whole_timeline(
    connection: AsyncConnection[Any], customer_id: UUID, position: int, limit: int = 3, **wanted: Any
) -> Items:
    """All of its pages."""
    items: Items = []
    after: RectanglePlace | None = None
    while True:
        page = await timeline(connection, customer_id, position, limit=limit, after=after, **wanted)
        items += page
        if len(page) < limit:
            return items
        after = RectanglePlace(page[-1]["path"], page[-1]["position_from"], page[-1]["valid_from"])


async def whole_knowledge(
    connection: AsyncConnection[Any], customer_id: UUID, position: int, slot: str, limit: int = 2
) -> Items:
    items: Items = []
    after: ValuePlace | None = None
    while True:
        page = await knowledge(connection, customer_id, position, slot, limit=limit, after=after)
        items += [item for _, item in page]
        if len(page) < limit:
            return items
        after = page[-1][0]


async def positions_of(connection: AsyncConnection[Any], stream: Stream) -> list[int]:
    """By version, counted from 0."""
    found = [await position_of(connection, stream.customer_id, n + 1) for n in range(len(stream.events))]
    return [position for position in found if position is not None]


def covers(item: dict[str, Any], instant: datetime) -> bool:
    return bool(item["valid_from"] <= instant < (item["valid_to"] or LATEST))


# --- against the oracle ---------------------------------------------------------------------------------------------


@_ON_POSTGRES
@given(stream=streams(), data=st.data())
def test_a_timeline_says_what_the_oracle_says(shared_world: World, stream: Stream, data: st.DataObject) -> None:
    shared_world.project(*stream.events)
    last = data.draw(st.integers(1, len(stream.events)))
    points = st.tuples(st.integers(1, last), st.sampled_from(sorted(set(instants_of(stream.events)))))
    asked = data.draw(st.lists(points, min_size=1, max_size=12, unique=True))

    async def ask(connection: AsyncConnection[Any]) -> tuple[Items, list[int], list[Items]]:
        positions = await positions_of(connection, stream)
        at_last = positions[last - 1]
        items = await whole_timeline(connection, stream.customer_id, at_last)
        sliced = [
            await whole_timeline(connection, stream.customer_id, at_last, valid_at=valid_at) for _, valid_at in asked
        ]
        return items, positions, sliced

    items, positions, sliced = shared_world.read(ask)
    assert items == sorted(items, key=lambda item: (item["path"], item["position_from"], item["valid_from"]))
    for (version, valid_at), slice_ in zip(asked, sliced, strict=True):
        assert slice_ == [item for item in items if covers(item, valid_at)]
        position, held = positions[version - 1], holders(stream.events[:version], valid_at)
        covering = [
            item
            for item in slice_
            if item["position_from"] <= position and (item["position_to"] is None or position < item["position_to"])
        ]
        assert {item["path"]: item["set_by"]["version"] for item in covering} == {
            slot: event.envelope.version for slot, event in held.items()
        }
        assert len(covering) == len(held)
        for item in covering:
            value = event_value(held[item["path"]], item["path"])
            assert same_json(item.get("value", ABSENT), value)
            assert item.get("absent", False) == (value is ABSENT)


@_ON_POSTGRES
@given(stream=streams(), data=st.data())
def test_knowledge_of_a_value_begins_and_ends_as_the_oracle_says(
    shared_world: World, stream: Stream, data: st.DataObject
) -> None:
    shared_world.project(*stream.events)
    last = data.draw(st.integers(1, len(stream.events)))
    instants = sorted(set(instants_of(stream.events)))
    told = [slot for event in stream.events for slot, _ in event.payload.assertions()]
    slot = data.draw(st.sampled_from(sorted({*told, "/attributes/never"})))

    async def ask(connection: AsyncConnection[Any]) -> tuple[Items, list[int]]:
        positions = await positions_of(connection, stream)
        return await whole_knowledge(connection, stream.customer_id, positions[last - 1], slot), positions

    items, positions = shared_world.read(ask)
    believed = [_believed(stream.events[:version], slot, instants) for version in range(last + 1)]
    assert len(items) == len(_distinct([value for held in believed for value, _ in held.values()]))
    for item in items:
        has = [any(same_json(value, item["value"]) for value, _ in held.values()) for held in believed]
        first = has.index(True)
        assert item["first"]["position"] == positions[first - 1]
        assert item["still_believed"] == has[last]
        ended = None if has[last] else last - has[::-1].index(True) + 1
        assert (item["ended"] or {}).get("position") == (None if ended is None else positions[ended - 1])
        for end in ("first", "last"):
            _check_told(item, end, believed, positions)


def _believed(
    known: Sequence[RecordedEvent], slot: str, instants: Sequence[datetime]
) -> dict[datetime, tuple[Any, int]]:
    """By instant the value that holds the slot and the version of the event that told it; no absences."""
    held = {instant: holders(known, instant).get(slot) for instant in instants}
    values = {instant: (event_value(event, slot), event.envelope.version) for instant, event in held.items() if event}
    return {instant: told for instant, told in values.items() if told[0] is not ABSENT}


def _distinct(values: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if not any(same_json(value, other) for other in found):
            found.append(value)
    return found


def _check_told(
    item: dict[str, Any], end: str, believed: Sequence[dict[datetime, tuple[Any, int]]], positions: Sequence[int]
) -> None:
    """The event is the first or last of those that ever told the value, and held it just then where it says."""
    tellings = {
        told: version
        for version, held in reversed(list(enumerate(believed)))
        for value, told in held.values()
        if same_json(value, item["value"])
    }
    order = sorted(tellings, key=lambda told: (tellings[told], told))
    expected = order[0] if end == "first" else order[-1]
    telling = item[end]
    assert telling["event"]["version"] == expected
    assert telling["position"] == positions[tellings[expected] - 1]
    held = believed[tellings[expected]]
    for instant in believed[-1].keys() | held.keys():
        is_held = held.get(instant, (None, None))[1] == expected
        assert any(covers(span, instant) for span in telling["valid"]) == is_held


# --- one by one -----------------------------------------------------------------------------------------------------


def test_a_correction_closes_what_was_believed_and_opens_what_is(world: World) -> None:
    stream = registered()
    wrong = stream.attribute("a", 1, at("2026-01-01"))
    right = stream.correct(wrong, AttributeRecorded(key="a", value=2))
    world.project(*stream.events)
    items = world.read(lambda connection: whole_timeline(connection, stream.customer_id, 3, path="/attributes/a"))
    closed, opened = items
    assert (closed["value"], closed["position_from"], closed["position_to"]) == (1, 2, 3)
    assert closed["known_from"] == wrong.envelope.recorded_at
    assert closed["known_to"] == opened["known_from"] == right.envelope.recorded_at
    assert (opened["value"], opened["valid_from"], opened["valid_to"]) == (2, at("2026-01-01"), None)
    assert opened["set_by"] == {
        "event_id": right.envelope.event_id,
        "type": "customer.fact-corrected",
        "version": 3,
        "position": 3,
        "recorded_at": right.envelope.recorded_at,
        "actor": "u-118",
    }
    (before,) = world.read(lambda connection: whole_timeline(connection, stream.customer_id, 2, path="/attributes/a"))
    assert (before["position_to"], before["known_to"]) == (None, None)


def test_a_timeline_is_of_a_slot_or_of_what_slots_begin_with(world: World) -> None:
    stream = registered()
    for key in ("a", "ab", "b"):
        stream.attribute(key, key)
    world.project(*stream.events)

    def paths(path: str | None) -> list[str]:
        items = world.read(lambda connection: whole_timeline(connection, stream.customer_id, 9, limit=1, path=path))
        return [item["path"] for item in items]

    assert paths("/attributes/a") == ["/attributes/a"]
    assert paths("/attributes/") == paths("/attributes") == paths(None)
    assert paths(None) == ["/attributes/a", "/attributes/ab", "/attributes/b"]
    assert paths("/tags") == []


def test_knowledge_says_who_told_a_value_first_and_last_and_what_ended_it(world: World) -> None:
    stream = registered()
    visit = Source(kind=SourceKind.VISIT, detail="Shenzhen")
    first = stream.attribute("a", 1, at("2026-01-01"), source=visit)
    stream.attribute("a", True, at("2026-02-01"))
    again = stream.attribute("a", 1.0, at("2026-03-01"))
    stream.retract(again)
    end = stream.retract(first)
    world.project(*stream.events)
    slot = "/attributes/a"

    def told(position: int, value: str | None = "1") -> list[dict[str, Any]]:
        async def ask(connection: AsyncConnection[Any]) -> Items:
            page = await knowledge(connection, stream.customer_id, position, slot, value=value, limit=9)
            return [item for _, item in page]

        return world.read(ask)

    (item,) = told(6)
    assert (item["still_believed"], item["ended"]["position"]) == (False, 6)
    assert item["ended"]["event"]["event_id"] == str(end.envelope.event_id)
    assert (item["first"]["position"], item["last"]["position"]) == (2, 4)
    assert item["first"]["event"]["source"] == {"kind": "VISIT", "detail": "Shenzhen"}
    assert item["first"]["valid"] == [{"valid_from": at("2026-01-01"), "valid_to": None}]
    assert item["last"]["event"]["event_id"] == str(again.envelope.event_id)
    assert item["last"]["known_at"] == again.envelope.recorded_at
    assert [(one["still_believed"], one["ended"]) for one in told(5)] == [(True, None)]
    assert [one["value"] for one in told(6, None)] == [1, True]
    assert told(1) == told(6, '"1"') == []


def test_a_value_that_held_around_another_held_for_several_periods(world: World) -> None:
    stream = registered()
    stream.attribute("a", 2, at("2026-03-01"), effective_to=at("2026-04-01"))
    stream.attribute("a", 1, at("2026-01-01"))
    world.project(*stream.events)
    items = world.read(lambda connection: whole_knowledge(connection, stream.customer_id, 3, "/attributes/a"))
    assert [span["valid_from"] for span in items[1]["first"]["valid"]] == [at("2026-01-01"), at("2026-04-01")]
    assert items[1]["first"]["valid"][0]["valid_to"] - at("2026-03-01") == timedelta(0)
