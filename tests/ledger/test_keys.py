"""The key store: a key that encrypts is one that was read back."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from db.migrate import migrate_keys
from db.pool import sync_pool
from ledger import errors
from ledger.kek import FileKek
from ledger.keys import CACHE_SECONDS, KeyStore, kek_at, require_keys_of
from ledger.pool import Pool
from tests.ledger.clock import Clock
from tests.ledger.conftest import KEK_TEXT
from tests.server import TestServer

BY = UUID(int=7)


def destroy(database: str, subject: UUID, by: UUID = BY) -> None:
    """As another process does it, with the rights of the eraser."""
    with sync_pool(database, "dossier_eraser", min_size=1, max_size=1, autocommit=True) as pool:
        another_store(pool).destroy(subject, by)


def another_store(pool: Pool) -> KeyStore:
    return KeyStore(pool, FileKek.from_text(KEK_TEXT))


def test_a_key_is_made_once_and_then_read(pool: Pool, keys: KeyStore) -> None:
    subjects = [uuid4(), uuid4()]
    made = keys.ensure(subjects)
    assert set(made) == set(subjects)
    assert len(set(made.values())) == 2
    assert keys.ensure(subjects) == made
    assert another_store(pool).load(subjects) == made


def test_loading_makes_no_key(pool: Pool, keys: KeyStore) -> None:
    assert keys.load([uuid4()]) == {}
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM keys.subject_key").fetchone() == (0,)


def test_the_first_start_makes_a_key_file_and_later_ones_read_it(pool: Pool, tmp_path: Path) -> None:
    path, subject = tmp_path / "kek", uuid4()
    made = KeyStore(pool, kek_at(path, pool)).ensure([subject])
    assert KeyStore(pool, kek_at(path, pool)).load([subject]) == made


def test_no_new_key_file_is_made_where_data_keys_exist(pool: Pool, keys: KeyStore, tmp_path: Path) -> None:
    keys.ensure([uuid4()])
    with pytest.raises(errors.KekMissing):
        kek_at(tmp_path / "kek", pool)
    assert list(tmp_path.iterdir()) == []


def test_a_subject_without_key_is_a_key_error(keys: KeyStore) -> None:
    with pytest.raises(KeyError):
        keys[uuid4()]


def test_the_database_holds_no_data_key_in_the_clear(database: str, keys: KeyStore) -> None:
    subject = uuid4()
    data_key = keys.ensure([subject])[subject]
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT wrapped, kek, state FROM keys.subject_key").fetchone()
    assert row is not None
    assert data_key not in row[0]
    assert row[1:] == ("test", "active")


def test_two_stores_at_once_agree_on_the_keys(pool: Pool) -> None:
    subjects = [uuid4() for _ in range(40)]
    with ThreadPoolExecutor(4) as executor:
        shuffled = [subjects, subjects[::-1], subjects[20:], subjects[:20]]
        results = list(executor.map(lambda wanted: another_store(pool).ensure(wanted), shuffled))
    for result in results:
        assert result.items() <= (results[0] | results[1]).items()
    assert results[0] == results[1]


def test_a_destroyed_key_is_refused_once_the_cache_has_expired(database: str, pool: Pool) -> None:
    clock, subject = Clock(), uuid4()
    keys = KeyStore(pool, FileKek.from_text(KEK_TEXT), clock)
    made = keys.ensure([subject])
    destroy(database, subject)
    clock.now = CACHE_SECONDS - 1
    assert keys.load([subject]) == made
    clock.now = CACHE_SECONDS
    for use in (keys.load, keys.ensure):
        with pytest.raises(errors.SubjectErased) as caught:
            use([subject])
        assert (caught.value.subject, caught.value.by) == (subject, BY)


def test_a_key_is_destroyed_once_and_leaves_nothing_that_opens_anything(database: str, keys: KeyStore) -> None:
    subject = uuid4()
    keys.ensure([subject])
    destroy(database, subject)
    destroy(database, subject, UUID(int=8))
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT state, wrapped, erased_by FROM keys.subject_key").fetchall()
    assert rows == [("destroyed", b"", BY)]


def test_a_subject_that_never_had_a_key_can_have_none_once_it_is_erased(database: str, keys: KeyStore) -> None:
    subject = uuid4()
    destroy(database, subject)
    with pytest.raises(errors.SubjectErased):
        keys.ensure([subject])


def test_a_held_key_is_not_destroyed(database: str, keys: KeyStore) -> None:
    subject = uuid4()
    made = keys.ensure([subject])
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE keys.subject_key SET state = 'held'")
    with pytest.raises(errors.KeyHeld):
        destroy(database, subject)
    keys.forget(subject)
    assert keys.load([subject]) == made


def test_a_forgotten_key_is_looked_up_again(database: str, keys: KeyStore) -> None:
    subject = uuid4()
    keys.ensure([subject])
    destroy(database, subject)
    keys.forget(subject)
    with pytest.raises(errors.SubjectErased):
        keys.load([subject])


def test_a_key_under_legal_hold_stays_in_use(database: str, pool: Pool, keys: KeyStore) -> None:
    subject = uuid4()
    made = keys.ensure([subject])
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE keys.subject_key SET state = 'held'")
    assert another_store(pool).load([subject]) == made


def test_a_key_wrapped_by_another_kek_is_named(pool: Pool, keys: KeyStore) -> None:
    subject = uuid4()
    keys.ensure([subject])
    with pytest.raises(errors.KekUnknown):
        KeyStore(pool, FileKek.from_text("other" + KEK_TEXT[4:])).load([subject])


def test_wrapped_keys_swapped_between_subjects_do_not_open(database: str, pool: Pool, keys: KeyStore) -> None:
    subjects = [uuid4(), uuid4()]
    keys.ensure(subjects)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "UPDATE keys.subject_key AS one SET wrapped = other.wrapped FROM keys.subject_key AS other"
            " WHERE other.subject <> one.subject"
        )
    with pytest.raises(errors.WrappedKeyDamaged):
        another_store(pool).load(subjects)


def test_the_service_cannot_change_or_remove_a_key(pool: Pool, keys: KeyStore) -> None:
    keys.ensure([uuid4()])
    for statement in ("UPDATE keys.subject_key SET kek = 'x'", "DELETE FROM keys.subject_key"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), pool.connection() as connection:
            connection.execute(statement)


def test_keys_that_are_not_used_any_more_are_not_held_either(pool: Pool) -> None:
    clock, early, late = Clock(), uuid4(), uuid4()
    keys = KeyStore(pool, FileKek.from_text(KEK_TEXT), clock)
    keys.ensure([early])
    clock.now = CACHE_SECONDS / 2
    keys.ensure([late])
    clock.now = CACHE_SECONDS
    keys.forget_expired()
    assert keys._cache.keys() == {late}  # noqa: SLF001


# --- a database of their own ------------------------------------------------------------------------------------------


@pytest.fixture
def own_pool(server: TestServer) -> Iterator[Pool]:
    """Connections to a database that holds keys alone."""
    with server.database(template="template0") as own:
        migrate_keys(own)
        with sync_pool(own, "dossier_app", min_size=1, max_size=2, autocommit=True) as pool:
            yield pool


def record_something(pool: Pool, stream: UUID) -> None:
    with pool.connection() as connection:
        connection.execute("INSERT INTO ledger.event VALUES (%s, 1, 'type', 'entry')", [stream])


def test_keys_live_in_a_database_of_their_own(database: str, pool: Pool, own_pool: Pool) -> None:
    subject = uuid4()
    KeyStore(own_pool, FileKek.from_text(KEK_TEXT)).ensure([subject])
    record_something(pool, subject)
    require_keys_of(pool, own_pool)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM keys.subject_key").fetchone() == (0,)


def test_a_new_ledger_has_its_keys_anywhere(pool: Pool, own_pool: Pool) -> None:
    require_keys_of(pool, own_pool)
    require_keys_of(pool, pool)


def test_keys_that_are_not_where_they_are_looked_for_are_missed(pool: Pool, own_pool: Pool, keys: KeyStore) -> None:
    subject = uuid4()
    keys.ensure([subject])
    record_something(pool, subject)
    require_keys_of(pool, pool)
    with pytest.raises(errors.KeysElsewhere, match="not in the database"):
        require_keys_of(pool, own_pool)


def test_keys_in_two_places_are_one_place_too_many(pool: Pool, own_pool: Pool, keys: KeyStore) -> None:
    subject = uuid4()
    keys.ensure([subject])
    KeyStore(own_pool, FileKek.from_text(KEK_TEXT)).ensure([subject])
    record_something(pool, subject)
    with pytest.raises(errors.KeysElsewhere, match="as well"):
        require_keys_of(pool, own_pool)
