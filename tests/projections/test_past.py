"""One customer's file at a moment: its decisions, since when it is effective, what is to come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH
from uuid_utils.compat import uuid7

from db.queries import load
from domain.events import Reason
from domain.events.classification import TierReassignmentApproved, TierReassignmentRequested
from domain.events.lifecycle import ArchiveReason, CustomerArchived, CustomerKind, CustomerReinstated
from projections.basis import Basis, known_by
from projections.past import Asked, PastFile, file_at, files_at, version_at
from tests.make import CLERK, RECORDING_STARTS, Stream, at
from tests.projections.files import BOSS, registered
from tests.projections.world import World

Found = dict[Asked, PastFile | None]
LATER = at("2027-01-01")


def past(
    world: World,
    stream: Stream,
    position: int,
    valid_at: datetime = LATER,
    *,
    known_at: datetime = LATER,
    most_later: int | None = None,
) -> PastFile:
    moment = Basis(known_at, position, valid_at, stable=True)
    file = world.read(lambda connection: file_at(connection, stream.customer_id, moment, most_later=most_later))
    assert file is not None
    return file


def test_the_state_of_a_file_follows_its_decisions(world: World) -> None:
    stream = registered()
    stream.add(CustomerArchived(reason_code=ArchiveReason.LOST))
    stream.attribute("a", 1)
    stream.add(CustomerReinstated())
    world.project(*stream.events)
    files = [past(world, stream, position) for position in (1, 2, 3, 4)]
    assert [file.decided.archived for file in files] == [False, True, True, False]
    assert [file.version for file in files] == [1, 2, 3, 4]
    assert {file.decided.kind for file in files} == {CustomerKind.ORGANISATION}


def test_a_request_is_open_until_it_is_decided(world: World) -> None:
    stream, request_id = registered(), uuid7()
    expires_at = RECORDING_STARTS + timedelta(days=30)
    request = TierReassignmentRequested(
        request_id=request_id, scheme="VALUE", from_code=None, to_code="HIGH_VALUE", expires_at=expires_at
    )
    asked = stream.add(request, reason=Reason(text="grown"))
    stream.add(TierReassignmentApproved(request_id=request_id), actor=BOSS)
    world.project(*stream.events)
    assert past(world, stream, 2).decided.requests[str(request_id)] == {
        "request_id": str(request_id),
        "scheme": "VALUE",
        "from_code": None,
        "to_code": "HIGH_VALUE",
        "takes_effect": None,
        "expires_at": "2026-02-04T09:00:00.000000Z",
        "requester": CLERK.id,
        "requester_for": None,
        "event_id": str(asked.envelope.event_id),
        "version": 2,
        "reason": "grown",
    }
    assert past(world, stream, 3).decided.requests == {}


def test_a_customer_is_not_known_before_its_first_event(world: World) -> None:
    other, stream = registered(), registered()
    world.project(*other.events, *stream.events)

    def found(customer_id: UUID, position: int) -> tuple[PastFile | None, int | None]:
        moment = Basis(LATER, position, LATER, stable=True)
        return (
            world.read(lambda connection: file_at(connection, customer_id, moment)),
            world.read(lambda connection: version_at(connection, customer_id, moment)),
        )

    assert found(stream.customer_id, 1) == found(uuid7(), 2) == (None, None)
    file, version = found(stream.customer_id, 2)
    assert file is not None
    assert file.version == version == 1


@pytest.mark.parametrize("valid_at", [at("2025-12-31"), at("2026-01-01"), at("2026-02-01")])
def test_a_file_is_effective_from_its_earliest_fact_on(world: World, valid_at: datetime) -> None:
    stream = registered()
    stream.attribute("a", 1, at("2026-02-01"))
    stream.attribute("b", 1, at("2026-01-01"), effective_to=at("2026-01-15"))
    world.project(*stream.events)
    found = [past(world, stream, position, valid_at).is_effective for position in (1, 2, 3)]
    assert found == [True, valid_at >= at("2026-02-01"), valid_at >= at("2026-01-01")]


@pytest.mark.parametrize("known_at", [at("2026-01-01"), at("2026-08-01"), at("2026-08-15"), LATER])
def test_what_is_to_come_comes_soonest_first(world: World, known_at: datetime) -> None:
    """Wherever the instant of knowledge lies: it decides only how the facts are found."""
    stream = registered()
    stream.attribute("b", 2, at("2026-09-01T00:00:00.000001"))
    stream.attribute("a", 1, at("2026-08-01"), effective_to=at("2026-10-01T00:00:00.25"))
    stream.attribute("c", 3, at("2026-11-01"))
    world.project(*stream.events)
    later = past(world, stream, 4, at("2026-07-01"), known_at=known_at).later
    assert [(fact.slot, fact.value, fact.start, fact.end, fact.version) for fact in later] == [
        ("/attributes/a", 1, "2026-08-01T00:00:00.000000Z", "2026-10-01T00:00:00.250000Z", 3),
        ("/attributes/b", 2, "2026-09-01T00:00:00.000001Z", None, 2),
        ("/attributes/c", 3, "2026-11-01T00:00:00.000000Z", None, 4),
    ]
    assert past(world, stream, 4, at("2026-07-01"), known_at=known_at, most_later=2).later == later[:2]
    assert past(world, stream, 4, at("2026-08-01"), known_at=known_at).later == later[1:]
    assert past(world, stream, 2, at("2026-07-01"), known_at=known_at).later == later[1:2]


def test_files_are_brought_together_each_at_its_own_moment(world: World) -> None:
    streams = [registered() for _ in range(3)]
    for number, stream in enumerate(streams):
        stream.attribute("a", number, at("2026-01-01"))
        stream.attribute("a", -number, at("2026-03-01"))
    world.project(*(event for stream in streams for event in stream.events))
    asked = {
        Asked(stream.customer_id, LATER, position, valid_at, most_later)
        for stream in streams
        for position in (1, 5, 9)
        for valid_at in (at("2026-02-01"), at("2026-04-01"))
        for most_later in (None, 1)
    }

    async def ask(connection: AsyncConnection[Any]) -> tuple[Found, Found]:
        together = {one: file for one, (_, file) in (await files_at(connection, asked)).items()}
        apart = {one: await alone(connection, one) for one in asked}
        return together, apart

    async def alone(connection: AsyncConnection[Any], one: Asked) -> PastFile | None:
        (found,) = (await files_at(connection, [one])).values()
        return found[1]

    together, apart = world.read(ask)
    assert together == apart
    assert (len(together), sum(file is not None for file in together.values())) == (36, 24)


def test_the_statement_is_short_enough_to_be_read_once() -> None:
    """Of a longer one psycopg looks for the parameters every time, which costs as much as a row."""
    statements = load("projections", "past.sql")
    assert max(map(len, statements.values())) <= MAX_CACHED_STATEMENT_LENGTH


def test_an_instant_stands_for_the_last_position_known_by_then(world: World) -> None:
    stream = registered()
    stream.attribute("a", 1, recorded_at=at("2026-03-01"))
    stream.attribute("a", 2, recorded_at=at("2026-03-03"))
    world.project(*stream.events)
    instants = [at("2026-02-28"), at("2026-03-01"), at("2026-03-02"), at("2026-03-03"), at("2026-03-04")]

    async def ask(connection: AsyncConnection[Any]) -> list[tuple[Basis, Basis, int]]:
        found = []
        for known_at in instants:
            asked = Asked(stream.customer_id, known_at, None, known_at, None)
            known, file = (await files_at(connection, [asked]))[asked]
            assert file is not None
            found.append((known.basis(known_at, None), await known_by(connection, known_at), file.version))
        return found

    answers = world.read(ask)
    assert all(basis == expected for basis, expected, _ in answers)
    assert [version for _, _, version in answers] == [1, 2, 2, 3, 3]
