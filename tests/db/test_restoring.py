"""The marker of a database that is being restored: who finds it does not serve it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from db.errors import AnotherRestore, BeingRestored, DatabaseNotEmpty
from db.migrate import migrate
from db.restoring import restoring, unmark
from tests.server import TestServer


@pytest.fixture
def empty(server: TestServer) -> Iterator[str]:
    with server.database(template="template0") as conninfo:
        yield conninfo


def test_a_marked_database_is_not_migrated_and_so_not_served(empty: str) -> None:
    with restoring(empty) as connection:
        with pytest.raises(BeingRestored):
            migrate(empty)
        assert migrate(empty, first=1, restoring=True) == ["0001_ledger"]
        with pytest.raises(BeingRestored):
            migrate(empty)
        unmark(connection)
    assert migrate(empty)[0] == "0002_read_models"


def test_what_an_interrupted_restore_left_is_removed_by_the_next(empty: str) -> None:
    with restoring(empty):
        migrate(empty, restoring=True)
    with psycopg.connect(empty) as connection:
        connection.execute("CREATE SCHEMA shadow")
    with restoring(empty) as connection:
        assert connection.execute("SELECT to_regnamespace('ledger'), to_regnamespace('shadow')").fetchone() == (
            None,
            None,
        )


@pytest.mark.parametrize("content", ["CREATE TABLE mine (n integer)", "CREATE SCHEMA mine", "CREATE SEQUENCE mine"])
def test_a_database_with_anything_in_it_is_refused(empty: str, content: str) -> None:
    with psycopg.connect(empty) as connection:
        connection.execute(content.encode())
    with pytest.raises(DatabaseNotEmpty, match="mine"), restoring(empty):
        pass
    assert migrate(empty), "it is not marked"


def test_a_served_database_is_refused_and_stays_as_it_was(database: str) -> None:
    with pytest.raises(DatabaseNotEmpty, match="schema keys, schema ledger, schema read"), restoring(database):
        pass
    assert migrate(database) == []


def test_an_extension_is_no_content(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        connection.execute("CREATE EXTENSION btree_gist")
    with restoring(empty) as connection:
        unmark(connection)


def test_one_restore_at_a_time(empty: str) -> None:
    with restoring(empty), pytest.raises(AnotherRestore), restoring(empty):
        pass
