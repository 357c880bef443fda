"""The recorder: one transaction per append, errors by name, events back as they went in."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing import persistence
from eventsourcing.persistence import StoredEvent

from db.pool import sync_pool
from domain.events import RecordedEvent
from domain.events.contacts import ContactAdded
from ledger import errors
from ledger.application import Ledger
from ledger.codec import subjects_of
from ledger.frame import MAGIC
from ledger.keys import KeyStore
from ledger.pool import Pool
from ledger.recorder import LedgerRecorder
from ledger.sealer import Sealer
from ledger.statements import Joinable, Statement
from tests.ledger.sealing import append, wait_until
from tests.make import Stream

CLAIM = "INSERT INTO read.identifier (scheme, value, customer_id, version) VALUES ('USCC', %(value)s, %(customer)s, 1)"
LAST_ID = "SELECT last_value FROM ledger.unsealed_id_seq"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'transactionid'"


def claim(value: str) -> Statement:
    return Statement(CLAIM, {"value": value, "customer": uuid4()})


def stored(stream: UUID, version: int, state: bytes = b"state") -> StoredEvent:
    return StoredEvent(stream, version, "topic", state)


def save(ledger: Ledger, keys: KeyStore, *events: RecordedEvent) -> None:
    keys.ensure({subject for event in events for subject in subjects_of(event)})
    ledger.save(*events)


def a_stream() -> Stream:
    stream = Stream()
    stream.add(ContactAdded(contact_id=uuid4(), name="王芳", title="采购经理"))
    stream.attribute("note", {"a": [1, None]})
    stream.attribute("note", None)
    return stream


# --- there and back -------------------------------------------------------------------------------------------------


def test_what_is_saved_is_read_back(ledger: Ledger, keys: KeyStore) -> None:
    stream = a_stream()
    save(ledger, keys, *stream.events)
    assert ledger.history(stream.customer_id) == stream.events
    assert list(ledger.events.get(stream.customer_id)) == stream.events
    assert ledger.history(stream.customer_id, gt=1, lte=2) == stream.events[1:2]
    assert ledger.history(uuid4()) == []


def test_a_stream_is_read_backwards_and_in_part(ledger: Ledger, keys: KeyStore) -> None:
    stream = a_stream()
    save(ledger, keys, *stream.events)
    assert list(ledger.events.get(stream.customer_id, desc=True, limit=2)) == stream.events[:0:-1]


def test_a_stream_may_be_named_by_text(ledger: Ledger) -> None:
    stream = uuid4()
    ledger.recorder.insert_events([stored(stream, 1)])
    assert ledger.recorder.select_events(str(stream)) == [StoredEvent(str(stream), 1, "topic", b"state")]


def test_an_erased_part_is_missing_from_what_is_read(database: str, ledger: Ledger, keys: KeyStore) -> None:
    stream = a_stream()
    save(ledger, keys, *stream.events)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE ledger.payload DISABLE TRIGGER USER")
        connection.execute("DELETE FROM ledger.payload WHERE version = 1 AND part = 1")
    with pytest.raises(errors.PartMissing):
        ledger.history(stream.customer_id)
    assert ledger.history(stream.customer_id, gt=1) == stream.events[1:]


def test_events_of_several_streams_are_saved_at_once(ledger: Ledger, keys: KeyStore) -> None:
    streams = [a_stream() for _ in range(3)]
    interleaved = [stream.events[number] for number in range(3) for stream in streams]
    save(ledger, keys, *interleaved)
    assert [ledger.history(stream.customer_id) for stream in streams] == [stream.events for stream in streams]


def test_events_wait_for_the_sealer_in_the_order_of_recording(database: str, ledger: Ledger, keys: KeyStore) -> None:
    streams = [a_stream() for _ in range(3)]
    interleaved = [stream.events[number] for number in range(3) for stream in streams]
    save(ledger, keys, *interleaved)
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT stream, version, recorded_at FROM ledger.unsealed ORDER BY id").fetchall()
    assert rows == [
        (event.originator_id, event.originator_version, event.envelope.recorded_at) for event in interleaved
    ]


def test_saving_something_else_than_an_event_is_refused(ledger: Ledger) -> None:
    class Other:
        originator_id = uuid4()
        originator_version = 1

    with pytest.raises(TypeError, match="Other"):
        ledger.save(Other())


def test_saving_without_keys_is_refused(ledger: Ledger) -> None:
    with pytest.raises(errors.DataKeyMissing):
        ledger.save(*a_stream().events)


def test_a_state_that_only_begins_like_a_frame_is_refused(ledger: Ledger) -> None:
    with pytest.raises(errors.MalformedFrame):
        ledger.recorder.insert_events([stored(uuid4(), 1, MAGIC)])


def test_versions_out_of_order_are_refused(ledger: Ledger) -> None:
    stream = uuid4()
    with pytest.raises(persistence.ProgrammingError, match="after a later one"):
        ledger.recorder.insert_events([stored(stream, 2), stored(stream, 1)])


def test_a_stream_that_is_no_uuid_is_refused(ledger: Ledger) -> None:
    with pytest.raises(persistence.DataError, match="UUID"):
        ledger.recorder.select_events("customer-7")


# --- one transaction ------------------------------------------------------------------------------------------------


def test_statements_given_along_are_in_the_same_transaction(ledger: Ledger, pool: Pool) -> None:
    ledger.recorder.insert_events([stored(uuid4(), 1)], inline=[claim("1")])
    stream = uuid4()
    with pytest.raises(errors.AppendConflict) as caught:
        ledger.recorder.insert_events([stored(stream, 1)], inline=[claim("2"), claim("1")])
    assert caught.value.constraint == "identifier_pkey"
    assert ledger.recorder.select_events(stream) == []
    with pool.connection() as connection:
        assert connection.execute("SELECT value FROM read.identifier").fetchall() == [("1",)]
        assert connection.execute("SELECT count(*) FROM ledger.unsealed").fetchall() == [(1,)]


def test_joined_statements_are_in_the_same_transaction_too(ledger: Ledger, pool: Pool) -> None:
    ledger.recorder.insert_events([stored(uuid4(), 1)], inline=[Joinable(*claim("1"))])
    stream = uuid4()
    with pytest.raises(errors.AppendConflict) as caught:
        ledger.recorder.insert_events([stored(stream, 1)], inline=[Joinable(*claim("1"))])
    assert caught.value.constraint == "identifier_pkey"
    assert ledger.recorder.select_events(stream) == []
    with pool.connection() as connection:
        assert connection.execute("SELECT value FROM read.identifier").fetchall() == [("1",)]


def test_statements_that_would_take_each_others_parameters_are_not_joined(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="customer, value"):
        ledger.recorder.insert_events([stored(uuid4(), 1)], inline=[Joinable(*claim("1")), Joinable(*claim("2"))])


def test_a_taken_version_names_its_constraint(ledger: Ledger) -> None:
    stream = uuid4()
    ledger.recorder.insert_events([stored(stream, 1)])
    with pytest.raises(errors.AppendConflict) as caught:
        ledger.recorder.insert_events([stored(uuid4(), 1), stored(stream, 1)])
    assert caught.value.constraint == "event_pkey"
    assert isinstance(caught.value, persistence.IntegrityError)
    assert errors.is_conflict(caught.value)


def test_the_connection_serves_on_after_a_refusal(ledger: Ledger) -> None:
    stream = uuid4()
    for _ in range(7):  # beyond the number of uses after which psycopg prepares a statement
        ledger.recorder.insert_events([stored(stream, len(ledger.recorder.select_events(stream)))])
        with pytest.raises(errors.AppendConflict):
            ledger.recorder.insert_events([stored(stream, 0)])
    assert len(ledger.recorder.select_events(stream)) == 7


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT 1/0", persistence.DataError),
        ("SELECT no_such_column", persistence.ProgrammingError),
        ("DELETE FROM ledger.event", persistence.ProgrammingError),
        ("INSERT INTO read.identifier VALUES ('USCC', 'x', gen_random_uuid(), -1)", persistence.IntegrityError),
        ("DO 'BEGIN RAISE SQLSTATE ''40001''; END'", errors.ConcurrencyFailure),
        ("DO 'BEGIN RAISE SQLSTATE ''40P01''; END'", errors.ConcurrencyFailure),
        ("DO 'BEGIN RAISE SQLSTATE ''57P01''; END'", errors.Unavailable),
        ("DO 'BEGIN RAISE SQLSTATE ''57014''; END'", persistence.OperationalError),
        ("DO 'BEGIN RAISE SQLSTATE ''0A000''; END'", persistence.NotSupportedError),
        ("DO 'BEGIN RAISE SQLSTATE ''XX000''; END'", persistence.InternalError),
        ("DO 'BEGIN RAISE SQLSTATE ''DS001''; END'", persistence.DatabaseError),
    ],
)
def test_errors_are_translated_by_class(ledger: Ledger, statement: str, error: type[Exception]) -> None:
    stream = uuid4()
    with pytest.raises(persistence.PersistenceError) as caught:
        ledger.recorder.insert_events([stored(stream, 1)], inline=[Statement(statement, {})])
    assert type(caught.value) is error
    assert isinstance(caught.value.__cause__, psycopg.Error)
    assert errors.is_conflict(caught.value) == (error is errors.ConcurrencyFailure)
    assert errors.is_unavailable(caught.value) == (error is errors.Unavailable)
    assert ledger.recorder.select_events(stream) == []


def test_a_lost_connection_is_named_and_the_next_append_gets_another(ledger: Ledger) -> None:
    stream = uuid4()
    kill = [Statement("SET LOCAL ROLE NONE", {}), Statement("SELECT pg_terminate_backend(pg_backend_pid())", {})]
    with pytest.raises(errors.Unavailable):
        ledger.recorder.insert_events([stored(stream, 1)], inline=kill)
    ledger.recorder.insert_events([stored(stream, 1)])
    assert len(ledger.recorder.select_events(stream)) == 1


def test_a_database_that_is_away_is_named() -> None:
    pool = sync_pool("host=/nonexistent", "dossier_app", min_size=0, max_size=1)
    pool.timeout = 0.2
    with pool, pytest.raises(errors.Unavailable) as caught:
        LedgerRecorder(pool).insert_events([stored(uuid4(), 1)])
    assert errors.is_unavailable(caught.value)


def test_two_processes_that_write_the_same_streams_do_not_deadlock(pool: Pool) -> None:
    """Whatever the order the events are given in, rows are written in the order of their keys."""
    streams = [uuid4() for _ in range(50)]
    refusals: list[Exception] = []

    def append_to(order: list[UUID]) -> None:
        for version in range(5):
            try:
                LedgerRecorder(pool).insert_events([stored(stream, version) for stream in order])
            except Exception as error:  # noqa: BLE001 - looked at below
                refusals.append(error)

    threads = [Thread(target=append_to, args=(order,)) for order in (streams, streams[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(error) for error in refusals] == [errors.AppendConflict] * 5


def test_an_append_that_waits_for_another_has_drawn_no_id_of_the_queue(database: str, pool: Pool) -> None:
    """It may wait for long, and the floor takes whoever has drawn an id for a transaction with a number."""
    first, second = sorted(uuid4() for _ in range(2))
    refusals: list[Exception] = []

    def append_both() -> None:
        try:
            LedgerRecorder(pool).insert_events([stored(first, 1), stored(second, 1)])
        except errors.AppendConflict as error:
            refusals.append(error)

    with psycopg.connect(database) as other, psycopg.connect(database, autocommit=True) as watch:
        append(other, second, 1)
        drawn = watch.execute(LAST_ID).fetchone()
        thread = Thread(target=append_both)
        thread.start()
        wait_until(lambda: watch.execute(WAITING).fetchone() == (1,))
        assert watch.execute(LAST_ID).fetchone() == drawn
        other.commit()
        thread.join()
    assert len(refusals) == 1


# --- the log --------------------------------------------------------------------------------------------------------


def test_only_sealed_events_are_in_the_log(ledger: Ledger, seal: Callable[[], int]) -> None:
    ledger.recorder.insert_events([stored(uuid4(), 1)])
    assert ledger.recorder.max_notification_id() is None
    assert ledger.recorder.select_notifications(None, 10) == []
    assert seal() == 1
    assert ledger.recorder.max_notification_id() == 1
    (notification,) = ledger.recorder.select_notifications(None, 10)
    assert (notification.id, notification.state) == (1, b"state")


def test_sealed_events_are_decoded_from_the_log(ledger: Ledger, keys: KeyStore, seal: Callable[[], int]) -> None:
    stream = a_stream()
    save(ledger, keys, *stream.events)
    seal()
    notifications = ledger.recorder.select_notifications(None, 10)
    assert [notification.id for notification in notifications] == [1, 2, 3]
    assert [ledger.mapper.to_domain_event(notification) for notification in notifications] == stream.events


def test_a_subscription_yields_what_is_sealed_later(database: str, ledger: Ledger) -> None:
    sealer = Sealer(database)
    with ledger.recorder.subscribe() as subscription:
        for version in range(3):
            ledger.recorder.insert_events([stored(uuid4(), version)])
            sealer.seal_once()
            assert next(subscription).id == version + 1
    sealer.close()


def test_a_subscription_that_loses_the_database_ends_in_the_error(database: str, ledger: Ledger) -> None:
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query = 'LISTEN dossier_sealed'"
    )
    with ledger.recorder.subscribe() as subscription, psycopg.connect(database, autocommit=True) as administrator:
        while not administrator.execute(kill).fetchall():
            pass  # it has not begun to listen yet
        with pytest.raises(errors.Unavailable):
            next(subscription)
