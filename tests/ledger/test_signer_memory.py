"""The signer's memory: what was signed last, kept whole, and never exchanged for less."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint
from ledger.log_errors import AnotherNote, LogRefused, MemoryMalformed, OriginChanged
from ledger.notes import Note, SigningKey, new_note
from ledger.signer_memory import SignerMemory
from tests.ledger.signing import KEY, OTHER_KEY


def note(size: int, key: SigningKey = KEY, root: bytes = b"root") -> Note:
    return new_note(Checkpoint(key.name, size, sha256(root).digest()).text, key)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "signer" / "signed"


@pytest.fixture
def memory(path: Path) -> SignerMemory:
    return SignerMemory(path, KEY.verifier)


def test_nothing_is_remembered_at_first(memory: SignerMemory) -> None:
    assert memory.recall() is None


def test_the_last_note_is_remembered_and_nothing_lies_around(memory: SignerMemory, path: Path) -> None:
    for size in (1, 7, 7, 300):
        assert memory.keep(note(size))
    assert memory.recall() == Checkpoint.from_text(note(300).text)
    assert path.read_bytes() == bytes(note(300))
    assert [file.name for file in path.parent.iterdir()] == ["signed"]


def test_a_smaller_log_is_not_remembered(memory: SignerMemory) -> None:
    memory.keep(note(7))
    assert not memory.keep(note(6))
    remembered = memory.recall()
    assert remembered is not None
    assert remembered.size == 7


def test_another_root_of_the_same_size_is_refused(memory: SignerMemory) -> None:
    memory.keep(note(7))
    with pytest.raises(AnotherNote, match="size 7"):
        memory.keep(note(7, root=b"other"))


def test_another_logs_memory_is_refused(path: Path) -> None:
    SignerMemory(path, OTHER_KEY.verifier).keep(note(7, OTHER_KEY))
    with pytest.raises(OriginChanged, match=OTHER_KEY.name):
        SignerMemory(path, KEY.verifier).recall()


def test_a_memory_that_another_key_of_that_name_has_signed_is_refused(path: Path) -> None:
    other = SigningKey(KEY.name, bytes(32))
    SignerMemory(path, other.verifier).keep(note(7, other))
    with pytest.raises(MemoryMalformed, match="not signed by our key"):
        SignerMemory(path, KEY.verifier).recall()


def test_an_unfinished_file_is_written_anew(memory: SignerMemory, path: Path) -> None:
    memory.keep(note(7))
    (path.parent / ".signed.new").write_bytes(b"half a note, of a signer that was killed")
    assert memory.keep(note(8))
    assert path.read_bytes() == bytes(note(8))


@given(content=st.binary(max_size=300) | st.integers(0, 150).map(lambda end: bytes(note(7))[:end]))
def test_a_file_that_holds_no_note_is_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("memory") / "signed"
    path.write_bytes(content)
    with pytest.raises(LogRefused):
        SignerMemory(path, KEY.verifier).recall()
