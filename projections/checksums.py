"""Checksums of the tables that follow the log: what two people compare to show that they hold the same rows.

Owns how a table is digested: by the server, per stream (a customer's, nearly always) and whatever the order of the
rows. A hash of 64 bits a row tells of mistakes, it proves nothing against somebody who makes rows to its measure; and
it is PostgreSQL's own, so equal rows have equal checksums on servers of one major version and one byte order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from db.queries import load
from projections.expected import Followed

_QUERIES: Final = load("projections", "checksums.sql")
_BATCH: Final = 2000
_SUM_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class Checksum:
    """How many rows a table has, and the sum of their hashes."""

    rows: int = 0
    total: int = 0

    def __add__(self, other: Checksum) -> Checksum:
        return Checksum(self.rows + other.rows, self.total + other.total)

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits."""
        return f"{self.total % 2**_SUM_BITS:016x}"


@dataclass(frozen=True, slots=True)
class TableChecksums:
    """A live table, and its shadow where one was built, both at `position`."""

    table: str
    position: int
    live: Checksum
    shadow: Checksum | None = None


class Tally:
    """Digests a table customer by customer; `checksum` is of those passed so far."""

    def __init__(self, connection: Connection[Any], schema: str, table: Followed) -> None:
        self._connection = connection
        self._schema = schema
        self._table = table
        self.checksum = Checksum()

    def digests(self) -> Iterator[tuple[UUID, Checksum]]:
        """Each customer of which there are rows, in the order of their ids."""
        with self._connection.cursor(f"digests_{self._table.name}", binary=True) as cursor:
            cursor.itersize = _BATCH
            for customer_id, rows, total in cursor.execute(_of_table("digests", self._schema, self._table)):
                digest = Checksum(rows, int(total))
                self.checksum += digest
                yield customer_id, digest


def checksum_of(connection: Connection[Any], table: Followed) -> Checksum:
    """The checksum of the live table, as the connection's transaction sees it."""
    ((rows, total),) = connection.execute(_of_table("checksum", "read", table)).fetchall()
    return Checksum(rows, int(total))


def _of_table(query: str, schema: str, table: Followed) -> Composed:
    columns = SQL(", ").join(
        SQL("{}::text" if number in table.json_columns else "{}").format(Identifier(column))
        for number, column in enumerate(table.columns)
    )
    stream_id = Identifier(table.columns[0])
    return SQL(_QUERIES[query]).format(table=Identifier(schema, table.name), stream_id=stream_id, columns=columns)
