"""The runner: rows and positions move together, one runner works, nothing is skipped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection

from domain.streams import StreamKind
from ledger.errors import DataKeyMissing
from projections.basis import reached_position
from projections.changes import Changes
from projections.errors import AnotherRunner, EventUnreadable, ProjectionFailed
from projections.events import Events
from projections.facts import Facts
from projections.projection import Batch
from projections.runner import Runner
from tests.make import Stream
from tests.projections.world import World


class Breaking:
    """A read model that writes a row and then fails, until it is mended."""

    name = "breaking"
    follows = StreamKind.CUSTOMER

    def __init__(self) -> None:
        self.mended = False

    def apply(self, connection: Connection[Any], batch: Batch) -> None:
        connection.execute("DELETE FROM read.events")
        if not self.mended:
            raise ValueError(f"cannot take {len(batch.events)} events")

    def forget(self, connection: Connection[Any], customer_id: UUID) -> None:
        raise NotImplementedError


def a_stream(length: int) -> Stream:
    stream = Stream()
    for number in range(length):
        stream.attribute("a", number)
    return stream


def count(world: World, table: str) -> int:
    with psycopg.connect(world.conninfo) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()  # noqa: S608 - names of ours
    assert row is not None
    return int(row[0])


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)


def test_it_follows_the_log_to_its_end(world: World) -> None:
    world.project(*a_stream(7).events, batch=3)
    assert world.read(reached_position) == 7
    assert (count(world, "read.events"), count(world, "read.changes"), count(world, "read.facts")) == (7, 7, 13)


def test_what_is_not_sealed_is_not_projected(world: World) -> None:
    world.record(a_stream(1).events)
    with world.runner() as runner:
        assert runner.step() == 0


def test_a_failing_read_model_leaves_neither_rows_nor_position(world: World) -> None:
    world.project(*a_stream(2).events)
    world.record(a_stream(2).events)
    world.seal()
    with world.runner([Facts(), Events(), Changes(), Breaking()]) as runner:
        with pytest.raises(ProjectionFailed) as caught:
            runner.catch_up()
        assert caught.value.projection == "breaking"
        assert (caught.value.first, caught.value.last) == (1, 2)
    assert count(world, "read.events") == 2


def test_it_stands_still_says_why_and_goes_on_once_the_cause_is_gone(world: World) -> None:
    world.record(a_stream(2).events)
    world.seal()
    broken, stop = Breaking(), threading.Event()
    with world.runner([Facts(), broken]) as runner:
        thread = threading.Thread(target=runner.run, args=[stop])
        thread.start()
        try:
            eventually(lambda: "cannot take 2 events" in (runner.status.error or ""))
            assert runner.status.position == 0
            broken.mended = True
            eventually(lambda: runner.status.position == 2)
            assert runner.status.error is None
        finally:
            stop.set()
            thread.join()


def test_it_wakes_when_something_is_sealed_and_survives_a_lost_connection(world: World) -> None:
    stop = threading.Event()
    with world.runner() as runner:
        thread = threading.Thread(target=runner.run, args=[stop])
        thread.start()
        try:
            world.record(a_stream(1).events)
            world.seal()
            eventually(lambda: runner.status.position == 1)
            with psycopg.connect(world.conninfo, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'dossier_projector' AND datname = current_database()"
                )
            world.record(a_stream(1).events)
            world.seal()
            eventually(lambda: runner.status.position == 2)
        finally:
            stop.set()
            thread.join()


def test_a_runner_that_is_told_to_end_goes_to_the_end_of_the_log_first(world: World) -> None:
    """In batches smaller than what is left, too."""
    for events in range(8, 41, 8):
        stop = threading.Event()
        with world.runner(batch=3) as runner:
            thread = threading.Thread(target=runner.run, args=[stop])
            thread.start()
            try:
                world.record(a_stream(1).events)
                world.seal()
                eventually(lambda events=events: runner.status.position == events - 7)  # type: ignore[misc]
                world.record(a_stream(7).events)
                world.seal()
            finally:
                stop.set()
                thread.join()
            assert runner.status.position == events


def test_of_two_runners_one_waits_until_the_other_ends(world: World) -> None:
    first_stop, second_stop = threading.Event(), threading.Event()
    with world.runner() as first, world.runner() as second:
        leading = threading.Thread(target=first.run, args=[first_stop])
        leading.start()
        world.record(a_stream(1).events)
        world.seal()
        eventually(lambda: first.status.position == 1)
        waiting = threading.Thread(target=second.run, args=[second_stop])
        waiting.start()
        first_stop.set()
        leading.join()
        eventually(lambda: second.status.position == 1)
        second_stop.set()
        waiting.join()


def test_a_position_that_somebody_else_moved_is_not_moved_again(world: World) -> None:
    class Overtaken:
        name = "overtaken"
        follows = StreamKind.CUSTOMER

        def apply(self, connection: Connection[Any], batch: Batch) -> None:
            del batch
            connection.execute("UPDATE read.tracking SET position = 1 WHERE projection = 'overtaken'")

        def forget(self, connection: Connection[Any], customer_id: UUID) -> None:
            raise NotImplementedError

    world.record(a_stream(2).events)
    world.seal()
    with world.runner([Overtaken()]) as runner, pytest.raises(AnotherRunner):
        runner.step()
    assert world.read(reached_position) == 0


def test_a_new_read_model_catches_up_from_the_beginning_and_sees_the_same_moves(world: World) -> None:
    stream = a_stream(5)
    stream.retract(stream.events[3])
    stream.attribute("a", "last")
    world.record(stream.events)
    world.seal()
    with world.runner([Facts(), Events()], batch=3) as runner:
        runner.catch_up()
    with world.runner([Facts(), Events(), Changes()], batch=2) as runner:
        runner.catch_up()
    with psycopg.connect(world.conninfo) as connection:
        late = connection.execute(
            "SELECT version, (told -> 'old')::text, (told -> 'new')::text, old_version FROM read.changes"
            " JOIN read.events USING (customer_id, version) CROSS JOIN LATERAL (SELECT changes.place::integer) AS place"
            " CROSS JOIN LATERAL (SELECT events.changes::json -> place.place) AS change (told) ORDER BY 1"
        )
        assert late.fetchall() == [
            (1, None, "0", None),
            (2, "0", "1", 1),
            (3, "1", "2", 2),
            (4, "2", "3", 3),
            (5, "3", "4", 4),
            (6, "3", "2", 4),
            (7, "4", '"last"', 5),
        ]


def test_it_goes_up_to_an_event_that_cannot_be_read_and_no_further(world: World) -> None:
    stream = a_stream(3)
    world.record(stream.events)
    with psycopg.connect(world.conninfo) as connection:
        connection.execute("ALTER TABLE ledger.payload DISABLE TRIGGER USER")
        connection.execute("UPDATE ledger.payload SET ct = ct || '\\x00' WHERE version = 3")
        connection.execute("ALTER TABLE ledger.payload ENABLE ALWAYS TRIGGER refuse_change")
    world.seal()
    with world.runner() as runner:
        with pytest.raises(EventUnreadable) as caught:
            runner.catch_up()
        assert caught.value.position == 3
    assert world.read(reached_position) == 2


def test_an_event_without_its_data_key_cannot_be_read(world: World) -> None:
    world.record(a_stream(1).events)
    world.seal()
    with psycopg.connect(world.conninfo) as connection:
        connection.execute("DELETE FROM keys.subject_key")
    with world.runner() as runner, pytest.raises(EventUnreadable) as caught:
        runner.step()
    assert isinstance(caught.value.__cause__, DataKeyMissing)


def test_closing_twice_is_harmless(world: World) -> None:
    with world.runner() as runner:
        assert isinstance(runner, Runner)
        runner.step()
        runner.close()
