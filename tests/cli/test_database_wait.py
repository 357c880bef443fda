"""A database that is not there yet: the start waits as long as it may, says why, and can be stopped meanwhile."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from uuid import uuid4

from psycopg.conninfo import make_conninfo

from tests.cli.service import PATIENCE_SECONDS, failure, launch, wait_until
from tests.server import TestServer

_LONG = "1000"


def test_the_start_waits_until_the_database_is_there(tmp_path: Path, server: TestServer) -> None:
    name = f"test_{uuid4().hex}"
    address = make_conninfo(server.conninfo, dbname=name)
    with launch(tmp_path, "--no-sample", DATABASE_URL=address, DOSSIER_DATABASE_WAIT_SECONDS=_LONG) as process:
        try:
            told = _first_line(process)
            server.create_database(name, server.template)
            wait_until((tmp_path / "service.json").exists)
            process.terminate()
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
            server.drop_database(name)
    assert told.startswith("dossier: waiting up to 1000 s for the database: ")
    assert f'database "{name}" does not exist' in told
    assert "Dossier serves at" in out
    assert (process.returncode, err.split(":")[:2]) == (0, ["dossier", " DEVELOPMENT MODE"])


def test_the_wait_is_bounded(tmp_path: Path) -> None:
    address = "postgresql://somebody:s3cret@127.0.0.1:9/none"
    outcome = failure(tmp_path, DATABASE_URL=address, DOSSIER_DATABASE_WAIT_SECONDS="0.7")
    waiting, given_up = outcome.err.splitlines()
    assert outcome.exit_code == 6
    assert waiting.startswith("dossier: waiting up to 0.7 s for the database: ")
    assert given_up.startswith("dossier: the database cannot be reached: ")
    assert "s3cret" not in outcome.err


def test_a_signal_ends_the_wait(tmp_path: Path) -> None:
    address = "postgresql://somebody@127.0.0.1:9/none"
    with launch(tmp_path, DATABASE_URL=address, DOSSIER_DATABASE_WAIT_SECONDS=_LONG) as process:
        _first_line(process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, err) == (0, "")


def test_a_malformed_address_is_not_waited_for(tmp_path: Path) -> None:
    outcome = failure(tmp_path, DATABASE_URL="host=x s3cret", DOSSIER_DATABASE_WAIT_SECONDS=_LONG)
    assert (outcome.exit_code, outcome.err) == (2, "dossier: the database's address is malformed\n")


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()
