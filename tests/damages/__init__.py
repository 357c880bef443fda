"""Ways to damage the history of tests/told.py, and where verification must say that the damage is.

Each is SQL as a superuser could run it, in whose way no trigger stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import psycopg
import pytest
from psycopg import Connection

from tests.told import ACME, BETA

EVIDENCE: Final = (
    *("ledger.event", "ledger.payload", "ledger.log", "ledger.node", "ledger.checkpoint", "ledger.signature"),
    *("ledger.idempotency", "ledger.unsealed"),
    "keys.subject_key",
)


class Damage(NamedTuple):
    """`sql` leads to a finding of `check` at a place that begins with `place`, among others perhaps."""

    title: str
    sql: str
    check: str
    place: str


def do(connection: Connection[Any], damage: Damage) -> None:
    """Run it in the caller's transaction; it must change something."""
    disarm(connection)
    assert connection.execute(damage.sql.encode(), {"acme": ACME, "beta": BETA}).rowcount > 0


def disarm(connection: Connection[Any]) -> None:
    """Take away what refuses changes of the evidence, in the caller's transaction if there is one."""
    for table in EVIDENCE:
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
    connection.execute("ALTER TABLE ledger.checkpoint DROP CONSTRAINT IF EXISTS checkpoint_root_check")


@contextmanager
def undone(conninfo: str) -> Iterator[Connection[Any]]:
    """A connection whose changes are undone."""
    with psycopg.connect(conninfo) as connection, connection.transaction(force_rollback=True):
        yield connection


def each(damages: tuple[Damage, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("damage", [pytest.param(damage, id=damage.title) for damage in damages])
