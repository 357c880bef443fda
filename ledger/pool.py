"""The pools of connections that this room works with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from db.pool import Role, sync_pool

Pool = ConnectionPool[Connection[TupleRow]]


def conninfo_of(pool: Pool) -> str:
    """Where the pool's connections lead."""
    return pool.conninfo if isinstance(pool.conninfo, str) else pool.conninfo()


@contextmanager
def pool_of_keys(keys_conninfo: str | None, role: Role, ledger: Pool, *, most: int = 2) -> Iterator[Pool]:
    """Lend the pool through which data keys are read: to their own database, if they have one, else the ledger's."""
    if keys_conninfo is None:
        yield ledger
        return
    with sync_pool(keys_conninfo, role, min_size=1, max_size=most, autocommit=True) as keys:
        yield keys
