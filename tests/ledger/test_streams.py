"""Whole streams as stored: complete, in order, of one moment, undecoded."""

from __future__ import annotations

from uuid import UUID

import psycopg
from eventsourcing.persistence import StoredEvent
from psycopg import IsolationLevel
from uuid_utils.compat import uuid7

from db.pool import connect
from ledger import codec
from ledger.sealer import Sealer
from ledger.streams import StoredStream, read_streams
from tests.ledger.writing import Path, attribute, registration, write_path


def stored(database: str, **how: object) -> list[StoredStream]:
    with connect(database, "dossier_reader") as connection:
        connection.read_only = True
        return list(read_streams(connection, **how))  # type: ignore[arg-type]


def customers(path: Path, number: int) -> list[UUID]:
    """Customers with three events each, written in turns."""
    ids = [uuid7() for _ in range(number)]
    for customer_id in ids:
        path.accept(registration("Acme", customer_id=customer_id))
    for value in range(2):
        for customer_id in ids:
            path.accept(attribute(customer_id, "n", value))
    return ids


def seal(database: str) -> None:
    sealer = Sealer(database)
    sealer.seal_once()
    sealer.close()


def test_streams_come_whole_and_in_order_whatever_the_batch(database: str) -> None:
    with write_path(database) as path:
        ids = customers(path, 3)
        seal(database)
        path.accept(attribute(ids[0], "n", 2))
        for batch in (1, 2000):
            streams = stored(database, batch=batch)
            assert [stream.customer_id for stream in streams] == sorted(ids)
            for stream in streams:
                events = [codec.decode(event, path.keys) for event in stream.events]
                assert events == path.ledger.history(stream.customer_id)


def test_each_event_has_its_position_unless_it_waits_for_the_sealer(database: str) -> None:
    with write_path(database) as path:
        (customer_id,) = customers(path, 1)
        sealed = len(path.ledger.history(customer_id))
        seal(database)
        path.accept(attribute(customer_id, "n", 2))
    ((_, events, positions),) = stored(database)
    assert [event.originator_version for event in events] == list(range(1, sealed + 2))
    assert positions == [*range(1, sealed + 1), None]


def test_some_customers_can_be_asked_for(database: str) -> None:
    with write_path(database) as path:
        ids = customers(path, 3)
    wanted = [ids[2], uuid7(), ids[0]]
    assert [stream.customer_id for stream in stored(database, customer_ids=wanted)] == [ids[0], ids[2]]
    assert stored(database, customer_ids=[]) == []


def test_two_readings_can_go_on_side_by_side_in_one_moment(database: str) -> None:
    with write_path(database) as path, connect(database, "dossier_reader") as connection:
        ids = sorted(customers(path, 2))
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        one, other = read_streams(connection, batch=1), read_streams(connection, batch=1)
        first = next(one)
        path.accept(attribute(ids[1], "n", 2))
        assert [next(other), next(other)] == [first, next(one)]
        assert next(one, None) is None


def test_what_cannot_be_decoded_is_read_all_the_same(database: str) -> None:
    customer_id = uuid7()
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO ledger.event VALUES (%s, 1, 'x', 'no entry')", [customer_id])
    assert stored(database) == [StoredStream(customer_id, [StoredEvent(customer_id, 1, "x", b"no entry")], [None])]
