"""Verifying the notes that were given out: each is a checkpoint of its size with the root that the log had."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.checkpoint import Checkpoint
from ledger.notes import new_note
from ledger.verify import one_moment
from ledger.verify_notes import note_findings
from tests.ledger.signing import KEY, Signing, numbered

SIZE = 100


@pytest.fixture
def log(database: str, tmp_path: Path) -> Iterator[Signing]:
    """Signed in pieces, at sizes that no checkpoint is of."""
    log = Signing(database, tmp_path, most_leaves=40)
    log.grow(*numbered(SIZE))
    assert [log.sign().size for _ in range(3)] == [40, 80, SIZE]
    yield log
    log.close()


def found(log: Signing) -> list[tuple[str, str, str]]:
    with one_moment(log.database) as connection:
        return [(each.check, each.place, each.detail) for each in note_findings(connection, SIZE)]


def test_notes_of_every_size_are_left_alone(log: Signing) -> None:
    assert found(log) == []


@pytest.mark.parametrize("size", [80, SIZE])
def test_another_root_is_told_whoever_signed_it(log: Signing, size: int) -> None:
    forged = bytes(new_note(Checkpoint(KEY.name, size, bytes(32)).text, KEY)).decode()
    log.attack(f"UPDATE ledger.signature SET note = '{forged}' WHERE size = {size}")  # noqa: S608 - ours
    assert found(log) == [("signature", f"signature of size {size}", "its root is not that of the log")]


def test_a_note_of_more_than_there_is_is_told(log: Signing) -> None:
    forged = bytes(new_note(Checkpoint(KEY.name, SIZE + 1, bytes(32)).text, KEY)).decode()
    log.attack(f"INSERT INTO ledger.signature (size, note) VALUES ({SIZE + 1}, '{forged}')")  # noqa: S608 - ours
    assert found(log) == [("signature", f"signature of size {SIZE + 1}", "its root is not that of the log")]


def test_a_note_of_another_size_and_one_that_is_none_are_told(log: Signing) -> None:
    log.attack(
        "UPDATE ledger.signature SET size = 41 WHERE size = 40",
        "UPDATE ledger.signature SET note = 'x' WHERE size = 80",
    )
    assert found(log) == [
        ("signature", "signature of size 41", "is a checkpoint of size 40"),
        ("signature", "signature of size 80", "is no checkpoint: no empty line stands above signatures"),
    ]


def test_a_root_that_the_sealer_wrote_down_wrongly_is_told_elsewhere(log: Signing) -> None:
    log.attack("UPDATE ledger.checkpoint SET root = sha256('') WHERE size = 100")
    assert found(log) == []


def test_a_leaf_that_was_altered_is_told_elsewhere(log: Signing) -> None:
    log.attack("UPDATE ledger.log SET hash = sha256('') WHERE idx = 90")
    assert found(log) == []
