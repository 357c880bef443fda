"""Packed arrays: the server reads what was packed, of every type, empty ones and nulls included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from db import arrays
from db.arrays import Array

STREAM = uuid4()
NOW = datetime.now(UTC)
EARLY = datetime(1066, 10, 14, 9, 0, 0, 1, timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("packed", "type_name", "values"),
    [
        (arrays.uuids([STREAM, UUID(int=0)]), "uuid[]", [STREAM, UUID(int=0)]),
        (arrays.bigints([0, -1, 2**63 - 1]), "bigint[]", [0, -1, 2**63 - 1]),
        (arrays.integers([0, -1, 2**31 - 1]), "integer[]", [0, -1, 2**31 - 1]),
        (arrays.smallints([0, -1, 2**15 - 1]), "smallint[]", [0, -1, 2**15 - 1]),
        (arrays.texts(["", "王方", None, "NULL"]), "text[]", ["", "王方", None, "NULL"]),
        (arrays.byteas([b"", b"\x00\xff" * 1000]), "bytea[]", [b"", b"\x00\xff" * 1000]),
        (arrays.timestamps([NOW, None, EARLY]), "timestamp with time zone[]", [NOW, None, EARLY]),
        (arrays.jsonbs([b'{"a": [1, null]}', None]), "jsonb[]", [{"a": [1, None]}, None]),
        (arrays.uuids([]), "uuid[]", []),
        (arrays.texts([]), "text[]", []),
    ],
)
def test_the_server_reads_what_was_packed(database: str, packed: Array, type_name: str, values: list[Any]) -> None:
    with psycopg.connect(database) as connection:
        read = connection.execute("SELECT pg_typeof(%(array)s)::text, %(array)s", {"array": packed}).fetchone()
    assert read == (type_name, values)


def test_one_statement_takes_arrays_of_several_types(database: str) -> None:
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT * FROM unnest(%s, %s, %s)",
            [arrays.bigints([1, 2]), arrays.texts(["a", None]), arrays.byteas([b"x", b"y"])],
        ).fetchall()
    assert rows == [(1, "a", b"x"), (2, None, b"y")]
