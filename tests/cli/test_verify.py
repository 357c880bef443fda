"""`dossier verify`: what it prints and how it ends, where all is well, where it is not, and where it cannot tell."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ledger.cipher import Refused
from tests.cli.service import Dossier, RunningService
from tests.damages import disarm, do
from tests.damages.of_streams import PARTS, STREAMS
from tests.ledger.conftest import KEK_TEXT
from tests.server import TestServer
from tests.told import ACME, BETA, place, tell

BLANK, CUT_SHORT = STREAMS[-1], PARTS[3]


@pytest.fixture(scope="module")
def told(server: TestServer) -> Iterator[str]:
    with server.database() as conninfo:
        tell(conninfo)
        yield conninfo


@pytest.fixture
def damaged(server: TestServer) -> Iterator[str]:
    """The same with an entry, a part and a rectangle changed."""
    with server.database() as conninfo:
        tell(conninfo)
        with psycopg.connect(conninfo) as connection:
            do(connection, BLANK)
            do(connection, CUT_SHORT)
            connection.execute("UPDATE read.profile SET boundaries = 9 WHERE customer_id <> %s", [ACME])
        yield conninfo


@pytest.fixture
def kek_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "kek"
    path.touch(0o600)
    path.write_text(KEK_TEXT)
    monkeypatch.setenv("DOSSIER_KEK_FILE", str(path))
    return path


@pytest.mark.usefixtures("kek_file")
def test_a_sound_database_is_told_with_its_extent(dossier: Dossier, told: str) -> None:
    outcome = dossier("verify", "--database-url", told)
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert outcome.out.startswith("verified 2 customers, 15 events, 15 positions in ")


@pytest.mark.usefixtures("kek_file")
def test_each_finding_is_a_line_with_its_place(dossier: Dossier, damaged: str) -> None:
    outcome = dossier("verify", "--database-url", damaged)
    event, log, profile, read_models, summary = outcome.out.splitlines()
    assert event == f"{place(ACME, 9)}: event: part 0: {Refused.ALTERED.value}"
    assert log == f"{place(ACME, 6)}: log: the hash is not that of the entry"
    assert profile == f"customer {BETA}: read.profile: differs in boundaries"
    assert read_models.startswith(f"stream {ACME}: read models: were not compared")
    assert summary.startswith("verified 2 customers")
    assert (outcome.exit_code, outcome.err[:19]) == (7, "dossier: 4 findings")


@pytest.mark.usefixtures("kek_file")
def test_the_evidence_can_be_verified_alone(dossier: Dossier, damaged: str) -> None:
    outcome = dossier("verify", "--evidence-only", "--database-url", damaged)
    assert (outcome.exit_code, outcome.out.count("\n")) == (7, 3)
    assert "read" not in outcome.out


@pytest.mark.usefixtures("kek_file")
def test_what_the_database_itself_cannot_read_is_told(dossier: Dossier, damaged: str) -> None:
    with psycopg.connect(damaged) as connection:
        disarm(connection)
        connection.execute("UPDATE ledger.log SET idx = 9223372036854775807 WHERE idx = 14")
    outcome = dossier("verify", "--database-url", damaged)
    assert (outcome.exit_code, outcome.err.count("\n")) == (7, 1)
    assert "cannot read what it holds (22003)" in outcome.err


@pytest.mark.usefixtures("kek_file")
def test_programs_get_one_document(dossier: Dossier, damaged: str, told: str) -> None:
    outcome = dossier("verify", "--json", "--database-url", damaged)
    document = outcome.json()
    assert outcome.exit_code == 7
    assert {name: document[name] for name in ("customers", "events", "positions")} == {
        "customers": 2,
        "events": 15,
        "positions": 15,
    }
    assert document["counts"] == {"event": 1, "log": 1, "read models": 1, "read.profile": 1}
    assert document["findings"][1] == {
        "check": "log",
        "place": place(ACME, 6),
        "detail": "the hash is not that of the entry",
        "index": 5,
    }
    sound = dossier("verify", "--json", "--database-url", told)
    assert (sound.exit_code, sound.json()["findings"], sound.err) == (0, [], "")


def test_a_service_at_work_is_verified_beside_it(dossier: Dossier, service: RunningService) -> None:
    outcome = dossier("verify", "--data", service.data)
    assert (outcome.exit_code, outcome.out[:9]) == (0, "verified ")


@pytest.mark.usefixtures("kek_file")
def test_findings_go_where_they_are_sent_while_a_bar_is_on_the_terminal(damaged: str) -> None:
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-m", "cli.main", "verify", "--database-url", damaged]
        ended = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"}, check=False
        )
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert ended.returncode == 7
    assert ended.stdout.startswith(place(ACME, 9).encode())
    assert "verifying" in shown
    assert "ciphertext" not in shown


@pytest.mark.parametrize("text", [KEK_TEXT.replace("test:", "other:"), KEK_TEXT.replace("AAEC", "BBEC")])
def test_the_wrong_key_is_told_and_finds_nothing(dossier: Dossier, told: str, kek_file: Path, text: str) -> None:
    kek_file.write_text(text)
    outcome = dossier("verify", "--database-url", told)
    assert (outcome.exit_code, outcome.out) == (1, "")
    assert outcome.err.startswith(f"dossier: {kek_file} is not the key of this database: ")
    assert outcome.err.count("\n") == 1


def test_a_key_that_cannot_be_read_is_told(dossier: Dossier, told: str, kek_file: Path) -> None:
    steps: tuple[tuple[Callable[[], object], str], ...] = (
        (lambda: kek_file.chmod(0o644), f"chmod 600 {kek_file}"),
        (kek_file.unlink, f"there is no key file {kek_file}"),
        (kek_file.mkdir, f"the key file {kek_file} cannot be read"),
    )
    for step, said in steps:
        step()
        outcome = dossier("verify", "--database-url", told)
        assert (outcome.exit_code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
        assert said in outcome.err


@pytest.mark.usefixtures("kek_file")
def test_where_no_database_is_none_is_made(dossier: Dossier, tmp_path: Path) -> None:
    outcome = dossier("verify", "--data", tmp_path / "nothing")
    assert (outcome.exit_code, outcome.err) == (6, f"dossier: there is no database in {tmp_path / 'nothing'}\n")
    assert not (tmp_path / "nothing").exists()
    assert dossier("verify", "--database-url", "postgresql://127.0.0.1:9/none").exit_code == 6


@pytest.mark.usefixtures("kek_file")
def test_a_database_that_is_not_ours_is_told(dossier: Dossier, server: TestServer) -> None:
    name = f"empty_{uuid4().hex}"
    server.create_database(name, "template0")
    try:
        outcome = dossier("verify", "--database-url", make_conninfo(server.conninfo, dbname=name))
    finally:
        server.drop_database(name)
    assert (outcome.exit_code, outcome.out) == (1, "")
    assert "try `dossier migrate`" in outcome.err
