"""The storage half of a ledger on a fresh database, as the service joins it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from db.pool import connect, sync_pool
from ledger.application import Ledger
from ledger.kek import FileKek
from ledger.keys import KeyStore
from ledger.pool import Pool
from ledger.sealer import Sealer

KEK_TEXT = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.fixture
def pool(database: str) -> Iterator[Pool]:
    """Connections in the role of the service."""
    with sync_pool(database, "dossier_app", min_size=1, max_size=4, autocommit=True) as pool:
        yield pool


@pytest.fixture
def keys(pool: Pool) -> KeyStore:
    return KeyStore(pool, FileKek.from_text(KEK_TEXT))


@pytest.fixture
def ledger(pool: Pool, keys: KeyStore) -> Ledger:
    return Ledger(pool, keys)


@pytest.fixture
def seal(database: str) -> Iterator[Callable[[], int]]:
    """Seal what waits, as the sealer does; how many events were sealed."""
    sealer = Sealer(database)
    yield sealer.seal_once
    sealer.close()


@pytest.fixture
def app(database: str) -> Iterator[Connection[TupleRow]]:
    """A connection of the service; nothing is committed unless a test says so."""
    with connect(database, "dossier_app") as connection:
        yield connection
