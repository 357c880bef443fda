"""`dossier erasures scrub`: what it tells, and what stops it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from db.embedded import EmbeddedPostgres
from db.migrate import migrate
from tests.cli.service import Dossier
from tests.ledger.conftest import KEK_TEXT
from tests.server import TestServer
from tests.told import tell


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A short history in a cluster of its own: scrubbing concerns the whole server."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("scrubbed"), fsync=False) as postgres:
        migrate(postgres.conninfo())
        tell(postgres.conninfo())
        yield postgres.conninfo()


@pytest.fixture(autouse=True)
def kek_file(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests of the module, as they rotate the keys of one database."""
    path = tmp_path_factory.getbasetemp() / "kek-of-scrubbing"
    if not path.exists():
        path.touch(0o600)
        path.write_text(KEK_TEXT)
    monkeypatch.setenv("DOSSIER_KEK_FILE", str(path))
    return path


def test_it_tells_what_it_rewrote_and_the_database_is_sound_afterwards(dossier: Dossier, told: str) -> None:
    outcome = dossier("erasures", "scrub", "--database-url", told)
    assert outcome.exit_code == 0
    for table in ("ledger.payload", "keys.subject_key", "read.profile", "read.facts", "pg_catalog.pg_statistic"):
        assert f"{table}: rewritten, out of use for " in outcome.out
    assert "segments of write-ahead log dropped" in outcome.out
    assert "0 erasures are scrubbed; " in outcome.out
    assert dossier("verify", "--database-url", told).exit_code == 0
    epochs = dossier("keys", "list", "--database-url", told, "--json").json()
    assert [(kek["epoch"], kek["state"]) for kek in epochs] == [(2, "current"), (1, "former")]


def test_who_reads_for_long_is_named(dossier: Dossier, told: str) -> None:
    with psycopg.connect(told, application_name="an_export") as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1")
        outcome = dossier("erasures", "scrub", "--patience", "0", "--database-url", told)
    assert outcome.exit_code == 6
    assert "what was deleted can still be seen by session" in outcome.err
    assert "(an_export)" in outcome.err


def test_another_scrubbing_is_told(dossier: Dossier, told: str) -> None:
    with psycopg.connect(told, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('dossier scrub', 0))")
        outcome = dossier("erasures", "scrub", "--database-url", told)
    assert (outcome.exit_code, outcome.err.splitlines()[-1]) == (
        5,
        "dossier: another scrubbing of this database is under way",
    )


def test_what_could_not_be_scrubbed_ends_in_a_failure(dossier: Dossier, told: str) -> None:
    with psycopg.connect(told, autocommit=True) as connection:
        connection.execute("SELECT pg_create_physical_replication_slot('replica', true)")
        try:
            outcome = dossier("erasures", "scrub", "--database-url", told)
        finally:
            connection.execute("SELECT pg_drop_replication_slot('replica')")
    assert outcome.exit_code == 1
    assert "ledger: not scrubbed: replication slot replica: segments are kept until it has read them" in outcome.out


def test_a_database_without_our_schema_is_told(dossier: Dossier, server: TestServer) -> None:
    with server.database(template="template0") as empty:
        outcome = dossier("erasures", "scrub", "--database-url", empty)
    assert outcome.exit_code == 1
    assert outcome.err.startswith("dossier: the database refused")
