"""A process of the service that is taken over: what its login may not do, and that what it may do is seen.

Each role has a login of its own here, as it should where somebody else's server is used: a login that may take every
role, as the embedded server's, leaves it to the program which one it takes.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier, Literal

from tests.attacks.world import EARLY, World
from tests.db.test_schema import PRIVILEGES
from tests.ledger.signing import numbered
from tests.told import ACME

ROLES: Final = (
    *("dossier_app", "dossier_sealer", "dossier_signer"),
    *("dossier_eraser", "dossier_projector", "dossier_reader"),
)
VERBS: Final = {
    "r": "SELECT FROM {table} LIMIT 0",
    "a": "INSERT INTO {table} DEFAULT VALUES",
    "w": "UPDATE {table} SET {column} = NULL WHERE false",
    "d": "DELETE FROM {table} WHERE false",
    "D": "TRUNCATE {table}",
}
REFUSED_TO_ALL: Final = (
    "ALTER TABLE ledger.event DISABLE TRIGGER ALL",
    "DROP TRIGGER refuse_change ON ledger.log",
    "DROP TABLE ledger.node",
    "ALTER TABLE ledger.checkpoint DROP CONSTRAINT checkpoint_root_check",
    "CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE TABLE ledger.mine ()",
    "CREATE TABLE read.mine ()",
    "CREATE TABLE public.mine ()",
    "CREATE SCHEMA mine",
    "SET session_replication_role = replica",
    "ALTER ROLE dossier_app SUPERUSER",
    "COPY ledger.event TO PROGRAM 'true'",
    "SELECT pg_read_file('PG_VERSION')",
)


@pytest.fixture(scope="module")
def logins(founded: World) -> Iterator[dict[str, str]]:
    """By role the conninfo of a login that may take that role alone."""
    with psycopg.connect(founded.database, autocommit=True) as owner:
        conninfos = {}
        for role in ROLES:
            name, password = f"taken_{secrets.token_hex(6)}", secrets.token_hex(12)
            owner.execute(SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(Identifier(name), Literal(password)))
            owner.execute(SQL("GRANT {} TO {}").format(Identifier(role), Identifier(name)))
            conninfos[role] = make_conninfo(founded.database, user=name, password=password, options=f"-c role={role}")
    yield conninfos
    with psycopg.connect(founded.database, autocommit=True) as owner:
        for conninfo in conninfos.values():
            owner.execute(SQL("DROP ROLE {}").format(Identifier(str(conninfo_to_dict(conninfo)["user"]))))


def columns(conninfo: str) -> dict[str, str]:
    """By table a column that can be changed by whoever may."""
    with psycopg.connect(conninfo) as owner:
        rows = owner.execute(
            "SELECT attrelid::regclass::text, min(attname::text) FROM pg_attribute JOIN pg_class ON oid = attrelid"
            " WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('ledger', 'keys', 'read')"
            " AND attnum > 0 AND NOT attisdropped AND attidentity = '' AND attgenerated = '' GROUP BY 1"
        ).fetchall()
    return {str(table): str(column) for table, column in rows}


def is_refused(connection: Connection[Any], statement: str) -> bool:
    """Whether the role may not do that; for any other reason it may fail."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return True
    except psycopg.Error:
        return False
    return False


@pytest.mark.parametrize("role", ROLES)
def test_each_verb_on_each_table_is_refused_but_what_the_role_is_there_for(
    founded: World, logins: dict[str, str], role: str
) -> None:
    tables = columns(founded.database)
    assert tables.keys() == PRIVILEGES.keys()
    with psycopg.connect(logins[role]) as taken:
        may = {
            (table, verb)
            for table, column in tables.items()
            for verb, statement in VERBS.items()
            if not is_refused(taken, statement.format(table=table, column=column))
        }
    assert may == {(table, verb) for table, held in PRIVILEGES.items() for verb in held.get(role, "")}


@pytest.mark.parametrize("role", ROLES)
def test_nobody_gets_out_of_a_role(logins: dict[str, str], role: str) -> None:
    others = [f"SET ROLE {other}" for other in ROLES if other != role]
    with psycopg.connect(logins[role]) as taken:
        refused = [statement for statement in (*REFUSED_TO_ALL, *others) if is_refused(taken, statement)]
        assert refused == [*REFUSED_TO_ALL, *others]
        taken.execute("RESET ROLE")
        assert is_refused(taken, "ALTER TABLE ledger.event DISABLE TRIGGER ALL")
        assert is_refused(taken, "DELETE FROM ledger.event")


@pytest.mark.parametrize("role", ROLES)
def test_no_part_goes_that_no_event_erases(logins: dict[str, str], role: str) -> None:
    with psycopg.connect(logins[role]) as taken:
        taken.execute("SET dossier.erasing = 'on'")
        assert is_refused(taken, "DELETE FROM ledger.payload")
        with pytest.raises(psycopg.Error) as caught, taken.transaction():
            taken.execute(f"SELECT ledger.erase_part('{ACME}', 7, 0::smallint)")
    assert caught.value.sqlstate == ("DS002" if role == "dossier_eraser" else "42501")


# --- what a role may do, and who sees it ------------------------------------------------------------------------------

STRANGER: Final = "00000000-0000-7000-8000-0000000000ff"
OF_THE_APP: Final = {
    "an event that the sealer is not told of": (
        f"INSERT INTO ledger.event VALUES ('{STRANGER}', 1, 'type', 'x')",
        ("queue", f"stream {STRANGER} version 1"),
    ),
    "an event behind a gap": (
        f"INSERT INTO ledger.event VALUES ('{ACME}', 12, 'type', 'x')",
        ("versions", f"stream {ACME} version 10"),
    ),
    "an event that is no event": (
        (
            f"WITH made AS (INSERT INTO ledger.event VALUES ('{ACME}', 10, 'type', 'x') RETURNING stream, version)"
            " INSERT INTO ledger.unsealed (stream, version, recorded_at) SELECT stream, version, now() FROM made"
        ),
        ("event", f"stream {ACME} version 10"),
    ),
    "a sealed event once more": (
        f"INSERT INTO ledger.unsealed (stream, version, recorded_at) VALUES ('{ACME}', 7, now())",
        ("queue", "log index 6"),
    ),
    "a part that no entry names": (
        f"INSERT INTO ledger.payload VALUES ('{ACME}', 7, 5, 'more')",
        ("event", "log index 6"),
    ),
    "a request that nobody made": (
        (
            "INSERT INTO ledger.idempotency (key, actor, request_mac, stream, first_version, last_version, status,"
            f" profile_version) VALUES ('mine', 'u-666', sha256(''), '{STRANGER}', 1, 1, 200, 1)"
        ),
        ("idempotency", f"stream {STRANGER} version 1"),
    ),
}


@pytest.mark.parametrize("what", OF_THE_APP)
def test_what_the_app_puts_in_is_named(world: World, what: str) -> None:
    statement, (check, begins) = OF_THE_APP[what]
    with psycopg.connect(make_conninfo(world.database, options="-c role=dossier_app")) as taken:
        taken.execute(statement.encode())
    assert any(place.startswith(begins) for place in world.verifier()[check])


def test_keys_for_nobody_do_no_harm(world: World) -> None:
    with psycopg.connect(make_conninfo(world.database, options="-c role=dossier_app")) as taken:
        taken.execute("INSERT INTO keys.subject_key VALUES (%s, 'no key', 'test', 'active')", [uuid4()])
    assert world.verifier() == {}


def test_a_sealer_that_is_taken_over_seals_nothing_of_its_own_unnoticed(world: World) -> None:
    """It may write any hash: the signer hashes every entry itself."""
    with psycopg.connect(make_conninfo(world.database, options="-c role=dossier_sealer")) as taken:
        taken.execute(
            "INSERT INTO ledger.log SELECT max(idx) + 1, %s, 1, sha256('x'), now() FROM ledger.log", [STRANGER]
        )
        taken.execute("INSERT INTO ledger.checkpoint SELECT now(), max(idx) + 1, sha256('') FROM ledger.log")
    assert world.signer() == ("LeafMissing", 320)
    assert world.scrubber() == ("log", 320)
    assert f"log index 320 (stream {STRANGER} version 1)" in world.verifier()["log"]


def test_a_signer_that_is_taken_over_has_only_one_history_to_sign(founded: World, world: World) -> None:
    """Its role reads the log and writes notes; those who keep a checkpoint see a note that does not go on from it."""
    with world.signing() as signing:
        signing.grow(*numbered(3))
    with psycopg.connect(make_conninfo(world.database, options="-c role=dossier_signer")) as taken:
        taken.execute(
            "INSERT INTO ledger.signature (size, note) SELECT 323, replace(note, E'\\n320\\n', E'\\n323\\n')"
            " FROM ledger.signature WHERE size = 320"
        )
    assert world.verifier()["signature"] == ["signature of size 323"]
    assert world.signer() == ("AnotherNote", None)
    assert world.auditor(founded.kept(EARLY)) is None
