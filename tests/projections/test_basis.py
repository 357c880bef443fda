"""What "when" means: instants and positions, how long an answer stands, and what is not there yet."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection
from uuid_utils.compat import uuid7

from projections import basis
from projections.errors import EventUnknown, NotKnownYet, PositionNotSealed, ReadModelsBehind
from tests.make import Stream, at
from tests.projections.world import World

FIRST, SECOND = at("2026-02-01"), at("2026-02-03")


@pytest.fixture
def stream(world: World) -> Stream:
    """Two events, sealed and projected."""
    stream = Stream()
    stream.attribute("a", 1, recorded_at=FIRST)
    stream.attribute("a", 2, recorded_at=SECOND)
    world.project(*stream.events)
    return stream


@pytest.mark.parametrize(
    ("known_at", "position", "stable"),
    [
        (FIRST - timedelta(microseconds=1), 0, True),
        (FIRST, 1, True),
        (SECOND - timedelta(microseconds=1), 1, True),
        (SECOND, 2, False),
    ],
)
def test_an_instant_is_the_last_position_known_by_then(
    world: World, stream: Stream, known_at: datetime, position: int, stable: bool
) -> None:
    del stream

    async def ask(connection: AsyncConnection[Any]) -> basis.Basis:
        return await basis.known_by(connection, known_at)

    assert world.read(ask) == basis.Basis(known_at, position, known_at, stable)


def test_of_the_future_nothing_is_known(world: World, stream: Stream) -> None:
    del stream
    tomorrow = at("2999-01-01")
    with pytest.raises(NotKnownYet) as caught:
        world.read(lambda connection: basis.known_by(connection, tomorrow))
    assert (caught.value.known_at, caught.value.now < tomorrow) == (tomorrow, True)


def test_a_position_is_known_from_when_its_event_was(world: World, stream: Stream) -> None:
    del stream

    async def ask(connection: AsyncConnection[Any]) -> basis.Basis:
        return await basis.at_position(connection, 1, valid_at=SECOND)

    assert world.read(ask) == basis.Basis(FIRST, 1, SECOND, stable=True)


@pytest.mark.parametrize("position", [-1, 0, 3])
def test_a_position_outside_the_log_is_refused(world: World, stream: Stream, position: int) -> None:
    del stream

    async def ask(connection: AsyncConnection[Any]) -> basis.Basis:
        return await basis.at_position(connection, position)

    with pytest.raises(PositionNotSealed) as caught:
        world.read(ask)
    assert (caught.value.position, caught.value.sealed) == (position, 2)


def test_the_latest_is_what_the_read_models_have_passed_at_the_databases_clock(world: World, stream: Stream) -> None:
    before = world.read(basis.latest)
    assert before.position == 2
    assert before.known_at == before.valid_at > SECOND
    stream.attribute("a", 3, recorded_at=at("2026-02-05"))
    world.record(stream.events[2:])
    world.seal()
    behind = world.read(basis.latest)
    assert (behind.position, behind.known_at, behind.stable) == (2, SECOND, False)
    assert behind.valid_at > before.valid_at


def test_the_latest_of_an_empty_log_knows_nothing(world: World) -> None:
    assert world.read(basis.latest).position == 0


def test_an_event_has_no_position_until_it_is_sealed(world: World, stream: Stream) -> None:
    stream.attribute("a", 3)
    world.record(stream.events[2:])

    async def ask(connection: AsyncConnection[Any]) -> list[int | None]:
        return [await basis.position_of(connection, stream.customer_id, version) for version in (1, 2, 3)]

    assert world.read(ask) == [1, 2, None]


def test_what_the_read_models_have_passed_is_there(world: World, stream: Stream) -> None:
    async def ask(connection: AsyncConnection[Any]) -> int:
        return await basis.require_passed(connection, stream.customer_id, 2)

    assert world.read(ask) == 2


def test_what_the_read_models_have_not_passed_is_named(world: World, stream: Stream) -> None:
    stream.attribute("a", 3, recorded_at=at("2026-02-05"))
    stream.attribute("a", 4)
    world.record(stream.events[2:3])
    world.seal()
    world.record(stream.events[3:])

    async def ask(connection: AsyncConnection[Any], version: int) -> None:
        await basis.require_passed(connection, stream.customer_id, version)

    with pytest.raises(ReadModelsBehind) as not_projected:
        world.read(lambda connection: ask(connection, 3))
    with pytest.raises(ReadModelsBehind) as not_sealed:
        world.read(lambda connection: ask(connection, 4))
    with pytest.raises(ReadModelsBehind) as not_reached:
        world.read(lambda connection: basis.at_position(connection, 3))
    with pytest.raises(ReadModelsBehind) as not_known_yet:
        world.read(lambda connection: basis.known_by(connection, at("2026-02-05")))
    found = [
        (error.value.position, error.value.event) for error in (not_projected, not_sealed, not_reached, not_known_yet)
    ]
    assert found == [(3, (stream.customer_id, 3)), (None, (stream.customer_id, 4)), (3, None), (3, None)]
    assert not_projected.value.reached == 2


def test_an_event_that_nobody_recorded_is_unknown(world: World) -> None:
    customer_id = uuid7()

    async def ask(connection: AsyncConnection[Any]) -> int:
        return await basis.require_passed(connection, customer_id, 1)

    with pytest.raises(EventUnknown) as caught:
        world.read(ask)
    assert (caught.value.customer_id, caught.value.version) == (customer_id, 1)


def test_an_idle_log_becomes_final_with_the_next_tick(world: World, stream: Stream) -> None:
    """Until then another event may still come to be known at the same instant."""
    del stream

    async def is_stable(connection: AsyncConnection[Any]) -> bool:
        return (await basis.known_by(connection, SECOND)).stable

    assert not world.read(is_stable)
    world.sealer.tick()
    assert world.read(is_stable)


def test_of_events_known_at_one_instant_all_are_known_by_then(world: World) -> None:
    stream, days = Stream(), (1, 1, 2, 4, 4, 4, 7)
    for number, day in enumerate(days):
        stream.attribute("a", number, recorded_at=at(f"2026-02-0{day}"))
    world.project(*stream.events)

    async def positions(connection: AsyncConnection[Any]) -> list[int]:
        return [(await basis.known_by(connection, at(f"2026-02-0{day}"))).position for day in range(1, 9)]

    assert world.read(positions) == [sum(known <= day for known in days) for day in range(1, 9)]
