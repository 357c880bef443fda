"""A database that is being restored: from the first statement until all is in its place it is marked, and not served.

What must stay true: only an empty database is ever marked, so that whatever a marked one holds came from a restore and
may be dropped for the next attempt; and who migrates, as every start of the service does, looks for the marker under
the same lock that it is set under, so that either the service finds the marker or the restore finds the service's
tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import Connection

from db.conninfo import with_settings
from db.errors import AnotherRestore, BeingRestored, DatabaseNotEmpty
from db.migrate import take_migration_lock
from db.queries import load

_QUERIES: Final = load("db", "restoring.sql")
_SETTINGS: Final = {
    "timezone": "UTC",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "client_min_messages": "warning",
}


@contextmanager
def restoring(conninfo: str) -> Iterator[Connection[Any]]:
    """Lend a connection, in autocommit, to a database that is empty and marked now; call `unmark` when it is whole.

    What an interrupted restore has left is removed. Raises DatabaseNotEmpty, AnotherRestore, psycopg.Error.
    """
    url = with_settings(conninfo, _SETTINGS, application_name="dossier_restore")
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute(_QUERIES["take_turn"]).fetchone() != (True,):
            raise AnotherRestore
        with connection.transaction():
            take_migration_lock(connection)
            if connection.execute(_QUERIES["is_marked"]).fetchone() == (True,):
                connection.execute(_QUERIES["clear"])
            if found := connection.execute(_QUERIES["found"]).fetchall():
                raise DatabaseNotEmpty(", ".join(name for (name,) in found))
            connection.execute(_QUERIES["mark"])
        # If we die from here on, the database refuses to be served, and the next restore begins anew.
        yield connection


def refuse_unfinished(connection: Connection[Any]) -> None:
    """Raises BeingRestored for a database of which half may be missing yet."""
    if connection.execute(_QUERIES["is_marked"]).fetchone() == (True,):
        raise BeingRestored


def unmark(connection: Connection[Any]) -> None:
    """The database is whole: it may be served."""
    connection.execute(_QUERIES["unmark"])
