"""`dossier verify` of a published log, and of either against a checkpoint that somebody kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from db.pool import connect
from ledger import tree
from ledger.checkpoint import Checkpoint
from ledger.notes import new_note
from tests.cli.service import Dossier
from tests.ledger.conftest import KEK_TEXT
from tests.ledger.forge import FOREIGN_KEY, KEY
from tests.ledger.published import note_of, path_of, publish
from tests.server import TestServer
from tests.told import tell

ENTRIES = [b'{"n":%d}' % number for number in range(300)]
VKEY = str(KEY.verifier)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return publish(tmp_path / "published", ENTRIES)


def kept(path: Path, note: bytes) -> Path:
    path.write_bytes(note)
    return path


def test_a_sound_log_is_told_with_its_extent(dossier: Dossier, folder: Path) -> None:
    outcome = dossier("verify", folder, "--key", VKEY)
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"verified 300 entries of {KEY.name} in ")


def test_the_first_fault_is_told_by_its_index(dossier: Dossier, folder: Path) -> None:
    path = path_of(folder, "entries", 0)
    path.write_bytes(path.read_bytes().replace(b'{"n":17}', b'{"n":71}'))
    outcome = dossier("verify", folder, "--key", VKEY)
    assert outcome.exit_code == 7
    assert outcome.out.splitlines()[0] == "log index 17: entry: is not what the tile of hashes has there"
    assert "what is published is not what was signed" in outcome.err


def test_as_json_it_is_one_document(dossier: Dossier, folder: Path) -> None:
    path_of(folder, "0", 0).unlink()
    outcome = dossier("verify", folder, "--key", VKEY, "--json")
    assert outcome.exit_code == 7
    document = outcome.json()
    assert (document["origin"], document["entries"], document["counts"]) == (KEY.name, 300, {"tile": 1})
    assert document["findings"][0]["place"] == "log index 0"


def test_it_is_held_against_a_kept_checkpoint(dossier: Dossier, folder: Path, tmp_path: Path) -> None:
    same, other = kept(tmp_path / "same", note_of(ENTRIES[:9])), kept(tmp_path / "other", note_of([b"x"]))
    assert dossier("verify", folder, "--key", VKEY, "--against", same).exit_code == 0
    outcome = dossier("verify", folder, "--key", VKEY, "--against", same, "--against", other)
    assert outcome.exit_code == 7
    assert "checkpoint of size 1: root: the first 1 entries are not those that were signed" in outcome.out


def test_without_a_key_at_hand_one_is_asked_for(dossier: Dossier, folder: Path) -> None:
    outcome = dossier("verify", folder)
    assert outcome.exit_code == 2
    assert "--key" in outcome.err


@pytest.mark.parametrize(
    ("key", "exit_code", "complaint"),
    [
        ("nothing", 2, "--key: a key is written"),
        (str(FOREIGN_KEY.verifier), 7, "proves nothing: no known key has signed it"),
    ],
)
def test_a_key_that_does_not_fit_is_told(
    dossier: Dossier, folder: Path, key: str, exit_code: int, complaint: str
) -> None:
    outcome = dossier("verify", folder, "--key", key)
    assert (outcome.exit_code, outcome.out) == (exit_code, "")
    assert complaint in outcome.err


def test_a_folder_without_a_log_is_told(dossier: Dossier, tmp_path: Path) -> None:
    outcome = dossier("verify", tmp_path, "--key", VKEY)
    assert outcome.exit_code == 4
    assert "there is no published log" in outcome.err


@pytest.mark.parametrize(
    ("note", "complaint"),
    [
        (note_of(ENTRIES, FOREIGN_KEY), "no known key has signed it"),
        (note_of(ENTRIES, origin="log.example/another"), "a checkpoint of the log 'log.example/another'"),
        (b"\xff", "not UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_checkpoint_of_another_log_is_refused_by_name(
    dossier: Dossier, folder: Path, tmp_path: Path, note: bytes | None, complaint: str
) -> None:
    path = tmp_path / "kept" if note is None else kept(tmp_path / "kept", note)
    outcome = dossier("verify", folder, "--key", VKEY, "--against", path)
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert f"--against: {path}" in outcome.err
    assert complaint in outcome.err


def test_former_keys_of_the_log_are_believed_from_the_settings(
    dossier: Dossier, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The log goes on under the key of the data folder, and was signed by another one when it had 9 entries."""
    key = tmp_path / "key"
    key.touch(0o600)
    key.write_text(f"{FOREIGN_KEY.secret_text()}\n")
    monkeypatch.setenv("DOSSIER_LOG_KEY_FILE", str(key))
    folder = publish(tmp_path / "published", ENTRIES, FOREIGN_KEY)
    path = kept(tmp_path / "kept", note_of(ENTRIES[:9]))
    assert "no known key has signed it" in dossier("verify", folder, "--against", path).err
    monkeypatch.setenv("DOSSIER_LOG_FORMER_KEYS", f" {VKEY} ")
    assert dossier("verify", folder, "--against", path).exit_code == 0
    monkeypatch.setenv("DOSSIER_LOG_FORMER_KEYS", "nothing")
    assert dossier("verify", folder, "--against", path).exit_code == 2


# --- a database -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(server: TestServer) -> Iterator[str]:
    with server.database() as conninfo:
        tell(conninfo)
        yield conninfo


@pytest.fixture
def kek_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "kek"
    path.touch(0o600)
    path.write_text(KEK_TEXT)
    monkeypatch.setenv("DOSSIER_KEK_FILE", str(path))


def signed_then(conninfo: str, size: int) -> bytes:
    """What somebody was given when the log had that size."""
    with connect(conninfo, "dossier_reader") as connection:
        root = tree.ask(connection, tree.root(size))
    return bytes(new_note(Checkpoint(KEY.name, size, root).text, KEY))


@pytest.mark.usefixtures("kek_file")
@pytest.mark.parametrize("size", [0, 7, 15])
def test_a_database_goes_on_from_what_was_signed(dossier: Dossier, told: str, tmp_path: Path, size: int) -> None:
    path = kept(tmp_path / "kept", signed_then(told, size))
    outcome = dossier("verify", "--database-url", told, "--key", VKEY, "--against", path)
    assert (outcome.exit_code, outcome.err) == (0, "")


@pytest.mark.usefixtures("kek_file")
@pytest.mark.parametrize(
    ("size", "complaint"),
    [
        (7, "the first 7 places of the log are not those that were signed"),
        (99, "covers more than the log, which has 15 places"),
    ],
)
def test_a_database_that_does_not_is_told(
    dossier: Dossier, told: str, tmp_path: Path, size: int, complaint: str
) -> None:
    path = kept(tmp_path / "kept", bytes(new_note(Checkpoint(KEY.name, size, bytes(32)).text, KEY)))
    outcome = dossier("verify", "--database-url", told, "--key", VKEY, "--against", path, "--json")
    assert outcome.exit_code == 7
    assert outcome.json()["counts"] == {"against": 1}
    assert outcome.json()["findings"][0]["detail"] == complaint
