"""`dossier backup`: what it writes, what it leaves out, and what it says where things are in the way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from db.archive import read_archive
from tests.cli.service import Dossier, RunningService
from tests.ledger.conftest import KEK_TEXT
from tests.server import TestServer
from tests.told import tell


@pytest.fixture(scope="module")
def told(server: TestServer) -> Iterator[str]:
    with server.database() as conninfo:
        tell(conninfo)
        yield conninfo


def test_evidence_and_keys_are_apart(dossier: Dossier, told: str, tmp_path: Path) -> None:
    outcome = dossier("backup", "--to", tmp_path / "backup", "--database-url", told)
    assert (outcome.exit_code, outcome.err) == (0, "")
    ledger, keys, erasures, when, missing = outcome.out.splitlines()
    assert re.fullmatch(rf"ledger: 15 events, log of 15, \d+\.\d MB in {tmp_path}/backup/ledger", ledger)
    assert re.fullmatch(rf"keys: 4 data keys, \d+\.\d MB in {tmp_path}/backup/keys", keys)
    assert erasures == f"erasures: 0 in {tmp_path}/backup/erasures.ndjson"
    assert when.startswith("as of 20")
    assert missing.startswith(f"not in it: {tmp_path}/data/keys/kek")
    stored = {kind: read_archive(tmp_path / "backup" / kind, kind).manifest for kind in ("ledger", "keys")}
    assert stored["ledger"].about == {
        "log": {"size": 15, **{name: stored["ledger"].about["log"][name] for name in ("root", "known_at")}},
        "signed": {"note": None, "origins": []},
        "unsealed": 0,
        "customers": 2,
    }
    assert stored["ledger"].backup == stored["keys"].backup
    assert stored["ledger"].made_at == stored["keys"].made_at


def test_what_follows_from_the_evidence_is_left_out(dossier: Dossier, told: str, tmp_path: Path) -> None:
    dossier("backup", "--to", tmp_path / "backup", "--database-url", told)
    with psycopg.connect(told) as connection:
        tables = connection.execute(
            "SELECT format('%s/%s.%s.copy', schemaname, schemaname, tablename) FROM pg_tables"
            " WHERE schemaname IN ('ledger', 'keys') AND tablename NOT IN ('schema_migration', 'erasure')"
        ).fetchall()
    files = {str(path.relative_to(tmp_path / "backup")) for path in (tmp_path / "backup").rglob("*.*")}
    assert files == {name for (name,) in tables} | {"ledger/manifest.json", "keys/manifest.json", "erasures.ndjson"}


def test_no_file_holds_what_opens_it(dossier: Dossier, told: str, tmp_path: Path) -> None:
    dossier("backup", "--to", tmp_path / "backup", "--database-url", told)
    for path in (tmp_path / "backup").rglob("*.*"):
        assert KEK_TEXT.partition(":")[2].encode() not in path.read_bytes()
        assert b"Acme" not in path.read_bytes()


def test_the_keys_can_go_elsewhere_and_be_taken_alone(dossier: Dossier, told: str, tmp_path: Path) -> None:
    assert dossier("backup", "--to", tmp_path / "a", "--keys-to", tmp_path / "b", "--database-url", told).exit_code == 0
    assert {path.name for path in tmp_path.iterdir() if path.name in {"a", "b"}} == {"a", "b"}
    assert not (tmp_path / "a" / "keys").exists()
    assert read_archive(tmp_path / "b", "keys").manifest.rows_of("subject_key") == 4
    alone = dossier("backup", "--to", tmp_path / "c", "--keys-only", "--database-url", told)
    assert (alone.exit_code, alone.out[:18]) == (0, "keys: 4 data keys,")
    assert [path.name for path in sorted((tmp_path / "c").iterdir())] == ["erasures.ndjson", "keys"]


def test_a_service_at_work_is_backed_up_beside_it(dossier: Dossier, service: RunningService, tmp_path: Path) -> None:
    outcome = dossier("backup", "--to", tmp_path / "backup", "--data", service.data)
    assert (outcome.exit_code, outcome.out[:8]) == (0, "ledger: ")


def test_nothing_is_written_over(dossier: Dossier, told: str, tmp_path: Path) -> None:
    dossier("backup", "--to", tmp_path / "backup", "--database-url", told)
    before = (tmp_path / "backup" / "ledger" / "manifest.json").read_bytes()
    outcome = dossier("backup", "--to", tmp_path / "backup", "--database-url", told)
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert outcome.err == f"dossier: {tmp_path}/backup/ledger is not empty; name a new folder\n"
    assert (tmp_path / "backup" / "ledger" / "manifest.json").read_bytes() == before


def test_the_folder_of_the_keys_is_looked_at_before_anything_is_written(
    dossier: Dossier, told: str, tmp_path: Path
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "mine").touch()
    outcome = dossier("backup", "--to", tmp_path, "--database-url", told)
    assert (outcome.exit_code, outcome.err) == (2, f"dossier: {tmp_path}/keys is not empty; name a new folder\n")
    assert not (tmp_path / "ledger").exists()


def test_a_backup_that_fails_leaves_nothing(dossier: Dossier, server: TestServer, tmp_path: Path) -> None:
    with server.database() as conninfo:
        tell(conninfo)
        with psycopg.connect(conninfo) as connection:
            connection.execute("REVOKE SELECT ON ledger.unsealed FROM dossier_reader")
        outcome = dossier("backup", "--to", tmp_path / "backup", "--database-url", conninfo)
    assert (outcome.exit_code, outcome.out) == (1, "")
    assert "dossier_reader" in outcome.err
    assert list((tmp_path / "backup").rglob("*")) == []


def test_a_file_in_the_place_of_the_folder_is_told(dossier: Dossier, told: str, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    outcome = dossier("backup", "--to", tmp_path / "mine", "--database-url", told)
    assert (outcome.exit_code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert outcome.err.startswith(f"dossier: the backup cannot be written: {tmp_path}/mine")


def test_where_no_database_is_none_is_made(dossier: Dossier, tmp_path: Path) -> None:
    outcome = dossier("backup", "--to", tmp_path / "backup", "--data", tmp_path / "nothing")
    assert (outcome.exit_code, outcome.err) == (6, f"dossier: there is no database in {tmp_path / 'nothing'}\n")
    away = dossier("backup", "--to", tmp_path / "backup", "--database-url", "postgresql://127.0.0.1:9/none")
    assert away.exit_code == 6
    assert not (tmp_path / "backup").exists()


def test_a_database_that_is_not_ours_is_told(dossier: Dossier, server: TestServer, tmp_path: Path) -> None:
    name = f"empty_{uuid4().hex}"
    server.create_database(name, "template0")
    try:
        conninfo = make_conninfo(server.conninfo, dbname=name)
        outcome = dossier("backup", "--to", tmp_path / "backup", "--database-url", conninfo)
    finally:
        server.drop_database(name)
    assert (outcome.exit_code, outcome.out) == (1, "")
    assert "try `dossier migrate`" in outcome.err


def test_manifests_are_json_for_programs(dossier: Dossier, told: str, tmp_path: Path) -> None:
    dossier("backup", "--to", tmp_path / "backup", "--database-url", told)
    document = json.loads((tmp_path / "backup" / "keys" / "manifest.json").read_bytes())
    (wrapped,) = document["about"]["wrapped_by"]
    assert (document["kind"], wrapped["kek"], wrapped["keys"]) == ("keys", "test", 4)
