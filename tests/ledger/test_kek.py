"""The key that wraps the data keys: its text, what it refuses."""

from __future__ import annotations

from uuid import uuid4

import pytest

from ledger import errors
from ledger.kek import FileKek
from tests.ledger.conftest import KEK_TEXT

DATA_KEY = b"d" * 32


def test_a_wrapped_key_opens_for_its_subject() -> None:
    subject, kek = uuid4(), FileKek.from_text(KEK_TEXT)
    assert kek.unwrap(subject, *kek.wrap(subject, DATA_KEY)) == DATA_KEY


def test_wrapping_twice_gives_two_texts() -> None:
    subject, kek = uuid4(), FileKek.from_text(KEK_TEXT)
    assert kek.wrap(subject, DATA_KEY) != kek.wrap(subject, DATA_KEY)


def test_a_wrapped_key_does_not_open_for_another_subject() -> None:
    kek, other = FileKek.from_text(KEK_TEXT), uuid4()
    with pytest.raises(errors.WrappedKeyDamaged) as caught:
        kek.unwrap(other, *kek.wrap(uuid4(), DATA_KEY))
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
