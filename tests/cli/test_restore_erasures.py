"""A restore brings nobody back who was erased: not from an older archive of keys, nor from an older ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from domain.decisions.privacy import ApproveErasure, RequestErasure
from domain.events import Actor
from domain.events.privacy import RECORDS_SUBJECT, LegalBasis
from ledger.replay import erase_again
from tests.checker import check_stored
from tests.cli.service import Dossier
from tests.ledger.conftest import KEK_TEXT
from tests.ledger.writing import KEK, order, write_path
from tests.server import TestServer
from tests.told import ACME, BETA, settle, tell

OFFICER = Actor(id="u-501", roles=("privacy",))
SECOND = Actor(id="u-502", roles=("privacy",))
SUBJECTS = "SELECT DISTINCT convert_from(entry, 'UTF8')::jsonb -> 'parts' -> 1 ->> 'subject' FROM ledger.event"


@pytest.fixture(autouse=True)
def kek_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "kek"
    path.touch(0o600)
    path.write_text(KEK_TEXT)
    monkeypatch.setenv("DOSSIER_KEK_FILE", str(path))
    return path


@pytest.fixture
def told(database: str) -> str:
    """Two customers; a contact person of one was erased, so that there is a key of the records."""
    tell(database)
    erase(database, BETA, contact_of(database, BETA))
    return database


@pytest.fixture
def empty(server: TestServer) -> Iterator[str]:
    name = f"empty_{uuid4().hex}"
    server.create_database(name, "template0")
    yield make_conninfo(server.conninfo, dbname=name)
    server.drop_database(name)


def contact_of(conninfo: str, customer_id: UUID) -> UUID:
    with psycopg.connect(conninfo) as connection:
        found = connection.execute(f"{SUBJECTS} WHERE stream = %s", [customer_id]).fetchall()
    return next(UUID(subject) for (subject,) in found if subject is not None)


def erase(conninfo: str, customer_id: UUID, subject: UUID) -> None:
    """As two privacy officers do it, and carried out."""
    request = uuid4()
    with write_path(conninfo) as path:
        ask = RequestErasure(request_id=request, subject=subject, legal_basis=LegalBasis.GDPR_17_1_B)
        path.accept(order(customer_id, ask, actor=OFFICER))
        path.accept(order(customer_id, ApproveErasure(request_id=request), actor=SECOND))
    settle(conninfo)
    assert erase_again(conninfo, KEK) == 1


def is_gone(conninfo: str, customer_id: UUID, subject: UUID) -> bool:
    """Neither key nor ciphertext, nor a word of it in the read models."""
    with psycopg.connect(conninfo) as connection:
        ((state, wrapped),) = connection.execute(
            "SELECT state, octet_length(wrapped) FROM keys.subject_key WHERE subject = %s", [subject]
        ).fetchall()
        parts = connection.execute(
            "SELECT count(*) FROM ledger.payload JOIN ledger.event USING (stream, version)"
            " WHERE convert_from(entry, 'UTF8')::jsonb -> 'parts' -> part::integer ->> 'subject' = %s",
            [str(subject)],
        ).fetchone()
        words = [
            connection.execute(query, [customer_id]).fetchone()
            for query in (
                "SELECT count(*) FROM read.facts WHERE customer_id = %s AND value::text LIKE '%%Zhang San%%'",
                "SELECT count(*) FROM read.events WHERE customer_id = %s AND data::text LIKE '%%Zhang San%%'",
                "SELECT count(*) FROM read.events WHERE customer_id = %s AND changes LIKE '%%Zhang San%%'",
                "SELECT count(*) FROM read.profile WHERE customer_id = %s AND state LIKE '%%Zhang San%%'::bytea",
            )
        ]
    return (state, wrapped, parts) == ("destroyed", 0, (0,)) and words == [(0,)] * 4


def restore(dossier: Dossier, *arguments: Any) -> str:
    outcome = dossier("restore", *arguments)
    assert (outcome.exit_code, outcome.err) == (0, ""), outcome.err + outcome.out
    return outcome.out.splitlines()[-1]


@pytest.mark.parametrize("is_listed", [True, False])
def test_what_an_older_archive_of_keys_brings_back_is_destroyed_again(
    dossier: Dossier, told: str, empty: str, tmp_path: Path, is_listed: bool
) -> None:
    dossier("backup", "--keys-only", "--to", tmp_path / "old", "--database-url", told)
    subject = contact_of(told, ACME)
    erase(told, ACME, subject)
    dossier("backup", "--to", tmp_path / "new", "--database-url", told)
    if not is_listed:
        (tmp_path / "new" / "erasures.ndjson").unlink()
    said = restore(dossier, tmp_path / "new", "--keys", tmp_path / "old" / "keys", "--database-url", empty)
    assert said.startswith(f"erasures: 2 carried out again; {int(is_listed)} keys that had come back")
    assert said.endswith("; 0 recorded once more, because the backup did not know them")
    assert is_gone(empty, ACME, subject)
    check_stored(empty, KEK)


@pytest.mark.parametrize("source", ["a later list", "a later archive of keys"])
def test_what_an_older_ledger_does_not_know_is_erased_and_recorded_again(
    dossier: Dossier, told: str, empty: str, tmp_path: Path, source: str
) -> None:
    dossier("backup", "--to", tmp_path / "old", "--database-url", told)
    subject = contact_of(told, ACME)
    erase(told, ACME, subject)
    dossier("backup", "--keys-only", "--to", tmp_path / "new", "--database-url", told)
    known = {
        "a later list": ("--erasures", tmp_path / "new" / "erasures.ndjson"),
        "a later archive of keys": ("--keys", tmp_path / "new" / "keys"),
    }
    said = restore(dossier, tmp_path / "old", *known[source], "--database-url", empty)
    assert said.startswith("erasures: 2 carried out again; ")
    assert said.endswith("; 1 recorded once more, because the backup did not know them")
    assert is_gone(empty, ACME, subject)
    check_stored(empty, KEK)
    with psycopg.connect(empty) as connection:
        event = connection.execute(
            "SELECT data::json, actor, envelope::json FROM read.events WHERE customer_id = %s"
            " ORDER BY version DESC LIMIT 1",
            [ACME],
        ).fetchone()
        by = connection.execute("SELECT erased_by FROM keys.subject_key WHERE subject = %s", [subject]).fetchone()
    assert event is not None
    data, actor, envelope = event
    assert (data["subject"], data["legal_basis"], actor) == (str(subject), "ERASED_BEFORE", "dossier-restore")
    assert by is not None
    assert str(by[0]) in envelope["reason"]["text"]


def test_a_customer_that_was_erased_as_a_whole_stays_so(
    dossier: Dossier, told: str, empty: str, tmp_path: Path
) -> None:
    dossier("backup", "--to", tmp_path / "old", "--database-url", told)
    listed = {"subject": str(ACME), "erased_by": str(uuid4()), "destroyed_at": "2026-11-30T00:00:00Z"}
    (tmp_path / "list").write_text(json.dumps(listed) + "\n")
    restore(dossier, tmp_path / "old", "--erasures", tmp_path / "list", "--database-url", empty)
    assert is_gone(empty, ACME, ACME)
    assert is_gone(empty, ACME, contact_of(told, ACME))
    with psycopg.connect(empty) as connection:
        left = connection.execute("SELECT DISTINCT subject FROM keys.subject_key WHERE state = 'active'").fetchall()
    assert {subject for (subject,) in left} == {BETA, RECORDS_SUBJECT}


def test_a_list_that_is_none_is_told_before_anything_is_written(
    dossier: Dossier, told: str, empty: str, tmp_path: Path
) -> None:
    dossier("backup", "--to", tmp_path / "old", "--database-url", told)
    (tmp_path / "list").write_text("\n")
    outcome = dossier("restore", tmp_path / "old", "--erasures", tmp_path / "list", "--database-url", empty)
    assert (outcome.exit_code, outcome.out) == (7, "")
    assert outcome.err == f"dossier: {tmp_path}/list, line 1: no erasure as `dossier backup` lists them\n"
    missing = dossier("restore", tmp_path / "old", "--erasures", tmp_path / "none", "--database-url", empty)
    assert (missing.exit_code, missing.out, "none" in missing.err) == (1, "", True)
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT to_regnamespace('ledger'), to_regnamespace('restoring')").fetchone() == (
            None,
            None,
        )
