"""The key that wraps the data keys: its file, its text, what it refuses."""

from __future__ import annotations

import stat
from pathlib import Path
from uuid import uuid4

import pytest

from ledger import errors
from ledger.kek import FileKek
from tests.ledger.conftest import KEK_TEXT

DATA_KEY = b"d" * 32


def test_a_wrapped_key_opens_for_its_subject() -> None:
    subject, kek = uuid4(), FileKek.from_text(KEK_TEXT)
    assert kek.unwrap(subject, kek.id, kek.wrap(subject, DATA_KEY)) == DATA_KEY


def test_wrapping_twice_gives_two_texts() -> None:
    subject, kek = uuid4(), FileKek.from_text(KEK_TEXT)
    assert kek.wrap(subject, DATA_KEY) != kek.wrap(subject, DATA_KEY)


def test_a_wrapped_key_does_not_open_for_another_subject() -> None:
    kek, other = FileKek.from_text(KEK_TEXT), uuid4()
    with pytest.raises(errors.WrappedKeyDamaged) as caught:
        kek.unwrap(other, kek.id, kek.wrap(uuid4(), DATA_KEY))
    assert caught.value.subject == other


@pytest.mark.parametrize("wrapped", [b"", b"short", bytes(60)])
def test_a_damaged_wrapped_key_is_named(wrapped: bytes) -> None:
    kek = FileKek.from_text(KEK_TEXT)
    with pytest.raises(errors.WrappedKeyDamaged):
        kek.unwrap(uuid4(), kek.id, wrapped)


def test_a_key_wrapped_by_another_kek_names_it() -> None:
    kek = FileKek.from_text(KEK_TEXT)
    with pytest.raises(errors.KekUnknown) as caught:
        kek.unwrap(uuid4(), "earlier", b"")
    assert caught.value.kek == "earlier"


@pytest.mark.parametrize(
    "text", ["", "id", "id:", "id:c2hvcnQ=", ":" + KEK_TEXT.split(":")[1], "a b" + KEK_TEXT[4:], KEK_TEXT[:-1], "id:é"]
)
def test_text_that_is_no_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(errors.KekMalformed) as caught:
        FileKek.from_text(text)
    assert "c2hvcnQ" not in str(caught.value)


def test_a_new_file_is_for_its_owner_alone_and_read_again_later(tmp_path: Path) -> None:
    path, subject = tmp_path / "kek", uuid4()
    made = FileKek.from_new_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["kek"]
    read = FileKek.from_file(path)
    assert read.unwrap(subject, made.id, made.wrap(subject, DATA_KEY)) == DATA_KEY


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "kek"
    assert FileKek.from_new_file(path).id == FileKek.from_new_file(path).id


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "kek"
    FileKek.from_new_file(path)
    path.chmod(mode)
    with pytest.raises(errors.KekExposed, match="chmod 600"):
        FileKek.from_file(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.KekMissing, match="kek"):
        FileKek.from_file(tmp_path / "kek")


@pytest.mark.parametrize("content", [b"", b"no key", b"\xff\xfe"])
def test_a_file_that_holds_no_key_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "kek"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(errors.KekMalformed):
        FileKek.from_file(path)
