"""`dossier log`: the key, the checkpoint, a published folder, and a memory that is given back."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from ledger.checkpoint import Checkpoint
from ledger.log_key import log_key_at
from ledger.notes import new_note
from ledger.refusal_file import RefusalFile
from ledger.tiles import tiles_of
from tests.cli.service import Dossier, RunningService, failure, kill, wait_until
from tests.ledger.signing import KEY, OTHER_KEY, Signing, numbered
from tests.scenarios.client import Api


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of the command, with the key of the log in it."""
    path = tmp_path / "data" / "keys" / "log"
    path.parent.mkdir(parents=True)
    path.touch(0o600)
    path.write_text(f"{KEY.secret_text()}\n", encoding="utf-8")
    return tmp_path / "data"


@pytest.fixture
def log(database: str, data: Path) -> Iterator[Signing]:
    """A log of 300 entries that were signed."""
    log = Signing(database, data)
    log.grow(*numbered(300))
    log.sign()
    yield log
    log.close()


def note_of(size: int, root: bytes = b"") -> bytes:
    return bytes(new_note(Checkpoint(KEY.name, size, sha256(root).digest()).text, KEY))


@pytest.mark.usefixtures("data")
def test_the_key_is_printed_without_its_secret(dossier: Dossier) -> None:
    assert dossier("log", "key").out == f"{KEY.verifier}\n"


def test_without_a_key_there_is_none(dossier: Dossier) -> None:
    outcome = dossier("log", "key")
    assert outcome.exit_code == 1
    assert outcome.err.startswith("dossier: there is no file ")


def test_the_newest_checkpoint_is_printed_as_it_was_signed(dossier: Dossier, log: Signing) -> None:
    assert dossier("log", "checkpoint", "--database-url", log.database).out == log.notes()[-1]


def test_a_log_that_was_never_signed_has_none(dossier: Dossier, database: str) -> None:
    outcome = dossier("log", "checkpoint", "--database-url", database)
    assert (outcome.exit_code, outcome.err) == (4, "dossier: nothing of the log is signed yet\n")


def test_a_log_is_published_and_then_what_is_new(dossier: Dossier, log: Signing, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    outcome = dossier("log", "publish", folder, "--database-url", log.database)
    assert (outcome.out, outcome.err) == (f"{folder}: 300 entries, 300 of them new, in 5 tiles\n", "")
    assert all((folder / tile.path).exists() for tile in tiles_of(300))
    log.grow(b"one more")
    log.sign()
    outcome = dossier("log", "publish", folder, "--database-url", log.database)
    assert outcome.out == f"{folder}: 301 entries, 1 of them new, in 2 tiles\n"


def test_what_was_altered_is_not_published(dossier: Dossier, log: Signing, tmp_path: Path) -> None:
    log.attack("UPDATE ledger.event SET entry = 'another'")
    outcome = dossier("log", "publish", tmp_path / "published", "--database-url", log.database)
    assert (outcome.exit_code, outcome.out) == (7, "")
    assert outcome.err == "dossier: log index 0: the hash is not that of the entry\n"


def test_a_tree_that_is_not_whole_is_not_published(dossier: Dossier, log: Signing, tmp_path: Path) -> None:
    log.attack("TRUNCATE ledger.node")
    outcome = dossier("log", "publish", tmp_path / "published", "--database-url", log.database)
    assert (outcome.exit_code, outcome.out) == (7, "")
    assert outcome.err == "dossier: level 1 has not all hashes from 0 to 1\n"


def test_a_folder_that_cannot_be_written_is_named(dossier: Dossier, log: Signing, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = dossier("log", "publish", tmp_path / "file", "--database-url", log.database)
    assert (outcome.exit_code, outcome.err) == (1, f"dossier: {tmp_path / 'file'} cannot be used: File exists\n")


def test_a_folder_of_another_log_is_named(dossier: Dossier, log: Signing, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_bytes(bytes(new_note(Checkpoint.empty(OTHER_KEY.name).text, OTHER_KEY)))
    outcome = dossier("log", "publish", tmp_path, "--database-url", log.database)
    assert (outcome.exit_code, outcome.err) == (1, f"dossier: no known key has signed it, only {OTHER_KEY.name}\n")


# --- a memory that was lost -----------------------------------------------------------------------------------------


def test_the_signer_goes_on_from_a_checkpoint_that_was_kept(dossier: Dossier, log: Signing, tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(log.path.read_bytes())
    log.path.unlink()
    outcome = dossier("log", "remember", tmp_path / "kept")
    assert (outcome.out, outcome.err) == ("the signer goes on from size 300\n", "")
    log.grow(b"one more")
    assert log.sign().size == 301


@pytest.mark.parametrize(
    ("kept", "exit_code", "message"),
    [
        (b"no note", 1, "no empty line stands above signatures"),
        (bytes(new_note(Checkpoint.empty(OTHER_KEY.name).text, OTHER_KEY)), 1, f"only {OTHER_KEY.name}"),
        (note_of(200), 1, "remembers a larger log already"),
        (note_of(300), 7, "remembers another root of size 300"),
    ],
)
@pytest.mark.usefixtures("log")
def test_what_cannot_be_gone_on_from_is_refused(
    dossier: Dossier, tmp_path: Path, kept: bytes, exit_code: int, message: str
) -> None:
    (tmp_path / "kept").write_bytes(kept)
    outcome = dossier("log", "remember", tmp_path / "kept")
    assert (outcome.exit_code, outcome.out) == (exit_code, "")
    assert message in outcome.err


@pytest.mark.usefixtures("data")
def test_a_checkpoint_that_cannot_be_read_is_named(dossier: Dossier, tmp_path: Path) -> None:
    outcome = dossier("log", "remember", tmp_path / "nothing")
    assert (outcome.exit_code, outcome.err) == (
        1,
        f"dossier: {tmp_path / 'nothing'} cannot be read: No such file or directory\n",
    )


# --- the service ----------------------------------------------------------------------------------------------------


def test_a_service_signs_under_the_name_that_it_is_given(dossier: Dossier, tmp_path: Path) -> None:
    with RunningService.start(tmp_path / "service", "--no-sample", DOSSIER_LOG_ORIGIN="bank.example/files") as running:
        wait_until(lambda: dossier("log", "checkpoint", "--data", running.data).exit_code == 0)
        key = dossier("log", "key", "--data", running.data).out
        note = dossier("log", "checkpoint", "--data", running.data).out
    assert key.startswith("bank.example/files+")
    assert note.startswith("bank.example/files\n")
    assert (running.data / "signer" / "signed").read_text(encoding="utf-8") == note
    refused = failure(tmp_path / "service", DOSSIER_LOG_ORIGIN="bank.example/others")
    assert (refused.exit_code, refused.err) == (
        1,
        "dossier: the key signs the log 'bank.example/files', and the settings name 'bank.example/others'\n",
    )


def test_a_key_that_others_can_read_stops_the_start(tmp_path: Path) -> None:
    log_key_at(tmp_path / "keys" / "log")
    (tmp_path / "keys" / "log").chmod(0o644)
    refused = failure(tmp_path)
    assert refused.exit_code == 1
    assert "chmod 600" in refused.err


def test_a_service_whose_memory_is_lost_says_so_and_works_on(tmp_path: Path, database: str) -> None:
    options = ("--no-sample", "--database-url", database)
    with RunningService.start(tmp_path / "service", *options) as running:
        wait_until(lambda: httpx.get(f"{running.url}/log/checkpoint").status_code == 200)
    memory = running.data / "signer" / "signed"
    memory.unlink()
    with RunningService.start(tmp_path / "service", *options) as running:
        wait_until(lambda: RefusalFile(memory).read() is not None)
        told = httpx.get(f"{running.url}/readyz")
    assert (told.status_code, told.json()["unsigned_because"]["reason"]) == (200, "MemoryMissing")


def test_a_service_whose_key_is_lost_seals_on(tmp_path: Path, database: str) -> None:
    with RunningService.start(tmp_path / "service", "--no-sample", "--database-url", database) as running:
        (running.data / "keys" / "log").unlink()
        follower = running.children()["cli.follow"]
        kill(follower)
        wait_until(lambda: RefusalFile(running.data / "signer" / "signed").read() is not None)
        with httpx.Client(base_url=running.url) as http:
            Api(http, running.token).register()
        wait_until(lambda: httpx.get(f"{running.url}/readyz").json().get("sealed"))
        told = httpx.get(f"{running.url}/readyz").json()
    assert told["unsigned_because"]["reason"] == "LogKeyMissing"
