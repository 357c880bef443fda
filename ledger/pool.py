"""The pool of connections that this room works with."""

from __future__ import annotations

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

Pool = ConnectionPool[Connection[TupleRow]]


def conninfo_of(pool: Pool) -> str:
    """Where the pool's connections lead."""
    return pool.conninfo if isinstance(pool.conninfo, str) else pool.conninfo()
