"""Rotation: a new key wraps, everything is wrapped anew, and what died on the way is finished by the next one."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from ledger import errors
from ledger.kek import FileKek, Wrapped
from ledger.keys import KeyStore
from ledger.pool import Pool
from ledger.ring import KekRing
from ledger.rotation import Rotation, prepare, retire, rotate, rotating
from tests.ledger.conftest import KEK_TEXT
from tests.ledger.destroying import destroy

MANY = 1200
"""More than two transactions' worth."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "kek"
    path.touch(0o600)
    path.write_text(KEK_TEXT, encoding="ascii")
    return path


@pytest.fixture
def ring(path: Path) -> KekRing:
    return KekRing.from_file(path)


@pytest.fixture
def keys(pool: Pool, ring: KekRing) -> KeyStore:
    """The keys of a running service; its ring is the same file's, read for itself."""
    return KeyStore(pool, KekRing.from_file(ring._own_path()))  # noqa: SLF001


def stored(database: str) -> dict[UUID, tuple[str, bytes, str]]:
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT subject, kek, wrapped, state FROM keys.subject_key").fetchall()
    return {subject: (kek, wrapped, state) for subject, kek, wrapped, state in rows}


def states(database: str) -> dict[str, tuple[str, int]]:
    """Per key its state and how much it wraps."""
    with rotating(database) as rotation:
        return {kek.id: (kek.state or "unknown", kek.wraps) for kek in rotation.keks()}


def rotated(database: str, ring: KekRing) -> str:
    with rotating(database) as rotation:
        return rotate(rotation, ring).kek


def test_a_rotation_wraps_everything_by_a_new_key(database: str, keys: KeyStore, pool: Pool, ring: KekRing) -> None:
    subjects = [uuid4() for _ in range(5)]
    made = keys.ensure(subjects)
    with rotating(database) as rotation:
        kek, wrapped = rotate(rotation, ring)
    assert wrapped == len(subjects)
    assert ring.ids == (kek, "test")
    assert states(database) == {kek: ("current", 5), "test": ("former", 0)}
    assert KeyStore(pool, ring).load(subjects) == made


def test_each_rotation_is_an_epoch(database: str, keys: KeyStore, ring: KekRing) -> None:
    keys.ensure([uuid4()])
    order = ["test", rotated(database, ring), rotated(database, ring)]
    with rotating(database) as rotation:
        assert [(kek.id, kek.epoch) for kek in rotation.keks()] == [(order[2], 3), (order[1], 2), (order[0], 1)]


def test_an_empty_key_store_can_be_rotated(database: str, ring: KekRing) -> None:
    kek = rotated(database, ring)
    assert states(database) == {kek: ("current", 0), "test": ("former", 0)}


def test_a_running_service_goes_on_with_the_new_key(database: str, keys: KeyStore, ring: KekRing) -> None:
    before, after = uuid4(), uuid4()
    keys.ensure([before])
    kek = rotated(database, ring)
    keys.ensure([after])
    assert {row[0] for row in stored(database).values()} == {kek}


def test_services_at_work_meanwhile_lose_nothing(database: str, pool: Pool, path: Path) -> None:
    stop, made = threading.Event(), dict[UUID, bytes]()

    def work() -> None:
        keys = KeyStore(pool, KekRing.from_file(path))
        while not stop.is_set():
            made.update(keys.ensure([uuid4() for _ in range(20)]))

    with ThreadPoolExecutor(3) as executor:
        working = [executor.submit(work) for _ in range(3)]
        try:
            order = [rotated(database, KekRing.from_file(path)) for _ in range(3)]
        finally:
            stop.set()
        for task in working:
            task.result()
    with rotating(database) as rotation:
        wraps = {kek.id: kek.wraps for kek in rotation.keks()}
    assert wraps == {order[-1]: len(made), order[1]: 0, order[0]: 0, "test": 0}
    assert KeyStore(pool, KekRing.from_file(path)).load(made) == made


def test_a_service_that_slept_through_it_wraps_nothing_by_the_former_key(
    database: str, pool: Pool, keys: KeyStore, ring: KekRing
) -> None:
    asleep = KeyStore(pool, KekRing.from_text(KEK_TEXT))
    known = uuid4()
    keys.ensure([known])
    rotated(database, ring)
    with pytest.raises(errors.KekSuperseded) as caught:
        asleep.ensure([uuid4()])
    assert caught.value.kek == "test"
    assert stored(database).keys() == {known}


def test_a_service_whose_file_lags_wraps_by_the_key_that_stands_ready_in_it(
    database: str, pool: Pool, keys: KeyStore, ring: KekRing, path: Path
) -> None:
    """The file was given to its host after --prepare, and not again since."""
    with rotating(database) as rotation:
        kek = prepare(rotation, ring)
        lagging = KeyStore(pool, KekRing.from_text(path.read_text(encoding="ascii")))
        rotate(rotation, ring)
    before, after = uuid4(), uuid4()
    made = keys.ensure([before])
    assert lagging.load([before]) == made
    lagging.ensure([after])
    assert stored(database)[after][0] == kek


def test_an_insert_under_way_is_waited_for_and_wrapped_anew(database: str, ring: KekRing) -> None:
    subject = uuid4()
    wrapped = ring.wrap(subject, b"d" * 32)
    with psycopg.connect(database) as inserting, ThreadPoolExecutor(1) as executor:
        inserting.execute(
            "INSERT INTO keys.subject_key (subject, wrapped, kek, state)"
            " VALUES (%(subject)s, %(wrapped)s, %(kek)s, 'active')",
            {"subject": subject, **wrapped._asdict()},
        )
        rotating_meanwhile = executor.submit(rotated, database, ring)
        with pytest.raises(TimeoutError):
            rotating_meanwhile.result(timeout=0.5)
        inserting.commit()
        kek = rotating_meanwhile.result()
    assert stored(database)[subject][0] == kek
    assert ring.unwrap(subject, *stored(database)[subject][:2]) == b"d" * 32


def test_a_key_destroyed_meanwhile_stays_destroyed(database: str, keys: KeyStore, ring: KekRing) -> None:
    subject, other = uuid4(), uuid4()
    keys.ensure([subject, other])

    class Destroying(FileKek):
        """Between reading the old wrapping and writing the new one, the subject is erased."""

        def wrap(self, wrapped_for: UUID, data_key: bytes) -> Wrapped:
            destroy(database, subject)
            return super().wrap(wrapped_for, data_key)

        def unwrap(self, wrapped_for: UUID, kek: str, wrapped: bytes) -> bytes:
            return ring.unwrap(wrapped_for, kek, wrapped)

    with rotating(database) as rotation:
        rotation.enter(ring.id)
        rotation.switch("new")
        assert rotation.wrap_anew(Destroying.from_text("new" + KEK_TEXT[4:])) == 1
    assert stored(database)[subject] == ("test", b"", "destroyed")
    assert stored(database)[other][0] == "new"


def test_a_key_under_legal_hold_is_wrapped_anew_and_stays_held(database: str, keys: KeyStore, ring: KekRing) -> None:
    subject = uuid4()
    keys.ensure([subject])
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE keys.subject_key SET state = 'held'")
    kek = rotated(database, ring)
    assert (stored(database)[subject][0], stored(database)[subject][2]) == (kek, "held")


# --- dying ------------------------------------------------------------------------------------------------------------


def died_after_adding(rotation: Rotation, ring: KekRing) -> None:
    prepare(rotation, ring)


def died_after_putting_it_first(rotation: Rotation, ring: KekRing) -> None:
    ring.promote(prepare(rotation, ring))


def died_after_the_switch(rotation: Rotation, ring: KekRing) -> None:
    kek = prepare(rotation, ring)
    ring.promote(kek)
    rotation.switch(kek)


@pytest.mark.parametrize("died", [died_after_adding, died_after_putting_it_first, died_after_the_switch])
def test_what_died_is_finished_by_the_next_one_without_another_key(
    database: str, pool: Pool, keys: KeyStore, ring: KekRing, died: Callable[[Rotation, KekRing], None]
) -> None:
    before, meanwhile = uuid4(), uuid4()
    made = keys.ensure([before])
    with rotating(database) as rotation:
        died(rotation, ring)
    made |= keys.ensure([meanwhile])
    (added,) = set(ring.ids) - {"test"}
    assert rotated(database, ring) == added
    assert states(database) == {added: ("current", 2), "test": ("former", 0)}
    assert KeyStore(pool, ring).load(made) == made


KILLED = """
import os, signal, sys
from pathlib import Path
from ledger.ring import KekRing
from ledger.rotation import rotate, rotating
with rotating(sys.argv[1]) as rotation:
    rotate(rotation, KekRing.from_file(Path(sys.argv[2])), lambda _: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_killed_between_two_transactions_it_is_finished_by_the_next_one(
    database: str, pool: Pool, keys: KeyStore, ring: KekRing, path: Path
) -> None:
    made = keys.ensure([uuid4() for _ in range(MANY)])
    command = [sys.executable, "-c", KILLED, database, str(path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (added,) = set(ring.ids) - {"test"}
    assert states(database) == {added: ("current", 500), "test": ("former", MANY - 500)}
    with rotating(database) as rotation:
        assert rotate(rotation, ring) == (added, MANY - 500)
        assert retire(rotation, ring) == ["test"]
    assert KeyStore(pool, KekRing.from_file(path)).load(made) == made


def test_two_at_once_are_one_too_many(database: str) -> None:
    with rotating(database), pytest.raises(errors.AnotherRotation), rotating(database):
        pass
    with rotating(database):
        pass


# --- its end ----------------------------------------------------------------------------------------------------------


def test_a_key_that_still_wraps_something_is_not_destroyed(database: str, keys: KeyStore, ring: KekRing) -> None:
    keys.ensure([uuid4()])
    with rotating(database) as rotation:
        died_after_the_switch(rotation, ring)
        assert retire(rotation, ring) == []
        assert "test" in ring.ids
        rotate(rotation, ring)
        assert retire(rotation, ring) == ["test"]
        assert "test" not in ring.ids
        assert retire(rotation, ring) == []


def test_what_died_before_it_destroyed_a_key_is_finished_by_the_next_one(
    database: str, keys: KeyStore, ring: KekRing
) -> None:
    keys.ensure([uuid4()])
    kek = rotated(database, ring)
    with rotating(database) as rotation:
        assert rotation.retire() == ["test"]
        assert list(ring.ids) == [kek, "test"]
        assert retire(rotation, ring) == ["test"]
        assert list(ring.ids) == [kek]


def test_a_key_of_a_destroyed_subject_keeps_nothing_alive(database: str, keys: KeyStore, ring: KekRing) -> None:
    subject = uuid4()
    keys.ensure([subject])
    destroy(database, subject)
    with rotating(database) as rotation:
        assert rotate(rotation, ring).wrapped == 0
        assert retire(rotation, ring) == ["test"]


def test_a_former_key_never_wraps_again(database: str, keys: KeyStore, ring: KekRing) -> None:
    keys.ensure([uuid4()])
    with rotating(database) as rotation:
        rotate(rotation, ring)
        for end in (lambda: None, lambda: retire(rotation, ring)):
            end()
            with pytest.raises(errors.KekRetired) as caught:
                rotation.switch("test")
            assert caught.value.kek == "test"


# --- keys that somebody else looks after ------------------------------------------------------------------------------


def test_a_key_that_an_operator_put_first_by_hand_is_taken(
    database: str, keys: KeyStore, ring: KekRing, path: Path
) -> None:
    keys.ensure([uuid4()])
    path.write_text(f"mine{KEK_TEXT[4:]}\n{KEK_TEXT}\n", encoding="ascii")
    with rotating(database) as rotation:
        assert rotate(rotation, ring) == ("mine", 1)
    assert states(database) == {"mine": ("current", 1), "test": ("former", 0)}


def test_keys_given_as_text_are_rotated_once_there_is_a_new_one(database: str, pool: Pool) -> None:
    subject = uuid4()
    made = KeyStore(pool, KekRing.from_text(KEK_TEXT)).ensure([subject])
    with rotating(database) as rotation:
        with pytest.raises(errors.KekNotInFile):
            rotate(rotation, KekRing.from_text(KEK_TEXT))
        with_new = KekRing.from_text(f"new{KEK_TEXT[4:]} {KEK_TEXT}")
        assert rotate(rotation, with_new) == ("new", 1)
        with pytest.raises(errors.KekNotInFile):
            retire(rotation, with_new)
        alone = KekRing.from_text(f"new{KEK_TEXT[4:]}")
        assert retire(rotation, alone) == []
    assert KeyStore(pool, alone).load([subject]) == made


def test_data_keys_that_a_missing_key_wraps_are_told_and_left(database: str, keys: KeyStore, ring: KekRing) -> None:
    keys.ensure([uuid4()])
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE keys.subject_key SET kek = 'lost'")
    with rotating(database) as rotation:
        with pytest.raises(errors.KekUnknown) as caught:
            rotate(rotation, ring)
        assert retire(rotation, ring) == []
    assert caught.value.kek == "lost"
    assert [row[0] for row in stored(database).values()] == ["lost"]
