"""Data keys as of the ledger's moment, which they share no moment with in a database of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from db.migrate import migrate_keys
from db.pool import sync_pool
from ledger.keys import KeyStore
from ledger.ring import KekRing
from ledger.rotation import retire, rotate, rotating
from ledger.verify import SnapshotKeys, keys_at, one_moment
from tests.ledger.conftest import KEK_TEXT
from tests.ledger.destroying import destroy
from tests.server import TestServer


@pytest.fixture
def own(server: TestServer) -> Iterator[str]:
    with server.database(template="template0") as own:
        migrate_keys(own)
        yield own


@pytest.fixture
def ring(tmp_path: Path) -> KekRing:
    path = tmp_path / "kek"
    path.touch(0o600)
    path.write_text(KEK_TEXT, encoding="ascii")
    return KekRing.from_file(path)


def make(own: str, ring: KekRing, *subjects: UUID) -> dict[UUID, bytes]:
    with sync_pool(own, "dossier_app", min_size=1, max_size=1, autocommit=True) as pool:
        return KeyStore(pool, ring).ensure(subjects)


def test_keys_are_read_where_they_are(database: str, own: str, ring: KekRing) -> None:
    subject, erased, none = uuid4(), uuid4(), uuid4()
    made = make(own, ring, subject, erased)
    destroy(own, erased)
    with one_moment(database) as moment, keys_at(moment, ring, own) as keys:
        keys.require_kek()
        assert keys.hold([subject, erased, none]) == {
            erased: "has no data key any more",
            none: "has no data key",
        }
        assert keys[subject] == made[subject]


def test_what_was_made_or_destroyed_around_the_ledgers_moment_is_not_missed(
    database: str, own: str, ring: KekRing
) -> None:
    """The ledger's moment may have events of both: the first one's are new, the second one's erasure is later."""
    new, dying = uuid4(), uuid4()
    made = make(own, ring, dying)
    with one_moment(own) as before, one_moment(own) as after:
        before.execute("SELECT")
        made |= make(own, ring, new)
        with one_moment(database) as moment:
            moment.execute("SELECT")
            destroy(own, dying)
            after.execute("SELECT")
            keys = SnapshotKeys(before, ring, after)
            assert keys.hold([new, dying]) == {}
            assert {subject: keys[subject] for subject in made} == made


def test_a_rotation_that_ends_meanwhile_is_not_missed(own: str, ring: KekRing) -> None:
    subject = uuid4()
    made = make(own, ring, subject)
    with one_moment(own) as before, one_moment(own) as after:
        before.execute("SELECT")
        with rotating(own) as rotation:
            rotate(rotation, ring)
            retire(rotation, ring)
        after.execute("SELECT")
        assert SnapshotKeys(before, ring, after)[subject] == made[subject]
