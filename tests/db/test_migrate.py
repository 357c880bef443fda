"""Migrations: applied once, whole, in order, and never against a history that is not theirs."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from db.embedded import EmbeddedPostgres
from db.errors import (
    DatabaseNewerThanCode,
    MalformedConninfo,
    MalformedMigration,
    MigrationChanged,
    MigrationFailed,
    MigrationMissing,
    UnsuitableServer,
)
from db.migrate import (
    MIGRATIONS,
    MIGRATIONS_OF_KEYS,
    migrate,
    migrate_keys,
    read_migrations,
    refuse_unsuitable_server,
)
from db.pool import connect
from tests.server import TestServer

NAMES = [migration.name for migration in read_migrations(MIGRATIONS)]
NEXT = f"{len(NAMES) + 1:04}"


def copy_with(folder: Path, more: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Copy the migrations and add files (name -> text)."""
    texts = {migration.name: migration.text for migration in read_migrations(MIGRATIONS)} | dict(more)
    for name, text in texts.items():
        (folder / f"{name}.sql").write_text(text, encoding="utf-8")
    return folder


def test_an_empty_database_gets_all_and_a_second_run_finds_nothing_to_do(server: TestServer) -> None:
    with server.database(template="template0") as conninfo:
        assert migrate(conninfo) == NAMES
        assert migrate(conninfo) == []


def test_two_databases_and_two_migrators_of_each_may_migrate_at_once(server: TestServer) -> None:
    with (
        server.database(template="template0") as one,
        server.database(template="template0") as other,
        ThreadPoolExecutor(4) as executor,
    ):
        applied = list(executor.map(migrate, [one, other, one, other]))
        assert sorted(applied[0] + applied[2]) == NAMES
        assert sorted(applied[1] + applied[3]) == NAMES


def test_databases_of_a_new_server_may_create_the_roles_at_once(server: TestServer) -> None:
    roles = (MIGRATIONS / "0001_ledger.sql").read_text(encoding="utf-8").split("$roles$")[1]
    statement = f"DO $roles${roles}$roles$".replace("dossier_", "dossier_race_")
    with server.database() as one, server.database() as other, ThreadPoolExecutor(1) as executor:
        with psycopg.connect(one) as first, psycopg.connect(other) as second:
            first.execute(statement.encode())
            waiting = executor.submit(second.execute, statement.encode())
            first.commit()
            waiting.result()
        with psycopg.connect(one) as connection:
            roles_made = connection.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^dossier_race_'").fetchall()
            for (role,) in roles_made:
                connection.execute(psycopg.sql.SQL("DROP ROLE {}").format(psycopg.sql.Identifier(role)))
    assert len(roles_made) == 6


def test_a_login_that_is_no_superuser_can_make_the_roles_and_take_them(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, fsync=False) as server:
        with psycopg.connect(server.conninfo(), autocommit=True) as administrator:
            administrator.execute("CREATE ROLE plain LOGIN CREATEROLE")
            administrator.execute("CREATE DATABASE plain OWNER plain")
        plain = server.conninfo("plain", user="plain")
        assert migrate(plain) == NAMES
        with connect(plain, "dossier_app") as connection:
            assert connection.execute("SELECT session_user, current_user").fetchone() == ("plain", "dossier_app")


def test_a_failing_migration_leaves_nothing_behind(database: str, tmp_path: Path) -> None:
    folder = copy_with(tmp_path, {f"{NEXT}_half": "CREATE TABLE read.half (id bigint); SELECT 1 / 0;"})
    with pytest.raises(MigrationFailed, match=f"{NEXT}_half failed and was rolled back: division by zero") as caught:
        migrate(database, folder)
    assert isinstance(caught.value.__cause__, psycopg.errors.DivisionByZero)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('read.half')").fetchone() == (None,)
    assert migrate(database) == []


def test_an_applied_migration_that_was_edited_is_refused(database: str, tmp_path: Path) -> None:
    folder = copy_with(tmp_path, {"0002_read_models": "SELECT 1;"})
    with pytest.raises(MigrationChanged) as caught:
        migrate(database, folder)
    assert caught.value.name == "0002_read_models"


def test_an_applied_migration_whose_file_is_gone_is_refused(database: str, tmp_path: Path) -> None:
    folder = copy_with(tmp_path)
    (folder / "0002_read_models.sql").rename(folder / "0002_renamed.sql")
    with pytest.raises(MigrationMissing) as caught:
        migrate(database, folder)
    assert caught.value.name == "0002_read_models"


def test_a_database_that_is_newer_than_the_code_is_refused(database: str, tmp_path: Path) -> None:
    later = f"{NEXT}_later"
    folder = copy_with(tmp_path, {later: "SELECT 1;"})
    assert migrate(database, folder) == [later]
    with pytest.raises(DatabaseNewerThanCode) as caught:
        migrate(database)
    assert caught.value.names == [later]


@pytest.mark.parametrize("name", ["9999_gap", "3_short", f"{NEXT}-dash", "0002_twice"])
def test_a_file_that_breaks_the_numbering_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MalformedMigration, match=name):
        read_migrations(copy_with(tmp_path, {name: "SELECT 1;"}))


@pytest.mark.parametrize(
    ("server_description", "message"),
    [
        ((140012, "14.12", "UTF8", True), "PostgreSQL 15 or newer is needed; this server is 14.12"),
        ((150000, "15.0", "SQL_ASCII", True), "must be encoded in UTF8"),
        ((180000, "18.0", "UTF8", False), "lacks the extension btree_gist"),
    ],
)
def test_an_unsuitable_server_is_refused(server_description: tuple[int, str, str, bool], message: str) -> None:
    with pytest.raises(UnsuitableServer, match=message):
        refuse_unsuitable_server(*server_description)


def test_a_database_in_another_encoding_is_left_alone(server: TestServer) -> None:
    with psycopg.connect(server.conninfo, autocommit=True) as administrator:
        administrator.execute("""
            CREATE DATABASE test_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'
        """)
    try:
        with pytest.raises(UnsuitableServer, match="SQL_ASCII"):
            migrate(make_conninfo(server.conninfo, dbname="test_ascii"))
    finally:
        server.drop_database("test_ascii")


def test_a_malformed_conninfo_is_named() -> None:
    with pytest.raises(MalformedConninfo):
        migrate("no conninfo at all")


# --- the keys' own database -------------------------------------------------------------------------------------------


def test_a_database_of_keys_alone_gets_all_and_a_second_run_finds_nothing_to_do(server: TestServer) -> None:
    with server.database(template="template0") as own:
        assert migrate_keys(own) == [migration.name for migration in read_migrations(MIGRATIONS_OF_KEYS)]
        assert migrate_keys(own) == []


def test_the_ledgers_own_database_is_not_taken_for_one_of_keys_alone(database: str) -> None:
    with pytest.raises(UnsuitableServer, match="is the ledger's"):
        migrate_keys(database)


def test_a_ledger_is_not_put_into_a_database_of_keys_alone(server: TestServer) -> None:
    with server.database(template="template0") as own:
        migrate_keys(own)
        with pytest.raises(MigrationFailed, match="0001_ledger"):
            migrate(own)
