"""Places with their entries: the same chunks wherever entries lie on disk; few are sought where they lie in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from db.conninfo import with_settings
from db.pool import connect
from ledger.places import CHUNK, PLAN, Chunk, Places
from tests.damages import disarm
from tests.ledger.sealing import copy_in

EVENTS = 5 * CHUNK + 100
CHUNKS = 8
LOG = "SELECT idx, log.hash, entry FROM ledger.log LEFT JOIN ledger.event USING (stream, version) ORDER BY idx"


@pytest.fixture
def boss(database: str) -> Iterator[Connection[Any]]:
    """A superuser, in whose way no trigger stands, of a log whose entries lie in its order."""
    with psycopg.connect(database, autocommit=True) as connection:
        disarm(connection)
        copy_in(connection, EVENTS)
        yield connection


@pytest.fixture
def reader(database: str, boss: Connection[Any]) -> Iterator[Connection[Any]]:
    assert boss
    with (
        connect(with_settings(database, PLAN, application_name="test"), "dossier_reader") as connection,
        connection.pipeline(),
    ):
        yield connection


def chunks(reader: Connection[Any]) -> list[Chunk]:
    return list(Places(lambda: reader).chunks(0, CHUNKS))


def rows(read: list[Chunk]) -> list[tuple[int, bytes, bytes | None]]:
    return [row for chunk in read for row in zip(*chunk, strict=True)]


def sought(reader: Connection[Any]) -> int:
    """How many entries this transaction has looked for by their key."""
    query = "SELECT idx_scan FROM pg_stat_xact_user_tables WHERE relid = 'ledger.event'::regclass"
    ((scans,),) = reader.execute(query).fetchall()
    return int(scans)


def lay(boss: Connection[Any], order: str) -> None:
    """Write all events anew, in another order of `idx`."""
    boss.execute(
        "CREATE TEMP TABLE events AS SELECT idx, event.* FROM ledger.event JOIN ledger.log USING (stream, version)"
    )
    boss.execute("TRUNCATE ledger.event")
    again = f"INSERT INTO ledger.event SELECT stream, version, type, entry FROM events ORDER BY {order}"  # noqa: S608
    boss.execute(again.encode())


ORDERS = {
    "two neighbours are swapped": "CASE idx WHEN 700 THEN 701 WHEN 701 THEN 700 ELSE idx END",
    "one lies at the end": "idx = 700, idx",
    "one in ten lies at the end": "idx % 10 = 3, idx",
    "what a chunk begins with lies at the end": "idx = 1024, idx",
    "what a chunk begins with lies at the beginning": "idx <> 1024, idx",
    "backwards": "idx DESC",
    "at random": "md5(idx::text)",
    "far apart": "idx % 64, idx",
}


# --- where entries lie ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_the_log_is_read_in_its_order_wherever_entries_lie(
    boss: Connection[Any], reader: Connection[Any], order: str
) -> None:
    lay(boss, order)
    read = chunks(reader)
    assert rows(read) == boss.execute(LOG).fetchall()
    assert [chunk.indexes for chunk in read[:2]] == [range(CHUNK), range(CHUNK, 2 * CHUNK)]


def test_of_entries_in_the_order_of_the_log_none_is_sought_but_where_chunks_begin_and_in_the_last(
    boss: Connection[Any], reader: Connection[Any]
) -> None:
    assert rows(chunks(reader)) == boss.execute(LOG).fetchall()
    assert sought(reader) == 6 + EVENTS % CHUNK


def test_of_entries_beside_that_order_only_those_are_sought(boss: Connection[Any], reader: Connection[Any]) -> None:
    lay(boss, "idx IN (3, 700, 701, 1600), idx")
    assert rows(chunks(reader)) == boss.execute(LOG).fetchall()
    assert sought(reader) == 6 + EVENTS % CHUNK + 4


# --- what is damaged ------------------------------------------------------------------------------------------------

DAMAGES = {
    "an entry is another": (
        "UPDATE ledger.event SET entry = 'x' FROM ledger.log"
        " WHERE idx = 700 AND (log.stream, log.version) = (event.stream, event.version)"
    ),
    "an entry is empty": (
        "UPDATE ledger.event SET entry = '' FROM ledger.log"
        " WHERE idx = 700 AND (log.stream, log.version) = (event.stream, event.version)"
    ),
    "an event is not there": (
        "DELETE FROM ledger.event USING ledger.log"
        " WHERE idx IN (0, 700, 1024) AND (log.stream, log.version) = (event.stream, event.version)"
    ),
    "an event is one of another version": (
        "UPDATE ledger.event SET version = 2 FROM ledger.log"
        " WHERE idx = 700 AND (log.stream, log.version) = (event.stream, event.version)"
    ),
    "no event is there": "DELETE FROM ledger.event",
    "a place is not there": "DELETE FROM ledger.log WHERE idx = 700",
    "a place is of another event": (
        "UPDATE ledger.log SET version = 2, stream = other.stream FROM ledger.event AS other WHERE idx = 700"
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_what_is_damaged_is_read_as_it_stands(boss: Connection[Any], reader: Connection[Any], damage: str) -> None:
    assert boss.execute(damage.encode()).rowcount > 0
    assert rows(chunks(reader)) == boss.execute(LOG).fetchall()


def test_a_place_that_stands_there_twice_is_read_twice(boss: Connection[Any], reader: Connection[Any]) -> None:
    boss.execute("ALTER TABLE ledger.log DROP CONSTRAINT log_pkey, DROP CONSTRAINT log_stream_version_key")
    boss.execute("CREATE INDEX ON ledger.log (idx)")
    boss.execute("INSERT INTO ledger.log SELECT * FROM ledger.log WHERE idx = 700")
    read = chunks(reader)
    assert [idx for idx, *_ in rows(read)] == sorted([*range(EVENTS), 700])
    assert not isinstance(read[1].indexes, range)


def test_an_event_that_stands_there_twice_is_read_twice(boss: Connection[Any], reader: Connection[Any]) -> None:
    boss.execute("ALTER TABLE ledger.event DROP CONSTRAINT event_pkey")
    boss.execute("CREATE INDEX ON ledger.event (stream, version)")
    boss.execute(
        "INSERT INTO ledger.event SELECT event.* FROM ledger.event JOIN ledger.log USING (stream, version)"
        " WHERE idx = 700"
    )
    assert rows(chunks(reader)) == boss.execute(LOG).fetchall()


def test_behind_a_gap_the_next_places_are_read(boss: Connection[Any], reader: Connection[Any]) -> None:
    boss.execute("DELETE FROM ledger.log WHERE idx BETWEEN 100 AND 1199")
    assert rows(chunks(reader)) == boss.execute(LOG).fetchall()


# --- the ends -------------------------------------------------------------------------------------------------------


def test_no_more_is_read_than_was_asked_for(reader: Connection[Any]) -> None:
    read = list(Places(lambda: reader).chunks(300, 2))
    assert [chunk.indexes for chunk in read] == [range(300, 300 + CHUNK), range(300 + CHUNK, 300 + 2 * CHUNK)]


def test_behind_the_log_there_is_nothing(reader: Connection[Any]) -> None:
    places = Places(lambda: reader)
    assert [places.has_any(begin) for begin in (0, EVENTS - 1, EVENTS)] == [True, True, False]
    assert list(places.chunks(EVENTS, 2)) == [Chunk(range(EVENTS, EVENTS), [], [])]
