"""The schema: what it refuses, to whom, and that schema.sql tells the truth about it."""

from __future__ import annotations

import itertools
import os
import subprocess
import uuid
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

import db
from db.migrate import migrate_keys
from db.pool import connect
from db.postgres_binaries import find_bindir
from tests.server import TestServer

STREAM = uuid.UUID("0192d3a0-0000-7000-8000-000000000001")
ROLES = ("dossier_app", "dossier_sealer", "dossier_signer", "dossier_eraser", "dossier_projector", "dossier_reader")
EVIDENCE = ("event", "payload", "log", "node", "checkpoint", "signature", "idempotency")

FACT = """
    INSERT INTO read.facts (customer_id, slot, value, valid, positions, fact_from, rank, version)
    VALUES (%s, '/tier/VALUE', '"GOLD"', %s, %s, '2024-01-01Z', 1, 1)
"""


def dump(conninfo: str, *options: str) -> list[str]:
    """Return the schema as SQL, without what differs from run to run."""
    command = [find_bindir().program("pg_dump"), "--schema-only", *options, conninfo]
    text = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout
    return [line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def test_schema_sql_is_what_the_migrations_make(server: TestServer, database: str) -> None:
    with server.database(template="template0") as described:
        with psycopg.connect(described) as connection:
            connection.execute(Path(db.__file__).with_name("schema.sql").read_bytes())
        assert dump(described) == dump(database)


def test_keys_in_a_database_of_their_own_are_as_beside_the_ledger(server: TestServer, database: str) -> None:
    with server.database(template="template0") as own:
        migrate_keys(own)
        only_keys = ("--schema=keys", "--exclude-table=keys.schema_migration")
        assert dump(own, *only_keys) == dump(database, *only_keys)
        assert "CREATE SCHEMA ledger" not in "\n".join(dump(own))


def test_every_table_has_a_comment(database: str) -> None:
    with psycopg.connect(database) as connection:
        bare = connection.execute("""
            SELECT oid::regclass::text FROM pg_class
             WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('ledger', 'keys', 'read')
               AND obj_description(oid, 'pg_class') IS NULL
        """).fetchall()
    assert bare == []


@pytest.mark.parametrize("replication_role", ["origin", "replica"])
def test_evidence_cannot_be_changed_even_by_its_owner(database: str, replication_role: str) -> None:
    first_columns = {"log": "idx", "node": "idx", "checkpoint": "size", "signature": "size", "idempotency": "key"}
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SELECT set_config('session_replication_role', %s, false)", [replication_role])
        for table, change in itertools.product(EVIDENCE, ("UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}")):
            column = sql.Identifier(first_columns.get(table, "version"))
            statement = sql.SQL(change).format(sql.Identifier("ledger", table), column, column)
            with pytest.raises(psycopg.DatabaseError) as caught:
                connection.execute(statement)
            assert caught.value.sqlstate == "DS001"
            assert (caught.value.diag.schema_name, caught.value.diag.table_name) == ("ledger", table)


def test_the_queue_can_be_emptied_but_not_truncated(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM ledger.unsealed")
        with pytest.raises(psycopg.DatabaseError) as caught:
            connection.execute("TRUNCATE ledger.unsealed")
    assert caught.value.sqlstate == "DS001"


def test_an_upsert_on_evidence_is_refused(database: str) -> None:
    with psycopg.connect(database) as connection, pytest.raises(psycopg.DatabaseError) as caught:
        connection.execute("""
            INSERT INTO ledger.checkpoint (made_at, size, root) VALUES (now(), 0, sha256(''))
                ON CONFLICT (made_at) DO UPDATE SET size = excluded.size
        """)
    assert caught.value.sqlstate == "DS001"


ALL_READ = {"dossier_app": "r", "dossier_projector": "r", "dossier_reader": "r"}
PRIVILEGES = {
    "ledger.schema_migration": {"dossier_app": "r", "dossier_reader": "r"},
    "ledger.event": {
        **ALL_READ,
        "dossier_app": "ar",
        "dossier_sealer": "r",
        "dossier_signer": "r",
        "dossier_eraser": "r",
    },
    "ledger.payload": {**ALL_READ, "dossier_app": "ar", "dossier_eraser": "r"},
    "ledger.unsealed": {"dossier_app": "ar", "dossier_sealer": "rd", "dossier_eraser": "r", "dossier_reader": "r"},
    "ledger.log": {**ALL_READ, "dossier_sealer": "ar", "dossier_signer": "r", "dossier_eraser": "r"},
    "ledger.node": {**ALL_READ, "dossier_sealer": "ar", "dossier_signer": "r"},
    "ledger.checkpoint": {**ALL_READ, "dossier_sealer": "ar", "dossier_signer": "r"},
    "ledger.signature": {**ALL_READ, "dossier_signer": "ar"},
    "ledger.idempotency": {"dossier_app": "ar", "dossier_reader": "r"},
    "ledger.erasure": {"dossier_app": "r", "dossier_eraser": "arw", "dossier_projector": "r", "dossier_reader": "r"},
    "keys.subject_key": {"dossier_app": "ar", "dossier_eraser": "arw", "dossier_projector": "r", "dossier_reader": "r"},
    "keys.kek": {"dossier_app": "r", "dossier_projector": "r", "dossier_reader": "r"},
    "read.profile": {"dossier_app": "arwd", "dossier_projector": "r", "dossier_reader": "r"},
    "read.identifier": {"dossier_app": "arwd", "dossier_projector": "r", "dossier_reader": "r"},
    "read.tracking": {"dossier_app": "r", "dossier_eraser": "r", "dossier_projector": "arwdD", "dossier_reader": "r"},
    "read.tally": {"dossier_app": "r", "dossier_projector": "arwdD", "dossier_reader": "r"},
    "read.approvals": {"dossier_app": "r", "dossier_eraser": "r", "dossier_projector": "arwdD", "dossier_reader": "r"},
    "read.facts": {"dossier_app": "r", "dossier_projector": "arwdD", "dossier_reader": "r"},
    "read.events": {"dossier_app": "r", "dossier_projector": "arwdD", "dossier_reader": "r"},
    "read.access": {"dossier_app": "r", "dossier_projector": "arwdD", "dossier_reader": "r"},
    "read.seen": {"dossier_app": "r", "dossier_projector": "arwdD", "dossier_reader": "r"},
    "read.changes": {"dossier_app": "r", "dossier_eraser": "r", "dossier_projector": "arwdD", "dossier_reader": "r"},
}


def test_each_role_may_do_what_it_must_and_nothing_else(database: str) -> None:
    letters = {"INSERT": "a", "SELECT": "r", "UPDATE": "w", "DELETE": "d", "TRUNCATE": "D"}
    with psycopg.connect(database) as connection:
        granted = connection.execute(
            """
            SELECT relation.oid::regclass::text, grantee.rolname, privilege
              FROM pg_class AS relation, pg_roles AS grantee, unnest(%s::text[]) AS privilege
             WHERE relation.relkind = 'r' AND relation.relnamespace::regnamespace::text IN ('ledger', 'keys', 'read')
               AND grantee.rolname = ANY (%s) AND has_table_privilege(grantee.oid, relation.oid, privilege)
            """,
            [list(letters), list(ROLES)],
        ).fetchall()
    expected = {
        (table, role, letter) for table, roles in PRIVILEGES.items() for role, held in roles.items() for letter in held
    }
    assert {(table, role, letters[privilege]) for table, role, privilege in granted} == expected


@pytest.mark.parametrize("role", ["dossier_app", "dossier_sealer"])
def test_no_role_may_delete_evidence(database: str, role: str) -> None:
    with (
        psycopg.connect(make_conninfo(database, options=f"-c role={role}")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("DELETE FROM ledger.event")


def test_the_app_queues_and_the_sealer_empties(database: str) -> None:
    with connect(database, "dossier_app") as connection:
        connection.execute("INSERT INTO ledger.unsealed (stream, version, recorded_at) VALUES (%s, 1, now())", [STREAM])
    with connect(database, "dossier_sealer") as connection:
        assert connection.execute("DELETE FROM ledger.unsealed RETURNING version").fetchall() == [(1,)]


SENSELESS_ROWS = [
    "INSERT INTO ledger.event VALUES (gen_random_uuid(), -1, 'x', '')",
    "INSERT INTO ledger.event VALUES (gen_random_uuid(), 1, 'x', convert_to(repeat('x', 65536), 'UTF8'))",
    "INSERT INTO ledger.log VALUES (-1, gen_random_uuid(), 1, sha256(''), now())",
    "INSERT INTO ledger.log VALUES (0, gen_random_uuid(), 1, 'short', now())",
    "INSERT INTO ledger.checkpoint VALUES (now(), -1, sha256(''))",
    "INSERT INTO ledger.checkpoint VALUES (now(), 0, NULL)",
    "INSERT INTO ledger.checkpoint VALUES (now(), 0, 'short')",
    "INSERT INTO ledger.node VALUES (0, 0, sha256(''))",
    "INSERT INTO ledger.node VALUES (8, 0, sha256(''))",
    "INSERT INTO ledger.node VALUES (1, -1, sha256(''))",
    "INSERT INTO ledger.node VALUES (1, 0, 'short')",
    "INSERT INTO ledger.signature VALUES (-1, 'note')",
    "INSERT INTO ledger.signature VALUES (0, '')",
    "INSERT INTO ledger.idempotency VALUES ('', 'a', '', gen_random_uuid(), 1, 1, 200, 1)",
    "INSERT INTO ledger.idempotency VALUES (repeat('k', 256), 'a', '', gen_random_uuid(), 1, 1, 200, 1)",
    "INSERT INTO ledger.idempotency VALUES ('k', 'a', '', gen_random_uuid(), 2, 1, 200, 1)",
    "INSERT INTO keys.subject_key VALUES (gen_random_uuid(), '', 'kek', 'lost')",
    "INSERT INTO keys.subject_key VALUES (gen_random_uuid(), '', 'kek', 'destroyed')",
    "INSERT INTO keys.subject_key VALUES (gen_random_uuid(), 'k', 'kek', 'destroyed', gen_random_uuid(), now())",
    "INSERT INTO keys.subject_key VALUES (gen_random_uuid(), 'key', 'kek', 'active', gen_random_uuid(), now())",
    "INSERT INTO ledger.erasure VALUES (gen_random_uuid(), -1, now(), now())",
    "INSERT INTO read.tracking VALUES ('facts', -1)",
]


def test_a_row_that_makes_no_sense_is_refused(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in SENSELESS_ROWS:
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(statement)


def test_a_slot_has_one_value_at_any_point_of_both_times(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(FACT, [STREAM, "[2024-01-01Z,)", "[1,5)"])
        connection.execute(FACT, [STREAM, "[2024-01-01Z,)", "[5,)"])
        connection.execute(FACT, [STREAM, "[2023-01-01Z,2024-01-01Z)", "[1,)"])
        with pytest.raises(psycopg.errors.ExclusionViolation) as caught:
            connection.execute(FACT, [STREAM, "[2025-01-01Z,2026-01-01Z)", "[4,6)"])
        assert caught.value.diag.constraint_name == "facts_one_winner"
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(FACT, [STREAM, "empty", "[4,6)"])
