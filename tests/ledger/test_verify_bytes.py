"""Whichever byte of the evidence is changed: the database refuses it, or verification finds it.

Left out is what nothing in the database can tell: the code of a remembered request and what its answer said, and a
tick's time while no event is known from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import Connection, sql
from psycopg.pq import ExecStatus

from tests.damages import disarm, undone
from tests.ledger.test_verify import found
from tests.server import TestServer
from tests.told import tell


class Column(NamedTuple):
    """A column of the evidence. `send` is PostgreSQL's function that shows its bytes."""

    table: str
    name: str
    type: str
    send: str
    rows: str = "true"


_OF_NEW_EVENTS = "made_at IN (SELECT min(made_at) FROM ledger.checkpoint GROUP BY size)"

COLUMNS: Final = (
    Column("event", "stream", "uuid", "uuid_send"),
    Column("event", "version", "int8", "int8send"),
    Column("event", "type", "text", "textsend"),
    Column("event", "entry", "bytea", "byteasend"),
    Column("payload", "stream", "uuid", "uuid_send"),
    Column("payload", "version", "int8", "int8send"),
    Column("payload", "part", "int2", "int2send"),
    Column("payload", "ct", "bytea", "byteasend"),
    Column("log", "idx", "int8", "int8send"),
    Column("log", "stream", "uuid", "uuid_send"),
    Column("log", "version", "int8", "int8send"),
    Column("log", "hash", "bytea", "byteasend"),
    Column("log", "known_at", "timestamptz", "timestamptz_send"),
    Column("checkpoint", "size", "int8", "int8send"),
    Column("checkpoint", "root", "bytea", "byteasend"),
    Column("checkpoint", "made_at", "timestamptz", "timestamptz_send", _OF_NEW_EVENTS),
    Column("idempotency", "key", "text", "textsend"),
    Column("idempotency", "actor", "text", "textsend"),
    Column("idempotency", "stream", "uuid", "uuid_send"),
    Column("idempotency", "first_version", "int8", "int8send"),
    Column("idempotency", "last_version", "int8", "int8send"),
    Column("idempotency", "status", "int2", "int2send"),
    Column("subject_key", "subject", "uuid", "uuid_send"),
    Column("subject_key", "wrapped", "bytea", "byteasend"),
    Column("subject_key", "kek", "text", "textsend"),
)
_CHANGES = st.tuples(st.sampled_from(COLUMNS), st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 255))


@pytest.fixture(scope="module")
def told(server: TestServer) -> Iterator[str]:
    with server.database() as conninfo:
        tell(conninfo)
        yield conninfo


def changed(connection: Connection[Any], column: Column, row: int, byte: int, flip: int) -> bool:
    """Flip bits of one byte of one cell; False when the database refuses what comes of it."""
    disarm(connection)
    table = sql.Identifier("keys" if column.table == "subject_key" else "ledger", column.table)
    name, send, rows = sql.Identifier(column.name), sql.Identifier(column.send), sql.SQL(column.rows)
    look = sql.SQL("SELECT ctid::text, {}({}) FROM {} WHERE {} ORDER BY ctid").format(send, name, table, rows)
    cells = connection.execute(look).fetchall()
    place, cell = cells[row % len(cells)]
    content = bytearray(cell)
    content[byte % len(cell)] ^= flip
    change = sql.SQL("UPDATE {} SET {} = $1 WHERE ctid = $2::text::tid").format(table, name)
    oid = connection.adapters.types[column.type].oid
    answer = connection.pgconn.exec_params(
        change.as_bytes(connection), [bytes(content), place.encode()], [oid, 0], [1, 0]
    )
    return answer.status == ExecStatus.COMMAND_OK


def assert_found(conninfo: str, change: tuple[Column, int, int, int]) -> str:
    """Who noticed: the database, which refused, or verification."""
    with undone(conninfo) as connection:
        if not changed(connection, *change):
            return "refused by the database"
        assert found(connection) != []
    return "found by verification"


@settings(max_examples=25, deadline=None)
@given(change=_CHANGES)
def test_a_changed_byte_is_found(told: str, change: tuple[Column, int, int, int]) -> None:
    assert_found(told, change)


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: f"{column.table}.{column.name}")
def test_the_first_and_the_last_byte_of_every_column_count(told: str, column: Column) -> None:
    """The high bit makes times that Python cannot hold and numbers that are negative."""
    for byte, flip in ((0, 0x80), (-1, 0x01)):
        assert_found(told, (column, 0, byte, flip))


@pytest.mark.long
def test_any_changed_byte_is_found(told: str, record_property: Callable[[str, object], None]) -> None:
    noticed: Counter[str] = Counter()

    @settings(max_examples=1000, deadline=None)
    @given(change=_CHANGES)
    def change_a_byte(change: tuple[Column, int, int, int]) -> None:
        noticed[assert_found(told, change)] += 1

    change_a_byte()
    for who, changes in sorted(noticed.items()):
        record_property(f"changed bytes {who}", changes)
