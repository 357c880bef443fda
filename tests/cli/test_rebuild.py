"""`dossier rebuild` as an operator meets it: what it prints, how it ends, what it says when it cannot."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from domain.decisions.identity import RecordIdentifier
from tests.cli.service import Dossier, RunningService
from tests.ledger.writing import USCC, order, write_path
from tests.projections.world import KEK_TEXT
from tests.server import TestServer
from tests.told import ACME, BETA, tell


@pytest.fixture
def kek_file(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "keys" / "kek"
    path.parent.mkdir(parents=True)
    path.touch(0o600)
    path.write_text(KEK_TEXT, encoding="ascii")
    return path


@pytest.fixture
def empty(database: str, kek_file: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database without customers, and a key, where the command finds them."""
    assert kek_file.exists()
    monkeypatch.setenv("DATABASE_URL", database)
    return database


@pytest.fixture
def told(empty: str) -> str:
    """The same with a short history, written under that key."""
    tell(empty)
    return empty


def execute(database: str, *statements: str) -> None:
    with psycopg.connect(database) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def lines(out: str) -> tuple[list[str], list[str], str]:
    """What was printed: the differences, the checksums, and the last line."""
    *told, last = out.splitlines()
    differences = [line for line in told if " of customer " in line]
    return differences, told[len(differences) :], last


def test_a_corrupted_row_is_named_and_put_right(dossier: Dossier, told: str) -> None:
    execute(told, "UPDATE read.facts SET value = '3' WHERE value = '4'", "DELETE FROM read.identifier")
    named = [
        f"read.facts of customer {ACME} /attributes/n: differs in value",
        f"read.identifier of customer {ACME} CN_USCC:9144030071526726XG: is missing",
    ]
    told_only = dossier("rebuild", "--check")
    assert told_only.exit_code == 7
    assert lines(told_only.out)[0] == named
    assert lines(told_only.out)[-1].startswith("compared 2 customers, 15 events in ")
    assert told_only.out.endswith(": 2 differences\n")
    assert told_only.err == (
        "dossier: the read models are not what the events say; `dossier rebuild` puts them right\n"
    )
    done = dossier("rebuild")
    assert (done.exit_code, done.err) == (0, "")
    assert sorted(lines(done.out)[0]) == named
    assert lines(done.out)[-1].startswith("rebuilt 2 customers, 15 events in ")
    assert done.out.endswith(": 2 differences put right\n")
    again = dossier("rebuild", "--check")
    assert (again.exit_code, again.err) == (0, "")
    assert again.out.endswith(": 0 differences\n")


def test_checksums_of_both_tables_are_told_at_one_position(dossier: Dossier, told: str) -> None:
    execute(told, "DELETE FROM read.events WHERE version = 9")
    _, checksums, _ = lines(dossier("rebuild").out)
    facts, events, changes, *others = checksums
    rows = r"\d+ rows, checksum [0-9a-f]{16}"
    assert re.fullmatch(rf"read\.facts at position 15: {rows}, as computed anew", facts)
    assert re.fullmatch(rf"read\.events at position 15: 14 rows, .*; computed anew: 15 {rows[4:]}", events)
    assert re.fullmatch(rf"read\.changes at position 15: {rows}, as computed anew", changes)
    # another person, who looks at what was switched in, is told the same
    computed = [facts.removesuffix(", as computed anew"), re.sub("14 rows.*anew: ", "", events)]
    computed += [line.removesuffix(", as computed anew") for line in (changes, *others)]
    assert lines(dossier("rebuild", "--check").out)[1] == computed


def test_programs_are_told_in_json(dossier: Dossier, told: str) -> None:
    execute(told, "DELETE FROM read.events WHERE version = 9")
    checked = dossier("rebuild", "--check", "--json")
    assert checked.exit_code == 7
    done = dossier("rebuild", "--json")
    for document in (checked.json(), done.json()):
        assert (document["customers"], document["events"], document["difference_count"]) == (2, 15, 1)
        assert document["differences"] == [
            {"table": "read.events", "customer_id": str(ACME), "key": "9", "detail": "is missing"}
        ]
        assert (document["unreadable"], document["unrepaired"]) == ([], [])
    of_check, of_rebuild = checked.json()["tables"], done.json()["tables"]
    assert [each | {"shadow": None} for each in of_rebuild] == of_check
    events = of_rebuild[1]
    assert (events["table"], events["position"]) == ("read.events", 15)
    assert (events["live"]["rows"], events["shadow"]["rows"]) == (14, 15)
    assert events["live"]["checksum"] != events["shadow"]["checksum"]
    assert dossier("rebuild", "--check", "--json").json()["tables"][1]["live"] == events["shadow"]


def test_some_read_models_can_be_rebuilt_alone(dossier: Dossier, told: str) -> None:
    execute(told, "DELETE FROM read.facts", "UPDATE read.profile SET boundaries = 7")
    done = dossier("rebuild", "--only", "profile", "--only", "identifier")
    assert done.out.count("read.profile") == done.out.count("\n") - 1 == 2
    assert dossier("rebuild", "--check", "--only", "profile").exit_code == 0
    assert dossier("rebuild", "--check").exit_code == 7
    assert dossier("rebuild", "--only", "nonsense").exit_code == 2


def test_what_cannot_be_put_right_is_told(dossier: Dossier, told: str) -> None:
    execute(told, "DELETE FROM read.identifier")
    with write_path(told) as path:
        path.accept(order(BETA, RecordIdentifier(scheme=USCC[0], value=USCC[1])))
    done = dossier("rebuild", "--only", "identifier")
    assert done.exit_code == 1
    place = f"read.identifier of customer {ACME} {':'.join(USCC)}"
    assert f"not put right: {place}: is missing, and another customer holds it by now\n" in done.out
    assert done.err == "dossier: could not put right 1 of the differences; all others are\n"


def test_a_stream_that_cannot_be_read_is_named(dossier: Dossier, told: str) -> None:
    execute(
        told,
        "ALTER TABLE ledger.payload DISABLE TRIGGER USER",
        f"UPDATE ledger.payload SET ct = ct || '\\x00' WHERE version = 3 AND stream = '{ACME}'",  # noqa: S608
    )
    refused = dossier("rebuild")
    assert refused.exit_code == 1
    assert refused.err.startswith(f"dossier: customer {ACME}, version 3 cannot be read: ")
    assert refused.err.endswith("; nothing was switched\n")
    compared = dossier("rebuild", "--check")
    assert compared.exit_code == 7
    assert f"not compared: customer {ACME}, version 3 cannot be read: " in compared.out


def test_another_rebuild_is_not_disturbed(dossier: Dossier, empty: str) -> None:
    with psycopg.connect(empty) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtextextended('dossier rebuild', 0))")
        refused = dossier("rebuild")
    assert (refused.exit_code, refused.err) == (5, "dossier: another rebuild is at work in this database\n")


def test_a_wrong_key_is_told(dossier: Dossier, told: str, kek_file: Path) -> None:
    assert told
    kek_file.write_text("other:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", encoding="ascii")
    refused = dossier("rebuild")
    assert refused.exit_code == 1
    assert "a data key was wrapped by 'test'" in refused.err
    kek_file.unlink()
    refused = dossier("rebuild")
    assert refused.exit_code == 1
    assert "nothing can be read" in refused.err


def test_a_login_that_does_not_own_the_tables_is_told(
    dossier: Dossier, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", make_conninfo(empty, options="-c role=dossier_reader"))
    refused = dossier("rebuild")
    assert refused.exit_code == 1
    assert "the login must own" in refused.err


def test_a_database_without_our_schema_is_told(dossier: Dossier, server: TestServer, kek_file: Path) -> None:
    assert kek_file.exists()
    with server.database("template0") as bare:
        refused = dossier("rebuild", "--database-url", bare)
    assert refused.exit_code == 1
    assert "try `dossier migrate`" in refused.err


def test_where_no_database_is_none_is_made(dossier: Dossier, kek_file: Path) -> None:
    refused = dossier("rebuild")
    assert refused.exit_code == 6
    assert not (kek_file.parent.parent / "pg18").exists()
    assert dossier("rebuild", "--database-url", "postgresql://127.0.0.1:9/none").exit_code == 6


def test_beside_a_running_service_it_finds_the_database(dossier: Dossier, service: RunningService) -> None:
    done = dossier("rebuild", "--data", service.data)
    assert (done.exit_code, done.err) == (0, "")
    assert lines(done.out)[-1].startswith("rebuilt ")
