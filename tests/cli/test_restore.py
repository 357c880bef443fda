"""`dossier restore`: what a backup becomes, what it is refused for, and that half of one is never served."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from uuid_utils.compat import uuid7

from db.archive import read_archive
from db.restoring import restoring
from ledger.restore import Target, put_back, read_sources
from tests.cli.service import Dossier, failure, wait_until
from tests.damages import do
from tests.damages.of_streams import PARTS
from tests.ledger.conftest import KEK_TEXT
from tests.ledger.service import event, of_service
from tests.ledger.writing import attribute, write_path
from tests.server import TestServer
from tests.told import ACME, settle, tell

LOADED = "SELECT to_regclass('ledger.event') IS NOT NULL"
AT_WORK = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture(scope="module")
def told(server: TestServer) -> Iterator[str]:
    with server.database() as conninfo:
        tell(conninfo)
        with write_path(conninfo) as path:
            of_service(path).append(uuid7(), 0, [event()])
            settle(conninfo)
            path.accept(attribute(ACME, "n", 5))  # waits for the sealer
        yield conninfo


@pytest.fixture
def kek_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "kek"
    path.touch(0o600)
    path.write_text(KEK_TEXT)
    monkeypatch.setenv("DOSSIER_KEK_FILE", str(path))
    return path


@pytest.fixture
def backup(dossier: Dossier, told: str, tmp_path: Path, kek_file: Path) -> Path:
    assert kek_file.exists()
    assert dossier("backup", "--to", tmp_path / "backup", "--database-url", told).exit_code == 0
    return tmp_path / "backup"


@pytest.fixture
def empty(server: TestServer) -> Iterator[str]:
    name = f"empty_{uuid4().hex}"
    server.create_database(name, "template0")
    yield make_conninfo(server.conninfo, dbname=name)
    server.drop_database(name)


def rows(conninfo: str, backup: Path) -> dict[str, list[str]]:
    """Everything that archives hold, as text."""
    tables = [table for kind in ("ledger", "keys") for table in read_archive(backup / kind, kind).manifest.tables]
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET timezone TO 'UTC'")
        return {
            name: [text for (text,) in connection.execute(f"SELECT t::text FROM {name} AS t ORDER BY 1")]  # noqa: S608
            for name in (f"{table.schema_name}.{table.table}" for table in tables)
        }


def is_untouched(conninfo: str) -> bool:
    with psycopg.connect(conninfo) as connection:
        return connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_'").fetchone() == (2,)


def test_a_backup_becomes_the_same_database(dossier: Dossier, told: str, backup: Path, empty: str) -> None:
    outcome = dossier("restore", backup, "--database-url", empty)
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert outcome.out.startswith("restored 2 customers, 17 events, ")
    before, after = rows(told, backup), rows(empty, backup)
    for table in ("ledger.event", "ledger.payload", "ledger.log", "ledger.idempotency", "keys.subject_key"):
        assert set(before[table]) <= set(after[table])
    with write_path(empty) as path:
        path.accept(attribute(ACME, "n", 6))


@pytest.mark.usefixtures("kek_file")
def test_a_database_that_is_not_empty_is_refused(
    dossier: Dossier, backup: Path, told: str, database: str, empty: str
) -> None:
    for conninfo in (told, database):
        outcome = dossier("restore", backup, "--database-url", conninfo)
        assert (outcome.exit_code, outcome.out) == (5, "")
        assert "is not empty (it has schema keys, schema ledger, schema read)" in outcome.err
    assert dossier("verify", "--database-url", told).exit_code == 0
    assert is_untouched(empty)


def test_a_damaged_archive_is_named_before_anything_is_written(dossier: Dossier, backup: Path, empty: str) -> None:
    file = backup / "ledger" / "ledger.event.copy"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    outcome = dossier("restore", backup, "--database-url", empty)
    assert (outcome.exit_code, outcome.err) == (7, f"dossier: {file}: is not what was written (SHA-256)\n")
    assert is_untouched(empty)


def test_a_backup_that_did_not_end_is_told(dossier: Dossier, backup: Path, empty: str) -> None:
    (backup / "keys" / "manifest.json").unlink()
    outcome = dossier("restore", backup, "--database-url", empty)
    assert (outcome.exit_code, outcome.err[:30]) == (7, f"dossier: {backup}/keys"[:30])
    assert "did not end" in outcome.err
    assert dossier("restore", backup / "nowhere", "--database-url", empty).exit_code == 1
    assert is_untouched(empty)


def test_archives_that_changed_places_are_told(dossier: Dossier, backup: Path, empty: str) -> None:
    outcome = dossier("restore", backup, "--keys", backup / "ledger", "--database-url", empty)
    assert outcome.exit_code == 7
    assert "an archive of 'ledger', not of 'keys'" in outcome.err


def test_the_wrong_key_is_told_before_anything_is_written(
    dossier: Dossier, backup: Path, kek_file: Path, empty: str
) -> None:
    kek_file.write_text(KEK_TEXT.replace("test:", "other:"))
    outcome = dossier("restore", backup, "--database-url", empty)
    assert outcome.exit_code == 1
    assert f"{kek_file} is not the key of this backup" in outcome.err
    kek_file.write_text(KEK_TEXT.replace("AAEC", "AAAA"))
    assert "does not open" in dossier("restore", backup, "--database-url", empty).err
    kek_file.unlink()
    assert f"there is no key file {kek_file}" in dossier("restore", backup, "--database-url", empty).err
    assert is_untouched(empty)


def test_a_backup_of_a_newer_program_is_refused(dossier: Dossier, backup: Path, empty: str) -> None:
    manifest = backup / "ledger" / "manifest.json"
    manifest.write_text(
        manifest.read_text().replace('"migrations": [', '"migrations": [{"name": "9999_later", "sha256": "00"},')
    )
    outcome = dossier("restore", backup, "--database-url", empty)
    assert (outcome.exit_code, outcome.out) == (1, "")
    assert "9999_later; update the program" in outcome.err
    assert is_untouched(empty)


def test_what_was_damaged_before_the_backup_is_not_served(
    dossier: Dossier, server: TestServer, kek_file: Path, empty: str, tmp_path: Path
) -> None:
    with server.database() as conninfo:
        tell(conninfo)
        with psycopg.connect(conninfo) as connection:
            do(connection, PARTS[3])
        dossier("backup", "--to", tmp_path / "backup", "--database-url", conninfo)
    outcome = dossier("restore", tmp_path / "backup", "--database-url", empty)
    assert outcome.exit_code == 7
    assert "is not served" in outcome.err
    refused = failure(tmp_path / "data", "--database-url", empty, DOSSIER_KEK_FILE=str(kek_file))
    assert (refused.exit_code, "has not ended" in refused.err) == (1, True)


@pytest.mark.timeout(300)
def test_a_restore_that_is_killed_leaves_what_is_not_served_and_can_be_done_again(
    dossier: Dossier, backup: Path, kek_file: Path, empty: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "cli.main", "restore", str(backup), "--database-url", empty]
    environment = {**os.environ, "DOSSIER_KEK_FILE": str(kek_file)}
    with (
        psycopg.connect(empty, autocommit=True) as connection,
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
    ):
        wait_until(lambda: connection.execute(LOADED).fetchone() == (True,))
        process.kill()
        process.wait()
        assert process.returncode == -signal.SIGKILL, "it was done already"
        wait_until(lambda: connection.execute(AT_WORK).fetchone() == (0,))
    refused = failure(tmp_path / "data", "--database-url", empty, DOSSIER_KEK_FILE=str(kek_file))
    assert (refused.exit_code, refused.out) == (1, "")
    assert "a restore of this database has not ended" in refused.err
    assert "has not ended" in dossier("migrate", "--database-url", empty).err
    half = dossier("backup", "--to", tmp_path / "half", "--database-url", empty)
    assert (half.exit_code, "has not ended" in half.err, (tmp_path / "half").exists()) == (1, True, False)
    outcome = dossier("restore", backup, "--database-url", empty)
    assert (outcome.exit_code, outcome.out[:9]) == (0, "restored ")


def test_keys_move_into_a_database_of_their_own_and_back(
    dossier: Dossier, backup: Path, empty: str, server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = backup.with_name("apart")
    with server.database(template="template0") as of_keys, server.database(template="template0") as again:
        monkeypatch.setenv("KEYS_DATABASE_URL", of_keys)
        assert dossier("restore", backup, "--database-url", empty).exit_code == 0
        with psycopg.connect(of_keys) as keys, psycopg.connect(empty) as ledger:
            held = keys.execute("SELECT count(*) FROM keys.subject_key").fetchone()
            beside = ledger.execute("SELECT count(*) FROM keys.subject_key").fetchone()
        assert (held, beside) == ((5,), (0,))
        assert dossier("verify", "--database-url", empty).exit_code == 0
        assert dossier("backup", "--to", apart, "--database-url", empty).exit_code == 0
        elsewhere = ("--data", apart.with_name("elsewhere"), "--database-url", again)
        refused = dossier("restore", apart, *elsewhere)
        assert (refused.exit_code, "is not empty (it has schema keys)" in refused.err) == (5, True)
        monkeypatch.delenv("KEYS_DATABASE_URL")
        outcome = dossier("restore", apart, *elsewhere)
        assert (outcome.exit_code, outcome.err) == (0, "")
        assert rows(again, backup)["keys.subject_key"] == rows_of_keys(backup, server)


def rows_of_keys(backup: Path, server: TestServer) -> list[str]:
    with server.database(template="template0") as conninfo:
        with restoring(conninfo) as connection:
            put_back(Target(conninfo, connection), None, read_sources(backup / "ledger", backup / "keys"))
        return rows(conninfo, backup)["keys.subject_key"]


def test_two_restores_do_not_meet(dossier: Dossier, backup: Path, empty: str) -> None:
    with restoring(empty):
        outcome = dossier("restore", backup, "--database-url", empty)
    assert (outcome.exit_code, outcome.err) == (5, "dossier: another restore is at work in this database\n")
