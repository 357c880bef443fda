"""read.facts, read.changes and blame, made by the real ledger, sealer and runner, against the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection

from domain.events import RecordedEvent
from domain.events.classification import AttributeRecorded
from domain.facts import ABSENT, same_json
from domain.values import LATEST
from projections import facts
from projections.basis import at_position, position_of
from projections.causes import Point
from projections.diff import diff
from projections.expected import FACTS
from projections.past import file_at
from tests.make import RECORDING_STARTS, Stream, at
from tests.oracle import event_value, holders, state
from tests.projections.files import blame
from tests.projections.histories import instants_of, streams
from tests.projections.world import World

_ON_POSTGRES = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@_ON_POSTGRES
@given(stream=streams(), batch=st.integers(1, 6), data=st.data())
def test_rectangles_say_what_the_oracle_says(
    shared_world: World, stream: Stream, batch: int, data: st.DataObject
) -> None:
    shared_world.project(*stream.events, batch=batch)
    instants = sorted(set(instants_of(stream.events)))
    points = st.tuples(st.integers(1, len(stream.events)), st.sampled_from(instants))
    asked = data.draw(st.lists(points, min_size=1, max_size=12, unique=True))

    async def check(connection: AsyncConnection[Any]) -> None:
        for version, valid_at in asked:
            position = await position_of(connection, stream.customer_id, version)
            assert position is not None
            known = stream.events[:version]
            await _check_state(connection, stream.customer_id, position, valid_at, known)
            await _check_past(connection, stream.customer_id, position, valid_at, known)
            await _check_blame(connection, stream.customer_id, position, valid_at, known)

    shared_world.read(check)


async def _check_state(
    connection: AsyncConnection[Any],
    customer_id: UUID,
    position: int,
    valid_at: datetime,
    known: Sequence[RecordedEvent],
) -> None:
    held = await facts.holders_at(connection, customer_id, position, valid_at)
    assert same_json({slot: fact.value for slot, fact in facts.visible(held).items()}, state(known, valid_at))
    assert {slot: fact.version for slot, fact in held.items()} == {
        slot: event.envelope.version for slot, event in holders(known, valid_at).items()
    }


async def _check_past(
    connection: AsyncConnection[Any],
    customer_id: UUID,
    position: int,
    valid_at: datetime,
    known: Sequence[RecordedEvent],
) -> None:
    moment = await at_position(connection, position, valid_at)
    file = await file_at(connection, customer_id, moment)
    assert file is not None
    assert same_json(dict(file.values), state(known, valid_at))
    assert file.later == sorted(file.later, key=lambda later: (later.start, later.slot))
    assert all(datetime.fromisoformat(later.start) > valid_at for later in file.later)
    held = await facts.holders_at(connection, customer_id, position, valid_at)
    spans = [(fact.slot, fact.version, fact.start, fact.end) for fact in held.values()]
    for later in file.later:
        end = None if later.end is None else datetime.fromisoformat(later.end)
        spans.append((later.slot, later.version, datetime.fromisoformat(later.start), end))
    for instant in instants_of(list(known)):
        if instant >= valid_at:
            covering = {slot: version for slot, version, start, end in spans if start <= instant < (end or LATEST)}
            assert covering == {slot: event.envelope.version for slot, event in holders(known, instant).items()}
    for later in file.later:
        held_then = holders(known, datetime.fromisoformat(later.start))
        assert same_json(event_value(held_then[later.slot], later.slot), later.value)


async def _check_blame(
    connection: AsyncConnection[Any],
    customer_id: UUID,
    position: int,
    valid_at: datetime,
    known: Sequence[RecordedEvent],
) -> None:
    blamed = {item["path"]: item for item in await blame(connection, customer_id, position, valid_at)}
    shown, held = state(known, valid_at), holders(known, valid_at)
    assert same_json({slot: item["value"] for slot, item in blamed.items()}, shown)
    for slot, item in blamed.items():
        setter = held[slot].envelope
        assert item["set_by"]["event_id"] == str(setter.event_id)
        assert setter.effective_from is not None
        if not setter.corrects:
            # what had shown when the fact became effective, as known just before it
            before = holders(known[: setter.version - 1], setter.effective_from).get(slot)
            value = ABSENT if before is None else event_value(before, slot)
            previous = item["previous"]
            assert same_json(previous["value"] if previous else ABSENT, value)


@_ON_POSTGRES
@given(stream=streams(), batch=st.integers(1, 6), data=st.data())
def test_a_difference_applied_to_one_side_gives_the_other_and_names_causes(
    shared_world: World, stream: Stream, batch: int, data: st.DataObject
) -> None:
    shared_world.project(*stream.events, batch=batch)
    instants = sorted(set(instants_of(stream.events)))
    points = st.tuples(st.integers(1, len(stream.events)), st.sampled_from(instants))
    (left_version, left_valid), (right_version, right_valid) = data.draw(points), data.draw(points)

    async def ask(connection: AsyncConnection[Any]) -> list[dict[str, Any]]:
        left = await position_of(connection, stream.customer_id, left_version)
        right = await position_of(connection, stream.customer_id, right_version)
        assert left is not None
        assert right is not None
        return await diff(connection, stream.customer_id, Point(left, left_valid), Point(right, right_valid))

    before, after = state(stream.events[:left_version], left_valid), state(stream.events[:right_version], right_valid)
    changed = {slot for slot in {*before, *after} if not _same(before, after, slot)}
    changes = shared_world.read(ask)
    assert {slot for slot in changed if any(_lies_at(change["path"], slot) for change in changes)} == changed
    for change in changes:
        assert any(_lies_at(change["path"], slot) for slot in changed)
        assert change["caused_by"]


def _same(left: dict[str, Any], right: dict[str, Any], slot: str) -> bool:
    return same_json(left.get(slot, ABSENT), right.get(slot, ABSENT))


def _lies_at(path: str, slot: str) -> bool:
    return path == slot or path.startswith(slot + "/")


def test_the_worked_example_of_a_tier(world: World) -> None:
    """time.md 4: a late fact masks itself from the next one on, and a correction keeps the rank of its target."""
    stream = Stream()
    stream.attribute("tier", "ORDINARY", at("2026-01-05"), recorded_at=at("2026-01-05"))
    potential = stream.attribute("tier", "POTENTIAL", at("2026-03-01"), recorded_at=at("2026-03-10"))
    stream.attribute("tier", "HIGH_VALUE", at("2026-06-15"), recorded_at=at("2026-06-20"))
    stream.attribute("tier", "CHURN_RISK", at("2026-04-01"), recorded_at=at("2026-07-02"))
    stream.correct(potential, AttributeRecorded(key="tier", value="HIGH_VALUE"), recorded_at=at("2026-08-01"))
    world.project(*stream.events)

    async def tier(connection: AsyncConnection[Any], position: int, valid_at: str) -> object:
        shown = facts.visible(await facts.holders_at(connection, stream.customer_id, position, at(valid_at)))
        return shown["/attributes/tier"].value

    async def ask(connection: AsyncConnection[Any]) -> list[object]:
        points = [(3, "2026-05-01"), (4, "2026-05-01"), (5, "2026-05-01"), (4, "2026-03-15"), (5, "2026-03-15")]
        return [await tier(connection, *point) for point in [*points, (4, "2026-07-10")]]

    assert world.read(ask) == ["POTENTIAL", "CHURN_RISK", "CHURN_RISK", "POTENTIAL", "HIGH_VALUE", "HIGH_VALUE"]


def test_two_rectangles_of_one_slot_cannot_overlap(world: World) -> None:
    stream = Stream()
    stream.attribute("a", 1)
    world.project(*stream.events)
    columns = ", ".join(FACTS.columns)
    with psycopg.connect(world.conninfo) as connection, pytest.raises(psycopg.errors.ExclusionViolation):
        connection.execute(f"INSERT INTO read.facts ({columns}) SELECT {columns} FROM read.facts")  # noqa: S608


def test_batches_of_any_size_give_the_same_rectangles(world: World) -> None:
    stream = Stream()
    for day in (5, 1, 9, 3, 7):
        stream.attribute("a", day, RECORDING_STARTS + timedelta(days=day))
    stream.retract(stream.events[2])
    twin = Stream()
    for event in stream.events[:-1]:
        twin.add(event.payload, event.envelope.effective_from)
    twin.retract(twin.events[2])
    world.project(*stream.events, batch=1)
    world.project(*twin.events, batch=100)
    assert _relative_rectangles(world, stream) == _relative_rectangles(world, twin)


def _relative_rectangles(world: World, stream: Stream) -> list[tuple[Any, ...]]:
    """The rectangles with positions counted from the stream's first event."""
    with psycopg.connect(world.conninfo) as connection:
        return connection.execute(
            """
            SELECT slot, value::text, valid, version, lower(positions) - first, upper(positions) - first
            FROM read.facts, (SELECT min(position) AS first FROM read.events WHERE customer_id = %(id)s) AS stream
            WHERE customer_id = %(id)s ORDER BY lower(positions), valid
            """,
            {"id": stream.customer_id},
        ).fetchall()
