"""Signed notes and keys: the published examples, one form for each, and a name for everything else."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log_errors import LogError, MalformedKey, MalformedNote, NoteUnverified, SignatureInvalid
from ledger.notes import MOST_SIGNATURES, Note, SigningKey, VerifierKey, new_note
from tests.ledger.edits import edited

# The examples of C2SP's signed-note and of Go's golang.org/x/mod/sumdb/note.
_EXAMPLE_KEY: Final = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
_EXAMPLE: Final = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
_PETER_SIGNS: Final = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
_PETER: Final = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
_ENOCH: Final = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
_TEXT: Final = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
_BY_PETER: Final = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
_BY_ENOCH: Final = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
_NOTE: Final = f"{_TEXT}\n{_BY_PETER}".encode()
_SIGNED_TWICE: Final = f"{_TEXT}\n{_BY_PETER}{_BY_ENOCH}".encode()


def key(text: str) -> VerifierKey:
    return VerifierKey.from_text(text)


# --- the published examples -----------------------------------------------------------------------------------------


def test_the_examples_are_verified() -> None:
    assert Note.parse(_EXAMPLE).verified([key(_EXAMPLE_KEY)])
    assert Note.parse(_NOTE).verified([key(_PETER)])


def test_we_sign_byte_for_byte_as_others_do() -> None:
    assert bytes(new_note(_TEXT, SigningKey.from_text(_PETER_SIGNS))) == _NOTE


def test_keys_have_the_text_that_others_give_them() -> None:
    signing = SigningKey.from_text(_PETER_SIGNS)
    assert signing.secret_text() == _PETER_SIGNS
    assert str(signing.verifier) == _PETER
    assert str(key(_EXAMPLE_KEY)) == _EXAMPLE_KEY


# --- who has signed -------------------------------------------------------------------------------------------------


def test_a_new_key_signs_what_its_verifier_believes() -> None:
    signing = SigningKey.generate("dossier.example/log")
    again = SigningKey.from_text(signing.secret_text())
    note = Note.parse(bytes(new_note("text\n\nmore\n", again)))
    assert note.text == "text\n\nmore\n"
    assert note.verified([key(str(signing.verifier))]) == note.signatures


def test_a_new_key_hides_its_secret() -> None:
    signing = SigningKey.generate("name")
    assert signing.secret_text()[-40:] not in f"{signing!r} {signing} {signing.verifier!r}"


def test_all_signatures_are_kept_and_those_of_known_keys_told() -> None:
    note = Note.parse(_SIGNED_TWICE)
    assert [each.name for each in note.signatures] == ["PeterNeumann", "EnochRoot"]
    assert [each.name for each in note.verified([key(_PETER)])] == ["PeterNeumann"]
    assert note.verified([key(_ENOCH), key(_PETER)]) == note.signatures
    assert bytes(note) == _SIGNED_TWICE


def test_a_note_that_nobody_known_has_signed_is_not_believed() -> None:
    with pytest.raises(NoteUnverified) as caught:
        Note.parse(_SIGNED_TWICE).verified([key(_EXAMPLE_KEY)])
    assert caught.value.names == ["PeterNeumann", "EnochRoot"]


def test_a_known_key_whose_signature_does_not_fit_spoils_the_note() -> None:
    note = Note.parse(_SIGNED_TWICE.replace(b"2tiOHp", b"2tiOHq"))
    assert note.verified([key(_PETER)])
    with pytest.raises(SignatureInvalid, match="EnochRoot") as caught:
        note.verified([key(_PETER), key(_ENOCH)])
    assert caught.value.key == "EnochRoot+af0cfe78"


def test_a_signature_of_another_length_does_not_fit() -> None:
    longer = _NOTE.replace(b"x08go/ZJ", b"x08go/ZJABCD")
    with pytest.raises(SignatureInvalid):
        Note.parse(longer).verified([key(_PETER)])


def test_a_key_of_the_same_name_is_another_key() -> None:
    other = SigningKey.generate("PeterNeumann")
    with pytest.raises(NoteUnverified):
        Note.parse(_NOTE).verified([other.verifier])


def test_keys_that_cannot_be_told_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VerifierKey, "id", b"same")
    keys = [SigningKey.generate("name").verifier for _ in range(2)]
    with pytest.raises(MalformedKey, match="two keys"):
        Note.parse(_NOTE).verified(keys)


# --- one form -------------------------------------------------------------------------------------------------------


@given(edited(_NOTE))
def test_no_edit_of_a_note_is_believed(message: bytes) -> None:
    with pytest.raises(LogError):
        Note.parse(message).verified([key(_PETER)])


@given(edited(_PETER.encode()))
def test_no_edit_of_a_key_is_a_key(text: bytes) -> None:
    with pytest.raises(MalformedKey):
        key(text.decode("utf-8", "surrogateescape"))


@given(edited(_PETER_SIGNS.encode()))
def test_no_edit_of_a_signing_key_is_one(text: bytes) -> None:
    with pytest.raises(MalformedKey):
        SigningKey.from_text(text.decode("utf-8", "surrogateescape"))


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"{text}\n\n{_BY_PETER}".encode()))
def test_any_bytes_are_a_note_or_refused_by_name(message: bytes) -> None:
    try:
        note = Note.parse(message)
    except MalformedNote:
        return
    assert bytes(note) == message


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "no empty line"),
        (_TEXT.encode(), "no empty line"),
        (_TEXT.encode() + b"\n", "does not end"),
        (_NOTE[:-1], "does not end"),
        (b"\x01" + _NOTE, "control characters"),
        (b"\xff" + _NOTE, "UTF-8"),
        (_NOTE.replace(b"PeterNeumann", b"Peter Neumann"), "base64"),
        (_NOTE.replace(b"PeterNeumann", b"Peter+Neumann"), "no signature"),
        (_NOTE + b"Unexpected line.\n", "no signature"),
        (_NOTE.replace(b"x08go", b"x08go*"), "base64"),
        (_NOTE.replace(b"nAM=", b"nAN="), "loose ends"),
        (_NOTE.replace(b"nAM=", b"nAM"), "base64"),
        (_TEXT.encode() + "\n— PeterNeumann x08gow==\n".encode(), "too short"),
        (_TEXT.encode() + "\n— PeterNeumann\n".encode(), "too short"),
        (_TEXT.encode() + b"\n" + _BY_PETER.encode() * (MOST_SIGNATURES + 1), "more than 100"),
    ],
)
def test_what_is_no_note_says_why(message: bytes, reason: str) -> None:
    with pytest.raises(MalformedNote, match=reason):
        Note.parse(message)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "PeterNeumann+c74f20a3",
        _PETER.upper(),
        _PETER.replace("c74f20a3", "C74F20A3"),
        _PETER.replace("c74f20a3", "c74f20a"),
        _PETER.replace("c74f20a3", "c7 4f20a3"),
        _PETER.replace("PeterNeumann", ""),
        _PETER.replace("PeterNeumann", "Peter Neumann"),
        f"{_PETER}\n",
        # Others' ways to write what would have the right id: longer than a key is, of an unknown kind.
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        _PETER_SIGNS,
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(MalformedKey):
        key(text)


def test_a_refused_secret_is_not_shown() -> None:
    with pytest.raises(MalformedKey) as caught:
        SigningKey.from_text(_PETER_SIGNS.replace("c74f20a3", "c74f20a4"))
    assert "AYEKFALVFG" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb", "\ud800"])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(MalformedKey):
        SigningKey.generate(name)


@pytest.mark.parametrize("text", ["", "no end", "a\tb\n", "\ud800\n"])
def test_what_no_note_can_carry_is_not_signed(text: str) -> None:
    with pytest.raises(MalformedNote):
        new_note(text, SigningKey.generate("name"))
