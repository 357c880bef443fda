"""Checkpoints: one text for each, the published example, and a name for what is none."""

from __future__ import annotations

import hashlib
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint, opened
from ledger.log_errors import MalformedCheckpoint, NoteRefused, NoteUnverified, OriginMismatch
from ledger.notes import Note, SigningKey, base64, new_note
from tests.ledger.edits import edited

_ROOT: Final = hashlib.sha256(b"root").digest()
_KEY: Final = SigningKey("dossier.example/log", bytes(range(32)))
_TEXT: Final = Checkpoint(_KEY.name, 70_000, _ROOT).text
# The example of C2SP's tlog-checkpoint.
_EXAMPLE: Final = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
).encode()


def test_the_example_is_read_and_written() -> None:
    note = Note.parse(_EXAMPLE)
    checkpoint = Checkpoint.from_text(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert checkpoint.text == note.text


def test_a_signed_checkpoint_is_opened() -> None:
    message = bytes(new_note(_TEXT, _KEY))
    assert opened(message, [_KEY.verifier]) == Checkpoint(_KEY.name, 70_000, _ROOT)
    assert opened(message, [_KEY.verifier], _KEY.name).size == 70_000


def test_lines_below_are_kept() -> None:
    checkpoint = Checkpoint.from_text(f"{_TEXT}extended\nand more\n")
    assert checkpoint.extensions == ("extended", "and more")
    assert checkpoint.text == f"{_TEXT}extended\nand more\n"


def test_a_log_without_entries_has_the_root_of_the_empty_tree() -> None:
    empty = Checkpoint.empty("log")
    assert empty.root.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Checkpoint.from_text(empty.text) == empty


def test_a_checkpoint_of_another_log_is_named() -> None:
    message = bytes(new_note(_TEXT, _KEY))
    with pytest.raises(OriginMismatch) as caught:
        opened(message, [_KEY.verifier], "dossier.example/other")
    assert (caught.value.expected, caught.value.found) == ("dossier.example/other", _KEY.name)


def test_a_checkpoint_that_nobody_known_has_signed_is_not_believed() -> None:
    with pytest.raises(NoteUnverified):
        opened(_EXAMPLE, [_KEY.verifier])


@given(edited(bytes(new_note(_TEXT, _KEY))))
def test_no_edit_of_a_signed_checkpoint_is_believed(message: bytes) -> None:
    with pytest.raises(NoteRefused):
        opened(message, [_KEY.verifier])


@given(edited(_TEXT.encode()) | st.binary(max_size=100))
def test_a_text_is_a_checkpoint_in_its_one_form_or_none(message: bytes) -> None:
    text = message.decode("utf-8", "replace")
    try:
        checkpoint = Checkpoint.from_text(text)
    except MalformedCheckpoint:
        return
    assert checkpoint.text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n1\n",
        f"log\n1\n{base64(_ROOT)}",
        f"log\n1\n{base64(_ROOT)}\n\n",
        f"\n1\n{base64(_ROOT)}\n",
        f"log\n\n{base64(_ROOT)}\n",
        f"log\n01\n{base64(_ROOT)}\n",
        f"log\n-1\n{base64(_ROOT)}\n",
        f"log\n1 \n{base64(_ROOT)}\n",
        f"log\n١\n{base64(_ROOT)}\n",  # noqa: RUF001 - a digit, but not ours
        f"log\n9223372036854775808\n{base64(_ROOT)}\n",
        f"log\n1\n{base64(_ROOT)[:-1]}\n",
        f"log\n1\n{base64(_ROOT[:-1])}\n",
        f"log\n0\n{base64(_ROOT)}\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(MalformedCheckpoint):
        Checkpoint.from_text(text)
