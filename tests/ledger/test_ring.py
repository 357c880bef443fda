"""Several keys: one wraps, all open, and a changed file is another ring without a restart."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from uuid import uuid4

import pytest

from ledger import errors
from ledger.kek import new_kek_text
from ledger.ring import KekRing, ring_at
from tests.ledger.clock import Clock

DATA_KEY = b"d" * 32
FIRST, SECOND = new_kek_text(), new_kek_text()
FIRST_ID, SECOND_ID = FIRST.partition(":")[0], SECOND.partition(":")[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of one key."""
    path = tmp_path / "kek"
    write(path, FIRST)
    return path


def write(path: Path, *lines: str) -> None:
    """What an operator does who brings a file from elsewhere: another one takes its place."""
    aside = path.with_name("aside")
    aside.touch(0o600)
    aside.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    aside.replace(path)


def test_the_first_one_wraps_and_all_open() -> None:
    subject = uuid4()
    before, after = KekRing.from_text(FIRST), KekRing.from_text(f"{SECOND}\n{FIRST}\n")
    assert after.ids == (SECOND_ID, FIRST_ID)
    assert after.id == after.wrap(subject, DATA_KEY).kek == SECOND_ID
    assert after.unwrap(subject, *after.wrap(subject, DATA_KEY)) == DATA_KEY
    assert after.unwrap(subject, *before.wrap(subject, DATA_KEY)) == DATA_KEY


def test_a_key_that_is_not_in_it_is_named() -> None:
    with pytest.raises(errors.KekUnknown) as caught:
        KekRing.from_text(FIRST).unwrap(uuid4(), SECOND_ID, b"")
    assert caught.value.kek == SECOND_ID


@pytest.mark.parametrize(
    "text", ["", "  \n", f"{FIRST} {FIRST}", f"{FIRST} id:short"], ids=["nothing", "blanks", "one twice", "too short"]
)
def test_text_that_holds_no_keys_or_two_of_one_name_is_refused(text: str) -> None:
    with pytest.raises(errors.KekMalformed):
        KekRing.from_text(text)


def test_what_is_said_as_text_goes_before_the_file(path: Path) -> None:
    assert ring_at(path).id == FIRST_ID
    assert ring_at(path, SECOND).ids == (SECOND_ID,)


# --- its file ---------------------------------------------------------------------------------------------------------


def test_a_new_file_is_for_its_owner_alone_and_read_again_later(tmp_path: Path) -> None:
    path, subject = tmp_path / "kek", uuid4()
    made = KekRing.from_new_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["kek"]
    assert KekRing.from_file(path).unwrap(subject, *made.wrap(subject, DATA_KEY)) == DATA_KEY


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "kek"
    assert KekRing.from_new_file(path).id == KekRing.from_new_file(path).id


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_open_to_others_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(errors.KekExposed, match="chmod 600"):
        KekRing.from_file(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.KekMissing, match="kek"):
        KekRing.from_file(tmp_path / "kek")


@pytest.mark.parametrize("content", [b"", b"\n", b"no key", b"\xff\xfe"])
def test_a_file_that_holds_no_key_is_named(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(errors.KekMalformed):
        KekRing.from_file(path)


# --- while a service runs ---------------------------------------------------------------------------------------------


def test_a_new_key_behind_the_others_opens_what_it_wrapped_and_wraps_nothing_itself(path: Path) -> None:
    subject, running = uuid4(), KekRing.from_file(path)
    wrapped = KekRing.from_text(SECOND).wrap(subject, DATA_KEY)
    with pytest.raises(errors.KekUnknown):
        running.unwrap(subject, *wrapped)
    write(path, FIRST, SECOND)
    assert running.unwrap(subject, *wrapped) == DATA_KEY
    assert running.wrap(subject, DATA_KEY).kek == FIRST_ID


def test_a_new_key_before_the_others_wraps_at_once(path: Path) -> None:
    subject, running = uuid4(), KekRing.from_file(path)
    earlier = running.wrap(subject, DATA_KEY)
    write(path, SECOND, FIRST)
    assert running.wrap(subject, DATA_KEY).kek == SECOND_ID
    assert running.unwrap(subject, *earlier) == DATA_KEY


def test_a_key_that_was_taken_out_is_forgotten_after_a_minute(path: Path) -> None:
    clock, subject = Clock(), uuid4()
    write(path, SECOND, FIRST)
    running = KekRing.from_file(path, clock)
    wrapped = KekRing.from_text(FIRST).wrap(subject, DATA_KEY)
    write(path, SECOND)
    assert running.unwrap(subject, *wrapped) == DATA_KEY
    clock.now = 60.0
    with pytest.raises(errors.KekUnknown):
        running.unwrap(subject, *wrapped)


@pytest.mark.parametrize("lines", [None, [], ["no key"], [FIRST, FIRST]])
def test_a_file_that_cannot_be_read_any_more_leaves_the_keys_as_they_were(path: Path, lines: list[str] | None) -> None:
    subject, running = uuid4(), KekRing.from_file(path)
    wrapped = running.wrap(subject, DATA_KEY)
    if lines is None:
        path.unlink()
    else:
        write(path, *lines)
    assert running.id == FIRST_ID
    assert running.unwrap(subject, *wrapped) == DATA_KEY
    write(path, SECOND)
    assert running.id == SECOND_ID


# --- changing the file ------------------------------------------------------------------------------------------------


def test_a_key_is_added_behind_then_put_first_then_the_former_one_is_destroyed(path: Path) -> None:
    ring = KekRing.from_file(path)
    added = ring.add()
    assert ring.ids == (FIRST_ID, added)
    ring.promote(added)
    ring.promote(added)
    assert ring.ids == KekRing.from_file(path).ids == (added, FIRST_ID)
    assert ring.remove([FIRST_ID, "never-there"]) == [FIRST_ID]
    assert ring.remove([FIRST_ID]) == []
    assert ring.ids == KekRing.from_file(path).ids == (added,)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["kek"]


def test_what_a_file_held_is_overwritten_where_it_stood(path: Path, tmp_path: Path) -> None:
    ring = KekRing.from_file(path)
    ring.promote(ring.add())
    former = tmp_path / "the same blocks"
    os.link(path, former)
    assert FIRST in former.read_text(encoding="ascii")
    ring.remove([FIRST_ID])
    assert set(former.read_bytes()) == {0}


def test_a_key_that_is_not_there_cannot_be_put_first(path: Path) -> None:
    with pytest.raises(errors.KekUnknown):
        KekRing.from_file(path).promote(SECOND_ID)


def test_keys_that_came_as_text_are_changed_by_whoever_set_them() -> None:
    ring = KekRing.from_text(f"{FIRST} {SECOND}")
    ring.promote(FIRST_ID)
    assert ring.remove(["never-there"]) == []
    for change in (ring.add, lambda: ring.promote(SECOND_ID), lambda: ring.remove([SECOND_ID])):
        with pytest.raises(errors.KekNotInFile):
            change()
