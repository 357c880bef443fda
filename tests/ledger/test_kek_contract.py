"""What every key encryption key promises, ours in a file and one that only another process knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest

from ledger import errors
from ledger.kek import FileKek, KeyEncryptionKey
from ledger.keys import KeyStore
from ledger.pool import Pool
from ledger.ring import KekRing
from ledger.rotation import rotating
from tests.ledger.conftest import KEK_TEXT
from tests.ledger.key_service import KeyServiceKek, key_service

DATA_KEY = bytes(range(32))


@pytest.fixture
def service() -> Iterator[KeyServiceKek]:
    with key_service() as kek:
        yield kek


KINDS: dict[str, Callable[[], KeyEncryptionKey]] = {
    "one key": lambda: FileKek.from_text(KEK_TEXT),
    "a ring": lambda: KekRing.from_text(f"{KEK_TEXT} older{KEK_TEXT[4:]}"),
}


@pytest.fixture(params=[*KINDS, "a service"])
def kek(request: pytest.FixtureRequest) -> KeyEncryptionKey:
    kek: KeyEncryptionKey
    kek = KINDS[request.param]() if request.param in KINDS else request.getfixturevalue("service")
    return kek


def test_what_it_wrapped_it_opens_for_that_subject_and_names_itself(kek: KeyEncryptionKey) -> None:
    subject = uuid4()
    wrapped = kek.wrap(subject, DATA_KEY)
    assert wrapped.kek == kek.id
    assert DATA_KEY not in wrapped.wrapped
    assert kek.unwrap(subject, *wrapped) == DATA_KEY


def test_it_opens_nothing_for_another_subject(kek: KeyEncryptionKey) -> None:
    other = uuid4()
    with pytest.raises(errors.WrappedKeyDamaged) as caught:
        kek.unwrap(other, *kek.wrap(uuid4(), DATA_KEY))
    assert caught.value.subject == other


@pytest.mark.parametrize("wrapped", [b"", b"short", bytes(40), bytes(60)])
def test_it_names_what_is_damaged(kek: KeyEncryptionKey, wrapped: bytes) -> None:
    with pytest.raises(errors.WrappedKeyDamaged):
        kek.unwrap(uuid4(), kek.id, wrapped)


def test_it_names_what_another_one_wrapped(kek: KeyEncryptionKey) -> None:
    with pytest.raises(errors.KekUnknown) as caught:
        kek.unwrap(uuid4(), "another", bytes(60))
    assert caught.value.kek == "another"


def test_a_key_store_works_with_it(pool: Pool, kek: KeyEncryptionKey) -> None:
    subjects = [uuid4(), uuid4()]
    made = KeyStore(pool, kek).ensure(subjects)
    assert KeyStore(pool, kek).load(subjects) == made


def test_keys_move_from_a_file_to_a_service(database: str, pool: Pool, service: KeyServiceKek) -> None:
    """The change of kind is a rotation: for as long as it lasts, both open."""
    subjects = [uuid4() for _ in range(3)]
    ours = FileKek.from_text(KEK_TEXT)
    made = KeyStore(pool, ours).ensure(subjects)
    with rotating(database) as rotation:
        rotation.enter(ours.id)
        rotation.switch(service.id)
        assert rotation.wrap_anew(_Either(service, ours)) == len(subjects)
        assert rotation.retire() == [ours.id]
    assert KeyStore(pool, service).load(subjects) == made
    with pytest.raises(errors.KekSuperseded):
        KeyStore(pool, ours).ensure([uuid4()])


def test_a_rotation_of_the_service_is_followed(database: str, pool: Pool, service: KeyServiceKek) -> None:
    subjects = [uuid4() for _ in range(3)]
    before = service.id
    made = KeyStore(pool, service).ensure(subjects)
    with rotating(database) as rotation:
        rotation.enter(before)
        after = service.rotate_over_there()
        rotation.switch(after)
        rotation.wrap_anew(service)
        assert [(kek.id, kek.state, kek.wraps) for kek in rotation.keks()] == [
            (after, "current", 3),
            (before, "former", 0),
        ]
    assert KeyStore(pool, service).load(subjects) == made


def test_a_service_that_is_gone_is_told_and_what_it_opened_stays_open(pool: Pool, service: KeyServiceKek) -> None:
    known, unknown = uuid4(), uuid4()
    keys = KeyStore(pool, service)
    made = keys.ensure([known])
    service.process.kill()
    service.process.wait()
    assert keys.ensure([known]) == made
    with pytest.raises(errors.KekUnreachable):
        keys.ensure([unknown])
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM keys.subject_key").fetchone() == (1,)


class _Either:
    """Wraps by one kind and opens by both, while keys move from one to the other."""

    def __init__(self, later: KeyEncryptionKey, earlier: KeyEncryptionKey) -> None:
        self._later = later
        self._earlier = earlier
        self.id = later.id
        self.wrap = later.wrap

    def unwrap(self, subject: UUID, kek: str, wrapped: bytes) -> bytes:
        key = self._earlier if kek == self._earlier.id else self._later
        return key.unwrap(subject, kek, wrapped)
