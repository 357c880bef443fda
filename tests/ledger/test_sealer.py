"""The sealer: every committed event gets one place, streams stay in order, and time never goes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import TupleRow

from db.pool import connect
from ledger.sealer import Sealer
from tests.ledger.sealing import Clock, append, check_log, checkpoints_of, enqueue, log_of, seal_all
from tests.make import at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sealer(database: str, clock: Clock) -> Iterator[Sealer]:
    sealer = Sealer(database, batch=100, clock=clock)
    yield sealer
    sealer.close()


# --- the order ------------------------------------------------------------------------------------------------------


def test_committed_events_get_dense_places_in_the_order_of_the_queue(
    database: str, app: Connection[TupleRow], sealer: Sealer
) -> None:
    streams = [uuid4() for _ in range(3)]
    for version in (1, 2):
        for stream in streams:
            append(app, stream, version)
    app.commit()
    assert sealer.seal_once() == 6
    assert sealer.seal_once() == 0
    check_log(database)
    assert [row[1:3] for row in log_of(database)] == [(stream, version) for version in (1, 2) for stream in streams]


def test_an_uncommitted_event_is_not_sealed(app: Connection[TupleRow], sealer: Sealer) -> None:
    append(app, uuid4(), 1)
    assert sealer.seal_once() == 0


def test_a_batch_takes_no_more_than_its_size(database: str, app: Connection[TupleRow]) -> None:
    stream = uuid4()
    for version in range(25):
        append(app, stream, version)
    app.commit()
    sealer = Sealer(database, batch=10)
    assert [sealer.seal_once() for _ in range(4)] == [10, 10, 5, 0]
    sealer.close()
    check_log(database)


def test_a_late_commit_is_sealed_in_a_later_batch(database: str, app: Connection[TupleRow], sealer: Sealer) -> None:
    late, soon = uuid4(), uuid4()
    append(app, late, 1)
    with connect(database, "dossier_app") as other:
        append(other, soon, 1)
    assert sealer.seal_once() == 1
    app.commit()
    assert sealer.seal_once() == 1
    check_log(database)
    assert [row[1] for row in log_of(database)] == [soon, late]


@dataclass
class Interleaving:
    """Two writers whose transactions overlap, and a sealer that comes in between."""

    writers: tuple[Connection[TupleRow], Connection[TupleRow]]
    sealer: Sealer
    held: list[list[tuple[UUID, int]]] = field(default_factory=lambda: [[], []])
    committed: list[tuple[UUID, int]] = field(default_factory=list)
    causes: dict[tuple[UUID, int], int] = field(default_factory=dict)
    """How many of the committed events could be read when this one was written."""

    def write(self, writer: int, streams: list[UUID]) -> None:
        """Append one event to each stream that the other transaction has not touched; open until `commit`."""
        for stream in streams:
            if stream not in {other for other, _ in self.held[1 - writer]}:
                version = 1 + sum(other == stream for other, _ in self.committed + self.held[writer])
                append(self.writers[writer], stream, version)
                self.held[writer].append((stream, version))
                self.causes[stream, version] = len(self.committed)

    def commit(self, writer: int) -> None:
        self.writers[writer].commit()
        self.committed += self.held[writer]
        self.held[writer] = []

    def check_causes(self, log: Sequence[tuple[UUID, int]]) -> None:
        """Whatever could be read when an event was written stands before it."""
        places = {event: place for place, event in enumerate(log)}
        for event, readable in self.causes.items():
            assert all(places[cause] < places[event] for cause in self.committed[:readable])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["write", "commit", "seal", "wait"]),
            st.integers(0, 1),
            st.lists(st.integers(0, 4), max_size=3),
        ),
        max_size=25,
    )
)
def test_overlapping_transactions_leave_no_gap(
    database: str, clock: Clock, steps: list[tuple[str, int, list[int]]]
) -> None:
    streams = [uuid4() for _ in range(5)]
    with connect(database, "dossier_app") as one, connect(database, "dossier_app") as other:
        world = Interleaving((one, other), Sealer(database, batch=3, clock=clock))
        for verb, writer, chosen in [*steps, ("commit", 0, []), ("commit", 1, [])]:
            match verb:
                case "write":
                    world.write(writer, [streams[number] for number in chosen])
                case "commit":
                    world.commit(writer)
                case "wait":
                    clock.now += 0.7
                case _:
                    world.sealer.seal_once()
        seal_all(world.sealer)
        world.sealer.close()
    check_log(database)
    world.check_causes([(stream, version) for _, stream, version, *_ in log_of(database)])


# --- known_at and checkpoints ---------------------------------------------------------------------------------------


def test_known_at_is_the_running_maximum_of_recorded_at(
    database: str, app: Connection[TupleRow], sealer: Sealer
) -> None:
    times = [at("2026-01-03"), at("2026-01-01"), at("2026-01-04"), at("2026-01-02")]
    for recorded_at in times:
        append(app, uuid4(), 1, recorded_at)
    app.commit()
    sealer.seal_once()
    known = [known_at for *_, known_at in log_of(database)]
    assert known == [at("2026-01-03"), at("2026-01-03"), at("2026-01-04"), at("2026-01-04")]


def test_an_event_sealed_after_a_tick_is_known_no_earlier(
    database: str, app: Connection[TupleRow], sealer: Sealer
) -> None:
    sealer.tick()
    append(app, uuid4(), 1, at("2026-01-01"))
    app.commit()
    sealer.seal_once()
    (tick, _), (_, size) = checkpoints_of(database)
    assert log_of(database)[0][4] == tick
    assert size == 1


def test_an_event_from_a_clock_that_ran_ahead_pulls_the_checkpoints_along(
    database: str, app: Connection[TupleRow], sealer: Sealer
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=1)
    append(app, uuid4(), 1, ahead)
    app.commit()
    sealer.seal_once()
    sealer.tick()
    sealer.tick()
    append(app, uuid4(), 1)
    app.commit()
    sealer.seal_once()
    moments = [made_at for made_at, _ in checkpoints_of(database)]
    assert moments[0] == ahead
    assert len(set(moments)) == 4
    assert [known_at for *_, known_at in log_of(database)] == [ahead, moments[2]]


def test_each_batch_leaves_a_checkpoint_and_an_empty_one_none(
    database: str, app: Connection[TupleRow], sealer: Sealer
) -> None:
    sealer.seal_once()
    for _ in range(2):
        append(app, uuid4(), 1)
        app.commit()
        sealer.seal_once()
    assert [size for _, size in checkpoints_of(database)] == [1, 2]


def test_a_tick_of_an_empty_log_says_that_it_is_empty(database: str, sealer: Sealer) -> None:
    sealer.tick()
    assert [size for _, size in checkpoints_of(database)] == [0]


def test_followers_are_notified_once_per_batch(database: str, app: Connection[TupleRow], sealer: Sealer) -> None:
    with psycopg.connect(database, autocommit=True) as follower:
        follower.execute("LISTEN dossier_sealed")
        for _ in range(5):
            append(app, uuid4(), 1)
        app.commit()
        sealer.seal_once()
        sealer.seal_once()
        assert [note.payload for note in follower.notifies(timeout=0.2)] == ["5"]


# --- what should not be there ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [b"", b"\x00\xff", b"{", bytes(65535)])
def test_bytes_that_are_no_json_are_sealed_as_they_are(
    database: str, app: Connection[TupleRow], sealer: Sealer, entry: bytes
) -> None:
    append(app, uuid4(), 1, entry=entry)
    append(app, uuid4(), 1)
    app.commit()
    assert sealer.seal_once() == 2
    check_log(database)


def test_a_queue_row_without_event_is_dropped_and_leaves_no_gap(
    database: str, app: Connection[TupleRow], sealer: Sealer
) -> None:
    append(app, uuid4(), 1)
    enqueue(app, uuid4(), 1)
    append(app, uuid4(), 1)
    app.commit()
    assert sealer.seal_once() == 2
    check_log(database)


def test_a_queue_row_of_a_sealed_event_does_not_stop_the_sealer(
    database: str, app: Connection[TupleRow], sealer: Sealer
) -> None:
    stream = uuid4()
    append(app, stream, 1)
    app.commit()
    sealer.seal_once()
    enqueue(app, stream, 1)
    append(app, stream, 2)
    enqueue(app, stream, 2)
    app.commit()
    assert seal_all(sealer) == 1
    check_log(database)
