"""`dossier export facts`: what it says, where a service is at work and where things are in the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.cli.service import Dossier, RunningService
from tests.server import TestServer
from tests.told import tell


@pytest.fixture(scope="module")
def told(server: TestServer) -> Iterator[str]:
    with server.database() as conninfo:
        tell(conninfo)
        yield conninfo


def test_an_export_is_told_with_its_size(dossier: Dossier, told: str, tmp_path: Path) -> None:
    outcome = dossier("export", "facts", "--parquet", tmp_path / "export", "--database-url", told)
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert outcome.out.startswith("exported ")
    assert " facts as of position 15: " in outcome.out
    manifest = json.loads((tmp_path / "export" / "manifest.json").read_text())
    assert manifest["position"] == 15
    assert outcome.out.startswith(f"exported {manifest['rows']['facts']} facts")


def test_a_service_at_work_is_exported_beside_it(dossier: Dossier, service: RunningService, tmp_path: Path) -> None:
    outcome = dossier("export", "facts", "--parquet", tmp_path / "export", "--data", service.data)
    assert (outcome.exit_code, outcome.out[:9]) == (0, "exported ")


def test_a_folder_that_is_not_empty_is_refused_in_one_line(dossier: Dossier, told: str, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    outcome = dossier("export", "facts", "--parquet", tmp_path, "--database-url", told)
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert outcome.err == f"dossier: --parquet: {tmp_path} is not empty; name a new folder\n"


def test_a_file_in_the_place_of_the_folder_is_told(dossier: Dossier, told: str, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    outcome = dossier("export", "facts", "--parquet", tmp_path / "mine", "--database-url", told)
    assert (outcome.exit_code, outcome.out) == (1, "")
    assert outcome.err == f"dossier: the folder {tmp_path / 'mine'} cannot be written: File exists\n"


def test_a_folder_has_to_be_named(dossier: Dossier) -> None:
    assert dossier("export", "facts").exit_code == 2
    assert dossier("export").exit_code == 2


def test_where_no_database_is_none_is_made(dossier: Dossier, tmp_path: Path) -> None:
    outcome = dossier("export", "facts", "--parquet", tmp_path / "export", "--data", tmp_path / "nothing")
    assert (outcome.exit_code, outcome.err) == (6, f"dossier: there is no database in {tmp_path / 'nothing'}\n")
    away = dossier(
        "export", "facts", "--parquet", tmp_path / "export", "--database-url", "postgresql://127.0.0.1:9/none"
    )
    assert away.exit_code == 6
    assert not (tmp_path / "export").exists()


def test_a_database_that_is_not_ours_is_told(dossier: Dossier, server: TestServer, tmp_path: Path) -> None:
    name = f"empty_{uuid4().hex}"
    server.create_database(name, "template0")
    try:
        conninfo = make_conninfo(server.conninfo, dbname=name)
        outcome = dossier("export", "facts", "--parquet", tmp_path / "export", "--database-url", conninfo)
    finally:
        server.drop_database(name)
    assert (outcome.exit_code, outcome.out) == (1, "")
    assert "try `dossier migrate`" in outcome.err
    assert not (tmp_path / "export").exists()


def test_what_no_file_can_hold_is_told_and_leaves_none(dossier: Dossier, server: TestServer, tmp_path: Path) -> None:
    with server.database() as conninfo:
        tell(conninfo)
        with psycopg.connect(conninfo) as connection:
            connection.execute(
                "UPDATE read.facts SET valid = tstzrange('-infinity', upper(valid)) WHERE slot LIKE '/identifiers/%'"
            )
        outcome = dossier("export", "facts", "--parquet", tmp_path / "export", "--database-url", conninfo)
    assert (outcome.exit_code, outcome.out, outcome.err.count("\n")) == (7, "", 1)
    assert "cannot read what it holds" in outcome.err
    assert list((tmp_path / "export").iterdir()) == []
