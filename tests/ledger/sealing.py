"""What tests of the sealer share: events put in its queue, and the check of what it made of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Event, Thread
from typing import Any, Protocol
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.codec import entry_hash
from ledger.merkle import Frontier
from ledger.sealer import Sealer

LOG = "SELECT idx, stream, version, hash, known_at FROM ledger.log ORDER BY idx"


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def append(
    connection: Connection[TupleRow],
    stream: UUID,
    version: int,
    recorded_at: datetime | None = None,
    entry: bytes | None = None,
) -> None:
    """What the recorder writes of an event, without its commit."""
    connection.execute(
        "INSERT INTO ledger.event (stream, version, type, entry) VALUES (%s, %s, 'type', %s)",
        [stream, version, entry if entry is not None else f"{stream}/{version}".encode()],
    )
    enqueue(connection, stream, version, recorded_at)


def enqueue(connection: Connection[TupleRow], stream: UUID, version: int, recorded_at: datetime | None = None) -> None:
    connection.execute(
        "INSERT INTO ledger.unsealed (stream, version, recorded_at) VALUES (%s, %s, coalesce(%s, clock_timestamp()))",
        [stream, version, recorded_at],
    )


def copy_in(connection: Connection[Any], events: int) -> None:
    """Events with their places in the log, as before there was a tree."""
    connection.execute("ALTER TABLE ledger.checkpoint DROP CONSTRAINT IF EXISTS checkpoint_root_check")
    connection.execute(
        "INSERT INTO ledger.event SELECT uuid_in(md5(idx::text)::cstring), 1, 'type', convert_to(idx::text, 'UTF8')"
        " FROM generate_series(0, %s) AS idx",
        [events - 1],
    )
    connection.execute(
        "INSERT INTO ledger.log SELECT row_number() OVER () - 1, stream, version, sha256('\\x00'::bytea || entry),"
        " '2026-01-01Z' FROM ledger.event"
    )
    connection.execute("INSERT INTO ledger.checkpoint (made_at, size) VALUES ('2026-01-01Z', %s)", [events])
    connection.execute(
        "ALTER TABLE ledger.checkpoint ADD CONSTRAINT checkpoint_root_check"
        " CHECK (root IS NOT NULL AND octet_length(root) = 32) NOT VALID"
    )


def log_of(database: str) -> list[TupleRow]:
    with psycopg.connect(database) as connection:
        return connection.execute(LOG).fetchall()


def checkpoints_of(database: str) -> list[TupleRow]:
    with psycopg.connect(database) as connection:
        return connection.execute("SELECT made_at, size FROM ledger.checkpoint ORDER BY made_at").fetchall()


def check_log(database: str) -> None:
    """Everything that must be true of a log whose queue is empty."""
    with psycopg.connect(database) as connection:
        log = connection.execute(LOG).fetchall()
        events = connection.execute("SELECT stream, version, entry FROM ledger.event").fetchall()
        waiting = connection.execute("SELECT count(*) FROM ledger.unsealed").fetchone()
    assert waiting == (0,)
    assert [idx for idx, *_ in log] == list(range(len(events)))
    assert {(stream, version): digest for _, stream, version, digest, _ in log} == {
        (stream, version): entry_hash(entry) for stream, version, entry in events
    }
    versions: dict[UUID, int] = {}
    for _, stream, version, _, _ in log:
        assert version > versions.get(stream, -1)
        versions[stream] = version
    moments = [known_at for *_, known_at in log]
    assert moments == sorted(moments)
    check_tree(database)


def check_tree(database: str) -> None:
    """Every node and every root is what one pass over the log gives."""
    with psycopg.connect(database) as connection:
        leaves = connection.execute("SELECT hash FROM ledger.log ORDER BY idx").fetchall()
        nodes = connection.execute("SELECT level, idx, hash FROM ledger.node").fetchall()
        roots = connection.execute("SELECT size, root FROM ledger.checkpoint").fetchall()
    tree, completed = Frontier(), []
    root_of_size = {0: tree.root}
    for (leaf,) in leaves:
        completed += tree.append(leaf)
        root_of_size[tree.size] = tree.root
    assert sorted(nodes) == sorted(completed)
    assert roots == [(size, root_of_size[size]) for size, _ in roots]
    assert leaves == [] or max(size for size, _ in roots) == len(leaves)


def seal_all(sealer: Sealer) -> int:
    """Seal until two batches in a row were empty: one may be, after a conflict."""
    counts = [sealer.seal_once(), sealer.seal_once()]
    while any(counts[-2:]):
        counts.append(sealer.seal_once())
    return sum(counts)


class Running(Protocol):
    """What works in a thread of its own until it is told to stop."""

    def run(self, stop: Event) -> None: ...


@contextmanager
def running(*workers: Running) -> Iterator[None]:
    stop = Event()
    threads = [Thread(target=worker.run, args=(stop,)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.01)
