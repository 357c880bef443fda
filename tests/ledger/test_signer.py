"""The signer: what it signs, what it refuses and by which name, and that nothing is signed that was not remembered."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from ledger import log_errors as errors
from ledger.checkpoint import Checkpoint
from ledger.merkle import EMPTY_ROOT
from ledger.notes import Note, SigningKey, new_note
from tests.ledger.naive_tree import root_of
from tests.ledger.signing import KEY, OTHER_KEY, Signing, numbered


@pytest.fixture
def log(database: str, tmp_path: Path) -> Iterator[Signing]:
    log = Signing(database, tmp_path)
    yield log
    log.close()


@pytest.fixture
def signed(log: Signing) -> Signing:
    """A log of seven entries that were signed."""
    log.grow(*numbered(7))
    log.sign()
    return log


def leaves(entries: list[bytes]) -> list[bytes]:
    return [sha256(b"\0" + entry).digest() for entry in entries]


# --- what it signs --------------------------------------------------------------------------------------------------


def test_a_log_is_signed_as_its_entries_give_it(log: Signing) -> None:
    entries = list(numbered(300))
    log.grow(*entries)
    assert log.sign() == Checkpoint(KEY.name, 300, root_of(leaves(entries)))


def test_a_log_without_entries_is_signed_too(log: Signing) -> None:
    assert not log.signer.sign_once()
    log.seal()
    assert log.sign() == Checkpoint(KEY.name, 0, EMPTY_ROOT)


def test_each_size_is_signed_once(signed: Signing) -> None:
    assert not signed.signer.sign_once()
    signed.compare()
    signed.grow(b"eighth")
    assert signed.signer.sign_once()
    assert [Checkpoint.from_text(Note.parse(note.encode()).text).size for note in signed.notes()] == [7, 8]


def test_what_was_given_out_is_remembered(signed: Signing) -> None:
    assert signed.path.read_text(encoding="utf-8") == signed.notes()[-1]


def test_a_long_log_is_signed_piece_by_piece(database: str, tmp_path: Path) -> None:
    log = Signing(database, tmp_path, most_leaves=40)
    log.grow(*numbered(100))
    assert [log.sign().size for _ in range(3)] == [40, 80, 100]
    log.close()


def test_a_signer_that_starts_anew_goes_on(signed: Signing) -> None:
    signed.grow(b"eighth")
    other = signed.another()
    assert other.sign_once()
    other.close()
    assert signed.memory.recall() == signed.sign()


def test_nothing_is_signed_before_the_sealer_has_written_a_root(log: Signing) -> None:
    """As in a database from before the tree."""
    log.grow(b"first")
    log.attack("DELETE FROM ledger.checkpoint")
    assert not log.signer.sign_once()
    assert log.notes() == []


# --- where it stopped -----------------------------------------------------------------------------------------------


def test_a_note_that_is_remembered_and_not_there_is_given_out(log: Signing) -> None:
    """As after a death between the two."""
    log.grow(*numbered(3))
    root = root_of(leaves(list(numbered(3))))
    note = new_note(Checkpoint(KEY.name, 3, root).text, KEY)
    log.memory.keep(note)
    assert log.signer.sign_once()
    assert log.notes() == [bytes(note).decode()]


def test_a_memory_that_is_behind_catches_up(signed: Signing) -> None:
    """As on another machine, or when an older copy of the file was put back."""
    old = signed.path.read_bytes()
    signed.grow(b"eighth")
    signed.sign()
    new = signed.path.read_bytes()
    signed.path.write_bytes(old)
    signed.compare()
    assert signed.path.read_bytes() == new
    assert len(signed.notes()) == 2


def test_two_signers_sign_the_same(log: Signing) -> None:
    log.grow(*numbered(20))
    signers = [log.another() for _ in range(4)]
    threads = [Thread(target=signer.sign_once) for signer in signers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for signer in signers:
        signer.close()
    assert len(log.notes()) == 1
    assert log.path.read_text(encoding="utf-8") == log.notes()[0]


def test_a_log_that_goes_on_under_a_new_origin_is_signed(signed: Signing) -> None:
    """As after a restore: the memory of the new origin begins where the old one ended."""
    began = Checkpoint(OTHER_KEY.name, 7, root_of(leaves(list(numbered(7)))))
    signed.path.unlink()
    log = Signing(signed.database, signed.folder, OTHER_KEY)
    log.memory.keep(new_note(began.text, OTHER_KEY))
    log.signer.sign_once()
    log.compare()
    assert len(log.notes()) == 1
    log.grow(b"eighth")
    assert log.sign().origin == OTHER_KEY.name
    log.close()


# --- what it refuses ------------------------------------------------------------------------------------------------


def refused(log: Signing, kind: type[errors.LogRefused], idx: int | None = None) -> None:
    """It refuses whatever comes, by that name, and gives nothing out."""
    notes, memory = log.notes(), log.path.read_bytes() if log.path.exists() else None
    log.clock.now += 3600
    for _ in range(2):
        with pytest.raises(kind) as caught:
            log.signer.sign_once()
        assert caught.value.idx == idx
        assert caught.value.reason == kind.__name__
    assert log.notes() == notes
    assert (log.path.read_bytes() if log.path.exists() else None) == memory


def test_a_log_without_memory_that_was_signed_is_refused(signed: Signing) -> None:
    signed.path.unlink()
    refused(signed, errors.MemoryMissing)


def test_a_log_that_was_cut_off_is_refused(signed: Signing) -> None:
    signed.attack("DELETE FROM ledger.log WHERE idx > 4")
    refused(signed, errors.MemoryAhead, 5)


def test_an_older_copy_of_the_database_is_refused(log: Signing) -> None:
    """Everything in it fits together; only the memory is from after it."""
    for begin, number in ((0, 5), (5, 2)):
        log.grow(*numbered(number, begin))
        log.sign()
    log.attack(
        "DELETE FROM ledger.log WHERE idx > 4",
        "DELETE FROM ledger.checkpoint WHERE size > 5",
        "DELETE FROM ledger.signature WHERE size > 5",
        "DELETE FROM ledger.event WHERE (stream, version) NOT IN (SELECT stream, version FROM ledger.log)",
    )
    log.seal()
    refused(log, errors.MemoryAhead, 5)
    log.grow(*numbered(9, begin=100))
    refused(log, errors.HistoryChanged)


def test_checkpoints_that_go_back_are_refused(signed: Signing) -> None:
    signed.grow(b"eighth")
    signed.sign()
    signed.attack("DELETE FROM ledger.checkpoint WHERE size = 8")
    refused(signed, errors.SizeShrank, 7)


def test_an_entry_that_was_altered_before_it_was_signed_is_named(signed: Signing) -> None:
    signed.grow(*numbered(5, begin=7))
    signed.attack(
        "UPDATE ledger.event SET entry = 'another' WHERE (stream, version) ="
        " (SELECT stream, version FROM ledger.log WHERE idx = 9)"
    )
    refused(signed, errors.LeafMismatch, 9)


def test_a_leaf_that_was_altered_before_it_was_signed_is_named(signed: Signing) -> None:
    signed.grow(*numbered(5, begin=7))
    signed.attack("UPDATE ledger.log SET hash = sha256('another') WHERE idx = 11")
    refused(signed, errors.LeafMismatch, 11)


@pytest.mark.parametrize("table", ["event", "log"])
def test_what_is_gone_is_named(signed: Signing, table: str) -> None:
    signed.grow(*numbered(5, begin=7))
    signed.attack(
        f"DELETE FROM ledger.{table} WHERE (stream, version) = (SELECT stream, version FROM ledger.log WHERE idx = 8)"  # noqa: S608
    )
    refused(signed, errors.LeafMissing, 8)


def test_a_leaf_that_was_altered_after_it_was_signed_is_noticed(signed: Signing) -> None:
    signed.attack("UPDATE ledger.log SET hash = sha256('another') WHERE idx = 2")
    refused(signed, errors.HistoryChanged)


def test_a_node_that_was_altered_is_noticed(log: Signing) -> None:
    log.grow(*numbered(600))
    log.sign()
    log.attack("UPDATE ledger.node SET hash = sha256('another') WHERE idx = 1")
    refused(log, errors.HistoryChanged)


def test_nodes_that_are_gone_are_noticed(log: Signing) -> None:
    log.grow(*numbered(600))
    log.sign()
    log.attack("DELETE FROM ledger.node WHERE idx = 0")
    refused(log, errors.HistoryChanged)


def test_a_history_that_was_rewritten_in_every_place_is_noticed(signed: Signing) -> None:
    """Entry, leaf, checkpoints and note are exchanged, all to fit together; only the key and the memory are not had."""
    entries = list(numbered(7))
    entries[3] = b"rewritten"
    root = root_of(leaves(entries)).hex()
    signed.attack(
        "UPDATE ledger.event SET entry = 'rewritten' WHERE (stream, version) ="
        " (SELECT stream, version FROM ledger.log WHERE idx = 3)",
        "UPDATE ledger.log SET hash = sha256('\\x00'::bytea || 'rewritten'::bytea) WHERE idx = 3",
        f"UPDATE ledger.checkpoint SET root = '\\x{root}' WHERE size = 7",  # noqa: S608
        "DELETE FROM ledger.signature",
    )
    refused(signed, errors.HistoryChanged)
    signed.restart_sealer()
    signed.grow(b"eighth")
    refused(signed, errors.HistoryChanged)


def test_a_root_that_is_not_that_of_the_leaves_is_refused(signed: Signing) -> None:
    signed.grow(b"eighth")
    signed.attack("UPDATE ledger.checkpoint SET root = sha256('another') WHERE size = 8")
    refused(signed, errors.RootMismatch)


def test_a_key_of_another_log_is_refused(signed: Signing) -> None:
    signed.signer.close()
    signed.signer = signed.another(OTHER_KEY)
    refused(signed, errors.OriginChanged)


def test_a_note_of_another_log_is_refused(signed: Signing) -> None:
    signed.grow(b"eighth")
    foreign = bytes(new_note(Checkpoint(OTHER_KEY.name, 8, sha256(b"").digest()).text, OTHER_KEY)).decode()
    signed.attack(f"INSERT INTO ledger.signature (size, note) VALUES (8, '{foreign}')")  # noqa: S608
    refused(signed, errors.OriginChanged)


@pytest.mark.parametrize("key", [KEY, SigningKey(KEY.name, bytes(32))], ids=["stolen key", "key of the same name"])
def test_a_note_of_another_root_is_refused(signed: Signing, key: SigningKey) -> None:
    forged = bytes(new_note(Checkpoint(KEY.name, 7, sha256(b"").digest()).text, key)).decode()
    signed.attack(f"UPDATE ledger.signature SET note = '{forged}' WHERE size = 7")  # noqa: S608
    refused(signed, errors.AnotherNote)


def test_a_forged_note_ahead_of_what_is_remembered_is_refused(signed: Signing) -> None:
    signed.grow(b"eighth")
    forged = bytes(new_note(Checkpoint(KEY.name, 8, sha256(b"").digest()).text, KEY)).decode()
    signed.attack(f"INSERT INTO ledger.signature (size, note) VALUES (8, '{forged}')")  # noqa: S608
    refused(signed, errors.HistoryChanged)


def test_a_note_that_is_none_is_refused(signed: Signing) -> None:
    signed.attack("UPDATE ledger.signature SET note = 'no note' WHERE size = 7")
    refused(signed, errors.AnotherNote)


def test_a_memory_that_is_none_is_refused(signed: Signing) -> None:
    signed.path.write_bytes(b"no note")
    refused(signed, errors.MemoryMalformed)


def test_what_was_put_right_is_signed_again(signed: Signing) -> None:
    memory = signed.path.read_bytes()
    signed.path.unlink()
    refused(signed, errors.MemoryMissing)
    signed.path.write_bytes(memory)
    signed.grow(b"eighth")
    assert signed.sign().size == 8


# --- what it may do -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM ledger.signature", "UPDATE ledger.signature SET note = ''", "TRUNCATE ledger.signature"],
)
def test_what_was_given_out_cannot_be_taken_back(signed: Signing, statement: str) -> None:
    with psycopg.connect(signed.database) as connection, pytest.raises(psycopg.Error, match="evidence"):
        connection.execute(statement.encode())
