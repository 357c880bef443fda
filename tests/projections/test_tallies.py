"""Counts that begin at a tally, against counts of the rectangles themselves."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from threading import Event, Thread

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection

from domain.decisions.privacy import ApproveErasure, RequestErasure
from domain.decisions.tier import AssignTier
from domain.events import Payload, RecordedEvent
from domain.events.classification import TagApplied
from domain.events.lifecycle import CustomerKind
from domain.events.privacy import LegalBasis
from domain.values import EARLIEST, LATEST
from ledger.kek import FileKek
from projections.portfolio import tallies
from projections.portfolio.answers import groups
from projections.portfolio.paths import path_of
from projections.portfolio.query import Grouping
from projections.rebuild import Watch, rebuild
from tests.domain.private_histories import OFFICER, SECOND
from tests.domain.story import opened, uid
from tests.make import Stream, at
from tests.projections.files import registered, tier
from tests.projections.histories import instants_of, streams
from tests.projections.test_runner import eventually
from tests.projections.world import KEK_TEXT, World

SLOT = "/tier/VALUE"
BY_TIER = Grouping((), (path_of(f"{SLOT}/code"),))
_FACTS: st.SearchStrategy[Payload] = st.one_of(
    st.sampled_from([tier("HIGH_VALUE"), tier("ORDINARY"), tier("POTENTIAL")]),
    st.builds(TagApplied, taxonomy_version=st.just(1), group=st.just("REGION"), code=st.just("SOUTH")),
)


def made(world: World, *positions: int) -> int:
    """Tallies at these positions; how many numbers they are."""
    with psycopg.connect(world.conninfo, autocommit=True) as connection:
        for position in positions:
            tallies.make(connection, SLOT, position)
        ((number,),) = connection.execute("SELECT count(*) FROM read.tally").fetchall()
    return int(number)


def forgotten(world: World) -> None:
    with psycopg.connect(world.conninfo, autocommit=True) as connection:
        tallies.forget(connection)


def counted(world: World, points: list[tuple[int, datetime]]) -> list[dict[str, int]]:
    """What the question says at each point."""

    async def ask(connection: AsyncConnection[object]) -> list[dict[str, int]]:
        return [
            {str(code): int(number) for code, number in await groups(connection, BY_TIER, *point, most=100)}
            for point in points
        ]

    return world.read(ask)


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(files=st.lists(streams(10, _FACTS), min_size=1, max_size=4), data=st.data())
def test_a_count_from_a_tally_is_that_of_the_rectangles(
    shared_world: World, files: list[Stream], data: st.DataObject
) -> None:
    events: list[RecordedEvent] = [event for stream in files for event in stream.events]
    begin = shared_world.sealed()
    shared_world.project(*data.draw(st.permutations(files).map(lambda some: [e for s in some for e in s.events])))
    instants = sorted({*instants_of(events), EARLIEST, LATEST - timedelta(microseconds=1)})
    points = [(begin + known, instant) for known in range(len(events) + 1) for instant in instants]
    expected = counted(shared_world, points)
    made(shared_world, *(begin + place for place in data.draw(st.sets(st.integers(1, len(events)), min_size=1))))
    try:
        assert counted(shared_world, points) == expected
    finally:
        forgotten(shared_world)


def test_a_tally_stays_right_whatever_is_learnt_later(world: World) -> None:
    stream = registered()
    first = stream.add(tier("HIGH_VALUE"), at("2026-01-01"))
    world.project(*stream.events)
    assert made(world, 2) == 2
    before, days = len(stream.events), [at("2025-12-01"), at("2026-01-01"), at("2026-03-01")]
    stream.add(tier("ORDINARY"), at("2025-11-01"))  # late
    stream.retract(first)
    world.project(*stream.events[before:])
    assert counted(world, [(2, day) for day in days]) == [{}, {"HIGH_VALUE": 1}, {"HIGH_VALUE": 1}]
    assert counted(world, [(3, day) for day in days]) == [{"ORDINARY": 1}, {"HIGH_VALUE": 1}, {"HIGH_VALUE": 1}]
    assert counted(world, [(4, day) for day in days]) == [{"ORDINARY": 1}] * 3


def test_whoever_is_erased_is_counted_no_more(world: World) -> None:
    story = opened(customer_kind=CustomerKind.INDIVIDUAL)
    [raised] = story.do(AssignTier(to_code="ORDINARY"))
    world.project(*story.events)
    position, day = len(story.events), raised.envelope.recorded_at
    assert made(world, position) == 2
    assert counted(world, [(position, day)]) == [{"ORDINARY": 1}]
    story.do(RequestErasure(request_id=uid(500), subject=uid(1), legal_basis=LegalBasis.PIPL_47), by=OFFICER)
    story.do(ApproveErasure(request_id=uid(500)), by=SECOND)
    world.project(*story.events[position:])
    assert counted(world, [(position, day)]) == [{}]


def test_a_tally_of_nobody_counts_nobody(world: World) -> None:
    stream = registered()
    stream.add(tier("HIGH_VALUE"), at("2026-01-01"))
    world.project(*stream.events)
    assert made(world, 1) == 1
    assert counted(world, [(1, at("2026-02-01")), (2, at("2026-02-01"))]) == [{}, {"HIGH_VALUE": 1}]


def test_without_a_tally_before_it_a_point_is_counted_whole(world: World) -> None:
    stream = registered()
    stream.add(tier("HIGH_VALUE"), at("2026-01-01"))
    world.project(*stream.events)
    made(world, 2)
    assert world.read(lambda connection: tallies.count(connection, SLOT, 1, at("2026-02-01"))) is None
    assert counted(world, [(1, at("2026-02-01"))]) == [{}]


def test_positions_of_tallies_are_never_far_apart() -> None:
    assert list(tallies.places(1023)) == []
    for reached in (1024, 5000, 123_456, 10_000_000):
        places = [0, *reversed(list(tallies.places(reached))), reached]
        assert all(later - earlier <= max(1024, earlier // 32) for earlier, later in pairwise(places))


@pytest.fixture
def long_world(world: World) -> World:
    """Long enough for a tally of each slot, at 1024."""
    stream = registered()
    stream.add(tier("HIGH_VALUE"), at("2026-01-01"))
    for number in range(1100):
        stream.attribute("a", number, at("2026-01-01"))
    world.project(*stream.events)
    return world


def tallied(world: World) -> list[tuple[str, int]]:
    with psycopg.connect(world.conninfo) as connection:
        found = connection.execute("SELECT slot, position FROM read.tally WHERE valid_at = '-infinity'").fetchall()
    return sorted(found)


def test_what_is_missing_is_made_one_by_one(long_world: World) -> None:
    maker, slots = tallies.Tallies(), sorted(tallies.slots())
    with psycopg.connect(long_world.conninfo, autocommit=True) as connection:
        assert [maker.make_one(connection, 1102) for _ in range(len(slots) + 1)] == [True] * len(slots) + [False]
        tallies.make_all(connection, 1102)
    assert tallied(long_world) == [(slot, 1024) for slot in slots]
    assert counted(long_world, [(1102, at("2026-02-01"))]) == [{"HIGH_VALUE": 1}]


def test_the_runner_makes_what_is_missing_when_it_has_nothing_to_follow(long_world: World) -> None:
    stop = Event()
    with long_world.runner() as runner:
        following = Thread(target=runner.run, args=[stop])
        following.start()
        try:
            eventually(lambda: len(tallied(long_world)) == len(list(tallies.slots())))
        finally:
            stop.set()
            following.join()
    assert counted(long_world, [(1102, at("2026-02-01"))]) == [{"HIGH_VALUE": 1}]


def test_a_rebuild_forgets_what_was_counted_from_wrong_rectangles(world: World) -> None:
    stream = registered()
    stream.add(tier("HIGH_VALUE"), at("2026-01-01"))
    world.project(*stream.events)
    with psycopg.connect(world.conninfo) as connection:
        connection.execute("DELETE FROM read.facts")
        connection.commit()
    made(world, 2)
    assert counted(world, [(2, at("2026-02-01"))]) == [{}]
    rebuild(world.conninfo, FileKek.from_text(KEK_TEXT), Watch(lambda _: None))
    assert counted(world, [(2, at("2026-02-01"))]) == [{"HIGH_VALUE": 1}]
