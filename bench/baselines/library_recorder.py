"""The eventsourcing library's own PostgreSQL recorder, configured as its documentation says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from eventsourcing.persistence import ApplicationRecorder, InfrastructureFactory
from eventsourcing.postgres import PostgresFactory
from eventsourcing.utils import Environment
from psycopg.conninfo import conninfo_to_dict


def environment(conninfo: str, pool_size: int) -> dict[str, str]:
    """What the library wants to know of a database."""
    parts = conninfo_to_dict(conninfo)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(parts["dbname"]),
        "POSTGRES_HOST": str(parts.get("host", "")),
        "POSTGRES_PORT": str(parts.get("port", "5432")),
        "POSTGRES_USER": str(parts.get("user", "postgres")),
        "POSTGRES_PASSWORD": str(parts.get("password", "none")),
        "POSTGRES_POOL_SIZE": str(pool_size),
        "POSTGRES_MAX_OVERFLOW": "4",
        "POSTGRES_MAX_WAITING": "100",
    }


TABLE: Final = ("public", "bench_events")
"""Where it keeps the events: the library names the table after the application."""


@contextmanager
def library_recorder(conninfo: str, pool_size: int = 16) -> Iterator[ApplicationRecorder]:
    """Lend its recorder, with tables made in the database."""
    factory: InfrastructureFactory[object] = PostgresFactory(Environment("bench", environment(conninfo, pool_size)))  # type: ignore[type-var, assignment]
    try:
        yield factory.application_recorder()
    finally:
        factory.close()
