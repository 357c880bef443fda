"""How many connections a login may have."""

from __future__ import annotations

from pathlib import Path

import psycopg

from db.queries import load

_QUERIES = load(Path(__file__).parent, "connection_limit.sql")


def connection_limit(conninfo: str) -> int:
    """How many connections the login may have in that database, were nobody else there. Raises OperationalError."""
    with psycopg.connect(conninfo, application_name="dossier_start") as connection:
        row = connection.execute(_QUERIES["connection_limit"]).fetchone()
    assert row is not None  # noqa: S101 - we are logged in, so there is such a login
    return int(row[0])
