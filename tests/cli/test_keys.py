"""`dossier keys`: what is told of the keys that wrap, and a rotation from the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledger.rotation import rotating
from tests.cli.service import Dossier
from tests.ledger.conftest import KEK_TEXT
from tests.server import TestServer
from tests.told import tell


@pytest.fixture
def told(server: TestServer) -> Iterator[str]:
    with server.database() as conninfo:
        tell(conninfo)
        yield conninfo


@pytest.fixture(autouse=True)
def kek_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "kek"
    path.touch(0o600)
    path.write_text(KEK_TEXT)
    monkeypatch.setenv("DOSSIER_KEK_FILE", str(path))
    return path


def test_before_any_rotation_there_is_one_key_without_an_epoch(dossier: Dossier, told: str) -> None:
    outcome = dossier("keys", "list", "--database-url", told)
    assert (outcome.exit_code, outcome.out) == (0, "test: no epoch, current, wraps 4 data keys, at hand\n")


def test_a_rotation_from_its_preparation_to_its_end(dossier: Dossier, told: str) -> None:
    prepared = dossier("keys", "rotate", "--prepare", "--database-url", told)
    added = prepared.out.partition(" ")[0]
    assert dossier("keys", "rotate", "--prepare", "--database-url", told).out == prepared.out
    listed = dossier("keys", "list", "--database-url", told, "--json").json()
    assert [(kek["id"], kek["epoch"], kek["state"], kek["wraps"]) for kek in listed] == [
        (added, None, "next", 0),
        ("test", 1, "current", 4),
    ]
    rotated = dossier("keys", "rotate", "--database-url", told)
    assert rotated.out.startswith(f"{added} wraps from now on; 4 data keys wrapped anew in ")
    assert rotated.out.splitlines()[1].startswith("test can go with")
    retired = dossier("keys", "rotate", "--retire", "--database-url", told)
    assert (retired.exit_code, retired.out) == (0, "test is destroyed\n")
    again = dossier("keys", "rotate", "--retire", "--database-url", told)
    assert again.out == "no former key is left that wraps nothing\n"
    lines = dossier("keys", "list", "--database-url", told).out.splitlines()
    assert re.fullmatch(rf"{added}: epoch 2, current since \S+, wraps 4 data keys, at hand", lines[0])
    assert re.fullmatch(r"test: epoch 1, retired since \S+, wraps 0 data keys, not at hand", lines[1])
    assert dossier("verify", "--database-url", told).exit_code == 0


def test_keys_in_a_database_of_their_own_are_rotated_and_verified_there(
    dossier: Dossier, told: str, server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server.database(template="template0") as own:
        monkeypatch.setenv("KEYS_DATABASE_URL", own)
        assert dossier("migrate", "--database-url", told).out == "applied 0001_keys\n"
        with psycopg.connect(told) as source, psycopg.connect(own) as target:
            rows = source.execute("DELETE FROM keys.subject_key RETURNING subject, wrapped, kek, state").fetchall()
            target.cursor().executemany("INSERT INTO keys.subject_key VALUES (%s, %s, %s, %s)", rows)
        assert dossier("keys", "rotate", "--database-url", told).exit_code == 0
        assert len(dossier("keys", "list", "--database-url", told, "--json").json()) == 2
        assert dossier("verify", "--database-url", told).exit_code == 0
        assert dossier("rebuild", "--check", "--database-url", told).exit_code == 0
        assert dossier("rebuild", "--database-url", told).exit_code == 0
        monkeypatch.delenv("KEYS_DATABASE_URL")
        findings = dossier("verify", "--evidence-only", "--database-url", told)
        assert "has no data key" in findings.out


def test_two_steps_at_once_are_refused(dossier: Dossier, told: str) -> None:
    outcome = dossier("keys", "rotate", "--prepare", "--retire", "--database-url", told)
    assert (outcome.exit_code, outcome.err) == (2, "dossier: --prepare and --retire are two different steps\n")


def test_another_rotation_is_told(dossier: Dossier, told: str) -> None:
    with rotating(told):
        outcome = dossier("keys", "rotate", "--database-url", told)
    assert outcome.exit_code == 5
    assert outcome.err == "dossier: another rotation of this database's keys is under way\n"


def test_keys_given_as_text_are_told_to_be_somebody_elses(
    dossier: Dossier, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSSIER_KEK", KEK_TEXT)
    outcome = dossier("keys", "rotate", "--database-url", told)
    assert outcome.exit_code == 1
    assert "given as text" in outcome.err
    monkeypatch.setenv("DOSSIER_KEK", f"new{KEK_TEXT[4:]} {KEK_TEXT}")
    outcome = dossier("keys", "rotate", "--database-url", told)
    assert (outcome.exit_code, outcome.out.partition(";")[0]) == (0, "new wraps from now on")
    assert dossier("verify", "--database-url", told).exit_code == 0


def test_a_lost_key_is_told(dossier: Dossier, told: str) -> None:
    with psycopg.connect(told) as connection:
        connection.execute("UPDATE keys.subject_key SET kek = 'lost'")
    outcome = dossier("keys", "rotate", "--database-url", told)
    assert (outcome.exit_code, outcome.err) == (
        1,
        "dossier: a data key was wrapped by 'lost'; the key at hand is 'test'\n",
    )


def test_a_database_without_our_schema_is_told(dossier: Dossier, server: TestServer) -> None:
    with server.database(template="template0") as empty:
        outcome = dossier("keys", "list", "--database-url", empty)
    assert outcome.exit_code == 1
    assert "try `dossier migrate`" in outcome.err


def test_the_keys_own_database_is_never_the_ledgers(
    dossier: Dossier, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYS_DATABASE_URL", told)
    outcome = dossier("migrate", "--database-url", told)
    assert outcome.exit_code == 1
    assert "is the ledger's" in outcome.err
