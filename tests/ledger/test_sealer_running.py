"""The sealer at work: among writers, among other sealers, and through lost connections."""

from __future__ import annotations

import time
from threading import Event, Thread
from uuid import uuid4

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from db.pool import connect
from ledger.sealer import Sealer
from tests.ledger.sealing import Clock, append, check_log, checkpoints_of, log_of, running, wait_until

_KILL_WAITING_SEALER = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'dossier_sealer' AND wait_event_type = 'Lock'
"""


def write_many(database: str, events: int) -> None:
    with connect(database, "dossier_app") as connection:
        stream = uuid4()
        for version in range(events):
            append(connection, stream, version)
            connection.commit()


def test_a_running_sealer_takes_what_writers_commit(database: str) -> None:
    with running(Sealer(database, batch=20)):
        writers = [Thread(target=write_many, args=(database, 100)) for _ in range(3)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        wait_until(lambda: len(log_of(database)) == 300)
    check_log(database)


def test_a_sealer_that_is_told_to_end_seals_what_is_committed_by_then(database: str, app: Connection[TupleRow]) -> None:
    for size in range(0, 65, 13):
        with running(Sealer(database, batch=5)):
            append(app, uuid4(), 1)
            app.commit()
            wait_until(lambda size=size: len(log_of(database)) == size + 1)  # type: ignore[misc]
            for _ in range(12):
                append(app, uuid4(), 1)
            app.commit()
        assert len(log_of(database)) == size + 13
    check_log(database)


def test_two_sealers_that_ignore_their_turn_are_fenced_off_by_the_log(database: str) -> None:
    """seal_once takes no turn: whatever both take at the same time, the log gets it once."""
    done = Event()

    def seal_greedily() -> None:
        sealer = Sealer(database, batch=7)
        while not done.is_set():
            sealer.seal_once()
        sealer.close()

    sealers = [Thread(target=seal_greedily) for _ in range(2)]
    for thread in sealers:
        thread.start()
    write_many(database, 200)
    wait_until(lambda: len(log_of(database)) == 200)
    done.set()
    for thread in sealers:
        thread.join()
    check_log(database)


def test_a_second_sealer_waits_for_its_turn_and_then_takes_it(database: str, app: Connection[TupleRow]) -> None:
    first, second = Sealer(database), Sealer(database)
    with running(second):
        with running(first):
            append(app, uuid4(), 1)
            app.commit()
            wait_until(lambda: len(log_of(database)) == 1)
        append(app, uuid4(), 1)
        app.commit()
        wait_until(lambda: len(log_of(database)) == 2)
    check_log(database)


def test_a_sealer_that_loses_its_connection_goes_on(database: str, app: Connection[TupleRow]) -> None:
    with running(Sealer(database)), psycopg.connect(database, autocommit=True) as administrator:
        for size in (1, 2, 3):
            administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'dossier_sealer'"
            )
            append(app, uuid4(), 1)
            app.commit()
            wait_until(lambda size=size: len(log_of(database)) == size)  # type: ignore[misc]
    check_log(database)


def test_a_sealer_killed_in_the_middle_of_a_batch_leaves_nothing_of_it(
    database: str, app: Connection[TupleRow]
) -> None:
    streams = [uuid4() for _ in range(5)]
    for stream in streams:
        append(app, stream, 1)
    app.commit()
    with psycopg.connect(database) as other, psycopg.connect(database, autocommit=True) as administrator:
        # The third place is taken by one who does not commit: the sealer waits with two places given.
        other.execute("INSERT INTO ledger.log VALUES (2, gen_random_uuid(), 1, sha256(''), now())")
        with running(Sealer(database)):
            wait_until(lambda: administrator.execute(_KILL_WAITING_SEALER).fetchone() == (1,))
            assert log_of(database) == []
            other.rollback()
            wait_until(lambda: len(log_of(database)) == 5)
    check_log(database)
    assert [stream for _, stream, *_ in log_of(database)] == streams


def test_an_idle_sealer_ticks_after_a_second_and_then_every_minute(database: str) -> None:
    clock = Clock()
    with running(Sealer(database, clock=clock)):
        clock.now += 0.9
        time.sleep(0.1)
        assert checkpoints_of(database) == []
        for ticks, seconds in ((1, 0.2), (2, 60)):
            clock.now += seconds
            wait_until(lambda ticks=ticks: len(checkpoints_of(database)) == ticks)  # type: ignore[misc]
        clock.now += 59
        time.sleep(0.1)
        assert len(checkpoints_of(database)) == 2
