"""Verifies the evidence: that the streams, the log and what is remembered of requests are what was written.

What must stay true: everything is read in one transaction, so that a service at work causes no false finding, and in
constant memory but for the longest stream; a fault is told and gone on from, so that one damaged row hides no other.
What cannot be found: an event that was altered, with its queue row, before it was sealed; what a request's code and
its masked facts say; the time of a tick that moved no event's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from psycopg import Connection, IsolationLevel

from db.pool import connect
from db.queries import load
from ledger.epochs import epoch_findings
from ledger.findings import Finding, limited
from ledger.kek import KeyEncryptionKey
from ledger.snapshot_keys import SnapshotKeys
from ledger.streams import OF_CUSTOMERS
from ledger.verify_log import log_findings
from ledger.verify_notes import note_findings
from ledger.verify_streams import stream_findings

__all__ = ["Extent", "Finding", "SnapshotKeys", "extent_of", "keys_at", "one_moment", "verify_evidence"]

_QUERIES: Final = load("ledger", "verify.sql")


class Extent(NamedTuple):
    """How much there is to verify: customers with events, events of all streams, and places of the log."""

    customers: int
    events: int
    positions: int


@contextmanager
def one_moment(conninfo: str) -> Iterator[Connection[Any]]:
    """Lend a connection on which everything is read as of one moment, and nothing can be written."""
    with connect(conninfo, "dossier_reader") as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield connection


@contextmanager
def keys_at(moment: Connection[Any], kek: KeyEncryptionKey, keys_conninfo: str | None = None) -> Iterator[SnapshotKeys]:
    """Lend the data keys as of the moment of a connection through which nothing was read yet, only tables held.

    `keys_conninfo` names their own database, if they have one. Raises psycopg.Error.
    """
    if keys_conninfo is None:
        yield SnapshotKeys(moment, kek)
        return
    with one_moment(keys_conninfo) as before:
        before.execute(_QUERIES["fix_moment"])
        moment.execute(_QUERIES["fix_moment"])
        with one_moment(keys_conninfo) as after:
            after.execute(_QUERIES["fix_moment"])
            yield SnapshotKeys(before, kek, after)


def extent_of(connection: Connection[Any]) -> Extent:
    """Count what `verify_evidence` will look at."""
    (row,) = connection.execute(_QUERIES["extent"], OF_CUSTOMERS).fetchall()
    return Extent._make(row)


def verify_evidence(
    connection: Connection[Any],
    keys: SnapshotKeys,
    *,
    counts: Counter[str] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[Finding]:
    """What does not hold of the evidence, as the transaction of `connection` sees it (see `one_moment`).

    Of each check the first findings, then how many more there are; `counts` counts all. `advance` is told of events
    and places of the log as they are passed: together, each once. Raises psycopg.Error.
    """
    return limited(_findings(connection, keys, advance), Counter() if counts is None else counts)


def _findings(connection: Connection[Any], keys: SnapshotKeys, advance: Callable[[int], None]) -> Iterator[Finding]:
    yield from stream_findings(connection, keys, advance)
    size = extent_of(connection).positions
    yield from log_findings(connection, size, advance)
    yield from note_findings(connection, size)
    yield from epoch_findings(connection)
