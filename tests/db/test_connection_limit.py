"""How many connections a login may have: what the server, the database and the login itself allow."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from db.connection_limit import connection_limit


@pytest.fixture
def login(database: str) -> Iterator[str]:
    """A login that is no superuser."""
    name = f"login_{uuid4().hex}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        yield name
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def shown(database: str, name: str) -> int:
    with psycopg.connect(database) as connection:
        return int(connection.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))).fetchall()[0][0])


def test_a_superuser_may_have_all_that_the_server_takes(database: str) -> None:
    assert connection_limit(database) == shown(database, "max_connections")


def test_some_are_kept_back_from_everybody_else(database: str, login: str) -> None:
    kept_back = shown(database, "superuser_reserved_connections")
    assert connection_limit(make_conninfo(database, user=login)) == shown(database, "max_connections") - kept_back


def test_a_login_may_have_a_limit_of_its_own(database: str, login: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 7").format(sql.Identifier(login)))
    assert connection_limit(make_conninfo(database, user=login)) == 7


def test_a_database_may_have_one_too(database: str, login: str) -> None:
    with psycopg.connect(database) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 9").format(name))
    assert connection_limit(make_conninfo(database, user=login)) == 9
