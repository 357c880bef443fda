"""What PostgreSQL counted in a database: the conflicts that a write path gets over and no caller ever hears of."""

from __future__ import annotations

import time
from typing import NamedTuple

import psycopg

_PATIENCE_SECONDS = 60.0
_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_COUNTED = "SELECT deadlocks, xact_rollback FROM pg_stat_database WHERE datname = current_database()"


class Conflicts(NamedTuple):
    """`rollbacks` are transactions that found a version, an identifier or a key taken, and were decided anew."""

    deadlocks: int
    rollbacks: int


def conflicts_in(database: str) -> Conflicts:
    """All so far. Its connections must be closed, or about to be: a connection hands in its figures when it ends."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with psycopg.connect(database, autocommit=True) as connection:
        while connection.execute(_OTHERS).fetchone() != (0,):
            assert time.monotonic() < deadline, "somebody is still connected"
            time.sleep(0.01)
    return conflicts_so_far(database)


def conflicts_so_far(database: str) -> Conflicts:
    """What connections have handed in, which they do about once a second."""
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute(_COUNTED).fetchone()
    assert row is not None
    return Conflicts(*row)
