"""A restored log is signed under a name that it never had, and says what was signed before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import orjson
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ledger.checkpoint import Checkpoint
from ledger.findings import Finding
from ledger.log_key import log_key_from
from ledger.notes import SigningKey, new_note
from ledger.scrub_record import Progress, ScrubRecord
from ledger.signer_memory import SignerMemory
from tests.cli.service import Dossier
from tests.ledger.conftest import KEK_TEXT
from tests.server import TestServer
from tests.told import tell

KEY = SigningKey.generate("example.com/log")


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that the restored service's keys are in; of them only the one that opens the backup."""
    keys = tmp_path / "data" / "keys"
    keys.mkdir(parents=True)
    (keys / "kek").touch(0o600)
    (keys / "kek").write_text(KEK_TEXT)
    monkeypatch.delenv("DOSSIER_LOG_ORIGIN", raising=False)
    return tmp_path / "data"


@pytest.fixture
def backup(dossier: Dossier, database: str, tmp_path: Path, data: Path) -> Path:
    """Of a log that was signed."""
    assert data.exists()
    tell(database)
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO ledger.signature (size, note) VALUES (15, %s)", [note(database, 15)])
    assert dossier("backup", "--to", tmp_path / "backup", "--database-url", database).exit_code == 0
    return tmp_path / "backup"


@pytest.fixture
def empty(server: TestServer) -> Iterator[str]:
    name = f"empty_{uuid4().hex}"
    server.create_database(name, "template0")
    yield make_conninfo(server.conninfo, dbname=name)
    server.drop_database(name)


def note(conninfo: str, size: int, key: SigningKey = KEY) -> str:
    """A checkpoint, signed; of a size that the log does not have, one that was signed elsewhere."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT root FROM ledger.checkpoint WHERE size = %s LIMIT 1", [size]).fetchone()
    root = row[0] if row else bytes(32)
    return bytes(new_note(Checkpoint(key.name, size, root).text, key)).decode()


def began(conninfo: str) -> dict[str, object]:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT entry FROM ledger.event WHERE type = 'log.epoch-began'").fetchone()
    assert row is not None
    epoch: dict[str, object] = orjson.loads(row[0])["epoch"]
    return epoch


def write_key(data: Path, key: SigningKey) -> None:
    (data / "keys" / "log").touch(0o600)
    (data / "keys" / "log").write_text(f"{key.secret_text()}\n")


def is_untouched(conninfo: str) -> bool:
    with psycopg.connect(conninfo) as connection:
        return connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_'").fetchone() == (2,)


def test_the_new_name_is_the_old_one_with_the_epoch(
    dossier: Dossier, backup: Path, database: str, empty: str, data: Path
) -> None:
    assert dossier("restore", backup, "--database-url", empty).exit_code == 0
    epoch, key = began(empty), log_key_from(data / "keys" / "log")
    assert key.name == epoch["origin"] == f"example.com/log/{epoch['name']}"
    assert epoch["after"] == {"name": "1", "size": 15, "checkpoint": note(database, 15)}
    remembered = SignerMemory(data / "signer" / "signed", key.verifier).recall()
    assert remembered is not None
    assert (remembered.origin, remembered.size) == (key.name, 15)


def test_what_a_scrubber_had_seen_there_was_another_log(dossier: Dossier, backup: Path, empty: str, data: Path) -> None:
    record = ScrubRecord.of(data)
    record.note(Progress(size=10_000))
    record.tell(Finding("log", "log index 3", "the hash is not that of the entry", 3))
    assert dossier("restore", backup, "--database-url", empty).exit_code == 0
    assert (record.progress(), record.finding()) == (None, None)
    assert dossier("verify", "--database-url", empty, "--data", data).exit_code == 0


def test_another_name_can_be_asked_for(
    dossier: Dossier, backup: Path, empty: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSSIER_LOG_ORIGIN", "example.com/other")
    assert dossier("restore", backup, "--database-url", empty).exit_code == 0
    assert began(empty)["origin"] == log_key_from(data / "keys" / "log").name == "example.com/other"


def test_a_key_that_has_signed_the_log_is_refused(dossier: Dossier, backup: Path, empty: str, data: Path) -> None:
    write_key(data, KEY)
    outcome = dossier("restore", backup, "--database-url", empty)
    assert (outcome.exit_code, outcome.out) == (1, "")
    assert f"{data}/keys/log has signed this log as 'example.com/log'" in outcome.err
    assert is_untouched(empty)


def test_a_name_that_the_log_had_is_refused(
    dossier: Dossier, backup: Path, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSSIER_LOG_ORIGIN", "example.com/log")
    outcome = dossier("restore", backup, "--database-url", empty)
    assert (outcome.exit_code, "give it another name" in outcome.err) == (1, True)
    assert is_untouched(empty)


def test_what_a_signer_remembers_of_another_history_is_not_written_over(
    dossier: Dossier, backup: Path, database: str, empty: str, data: Path
) -> None:
    (data / "signer").mkdir()
    (data / "signer" / "signed").write_text(note(database, 15))
    outcome = dossier("restore", backup, "--database-url", empty)
    assert (outcome.exit_code, f"{data}/signer/signed is what a signer remembers" in outcome.err) == (1, True)
    assert (data / "signer" / "signed").read_text() == note(database, 15)
    assert is_untouched(empty)


def test_a_later_checkpoint_that_somebody_kept_is_told_in_the_log(
    dossier: Dossier, backup: Path, database: str, empty: str, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text(note(database, 900))
    assert dossier("restore", backup, "--checkpoint", tmp_path / "kept", "--database-url", empty).exit_code == 0
    assert began(empty)["after"] == {"name": "1", "size": 15, "checkpoint": note(database, 900)}


def test_an_older_one_tells_nothing_new(
    dossier: Dossier, backup: Path, database: str, empty: str, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text(note(database, 8))
    assert dossier("restore", backup, "--checkpoint", tmp_path / "kept", "--database-url", empty).exit_code == 0
    assert began(empty)["after"] == {"name": "1", "size": 15, "checkpoint": note(database, 15)}


def test_what_is_no_checkpoint_of_the_log_is_told(
    dossier: Dossier, backup: Path, database: str, empty: str, tmp_path: Path
) -> None:
    for content in (note(database, 8, SigningKey.generate("example.com/foreign")), "no note"):
        (tmp_path / "kept").write_text(content)
        outcome = dossier("restore", backup, "--checkpoint", tmp_path / "kept", "--database-url", empty)
        assert (outcome.exit_code, outcome.out) == (7, "")
        assert outcome.err.startswith(f"dossier: {tmp_path}/kept: ")
    missing = dossier("restore", backup, "--checkpoint", tmp_path / "none", "--database-url", empty)
    assert (missing.exit_code, "No such file" in missing.err) == (1, True)
    assert is_untouched(empty)


def test_a_log_that_was_never_signed_gets_a_name_of_its_own(
    dossier: Dossier, database: str, empty: str, data: Path, tmp_path: Path
) -> None:
    tell(database)
    dossier("backup", "--to", tmp_path / "backup", "--database-url", database)
    assert dossier("restore", tmp_path / "backup", "--database-url", empty).exit_code == 0
    epoch = began(empty)
    assert epoch["after"] == {"name": "1", "size": 15}
    assert epoch["origin"] == log_key_from(data / "keys" / "log").name
