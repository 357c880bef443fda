"""Verification of a database that is written to, sealed and projected at that very moment finds nothing wrong."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from uuid_utils.compat import uuid7

from db.pool import sync_pool
from ledger.keys import KeyStore
from ledger.sealer import Sealer
from ledger.verify import SnapshotKeys, extent_of, one_moment
from projections.comparison import hold_tables
from projections.runner import Runner
from projections.verify import verify
from tests.checker import check
from tests.ledger.writing import KEK, attribute, registration, write_path
from tests.told import settle

ROUNDS = 6
EVENTS = 50


@contextmanager
def at_work(conninfo: str) -> Iterator[None]:
    """Two writers, the sealer and the runner."""
    stop = Event()
    with (
        sync_pool(conninfo, "dossier_projector", min_size=1, max_size=2, autocommit=True) as pool,
        ThreadPoolExecutor(4) as threads,
    ):
        tasks = [
            threads.submit(write, conninfo, "one", stop),
            threads.submit(write, conninfo, "other", stop),
            threads.submit(Sealer(conninfo, batch=7).run, stop),
            threads.submit(Runner(conninfo, pool, KeyStore(pool, KEK), batch=5).run, stop),
        ]
        try:
            yield
        finally:
            stop.set()
        for task in tasks:
            task.result()


def write(conninfo: str, name: str, stop: Event) -> None:
    with write_path(conninfo) as path:
        number = 0
        while not stop.is_set():
            customer_id = uuid7()
            path.accept(registration("Acme", customer_id=customer_id, key=f"{name}-{number}"))
            path.accept(attribute(customer_id, "n", number))
            number += 1


def test_nothing_is_found_while_everything_moves(database: str) -> None:
    sizes: list[int] = []
    with at_work(database):
        while len(sizes) < ROUNDS or sizes[-1] < sizes[0] + EVENTS:
            with one_moment(database) as connection:
                hold_tables(connection)
                assert list(verify(connection, SnapshotKeys(connection, KEK))) == []
                sizes.append(extent_of(connection).events)
    settle(database)
    check(database, KEK)
