"""The scrubber: walks the log for ever, and looks whether all of it is still what was sealed.

Re-hashes entries and compares leaves, nodes and roots, a batch at a time and no faster than it may. It is needed beside
the signer, whose proofs do not touch what lies deep inside: nothing else reads it for years. What must stay true: it
changes nothing and stops for nothing; the first fault is kept outside the database (scrub_record.py) and told at once,
with its log index. A step sees one moment of the database; if we die between two, the next one begins at the last tile.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, Final, NamedTuple

import psycopg
import structlog
from psycopg import Connection, IsolationLevel

from db.conninfo import with_settings
from db.patience import PatientConnection
from db.pool import role_conninfo
from db.queries import load
from ledger.findings import Finding
from ledger.merkle import leaf_hash, leaf_hashes
from ledger.places import CHUNK, PLAN, Chunk, Places
from ledger.scrub_record import Progress, ScrubRecord
from ledger.verify_tree import StoredTree, TreeWalk

_QUERIES: Final = load(Path(__file__).parent, "scrubber.sql")
_LOG: Final = structlog.get_logger("ledger.scrubber")

_CHUNKS: Final = 16
_LAP_SECONDS: Final = 60.0
"""A short log is not looked at more often than this."""
_LONGEST_RETRY_SECONDS: Final = 30.0
_LATE_SECONDS: Final = 60.0
"""An event is sealed within a fraction of a second, or a second after the commit of the longest transaction."""


class Step(NamedTuple):
    """How many places were looked at, whether they were the last of a lap, and what was wrong with them."""

    places: int
    is_lap: bool
    findings: list[Finding]


class Scrubber:
    """Looks at the log of the database of `conninfo`. One thread."""

    def __init__(
        self,
        conninfo: str,
        record: ScrubRecord,
        *,
        events_per_second: int,
        lap_seconds: float = _LAP_SECONDS,
        chunks: int = _CHUNKS,
    ) -> None:
        """A step is of so many `chunks`, and goes on at the rate of so many events per second after the one before."""
        self._conninfo = conninfo
        self._record = record
        self._events_per_second = events_per_second
        self._lap_seconds = lap_seconds
        self._chunks = chunks
        self._connection: Connection[Any] | None = None
        self._places = Places(self._connected)
        self._walk: TreeWalk | None = None
        self._is_late = False

    def run(self, stop: Event) -> None:
        """Look until `stop` is set, through lost connections and full disks."""
        retry_seconds, lap_began = 1.0, time.monotonic()
        while not stop.is_set():
            began = time.monotonic()
            try:
                step = self.step()
            except (psycopg.Error, OSError) as error:
                _LOG.warning("the scrubber was interrupted", error=str(error), retry_in_seconds=retry_seconds)
                self.close()
                stop.wait(retry_seconds)
                retry_seconds = min(retry_seconds * 2, _LONGEST_RETRY_SECONDS)
                continue
            retry_seconds, until = 1.0, began + step.places / self._events_per_second
            if step.is_lap:
                until = max(until, lap_began + self._lap_seconds)
            stop.wait(max(until - time.monotonic(), 0))
            if step.is_lap:
                lap_began = time.monotonic()
        self.close()

    def step(self) -> Step:
        """Look at the next places, or begin again at the first. Raises psycopg.Error, or OSError of the record."""
        progress = self._record.progress() or Progress()
        connection, looked = self._connected(), 0
        with connection.pipeline(), connection.transaction():
            ((size, waited),) = connection.execute(_QUERIES["around"], binary=True).fetchall()
            walk = self._walk = self._walk or self._begun(progress.position)
            findings = list(_shrunk(progress.size, size))
            for chunk in self._places.chunks(walk.size, self._chunks):
                findings += _looked_at(walk, chunk)
                looked += len(chunk.indexes)
            if is_lap := looked < CHUNK * self._chunks:
                findings += _ended(walk, size)
        self._tell(findings, waited)
        self._record.note(
            replace(
                progress,
                position=0 if is_lap else walk.size,
                laps=progress.laps + is_lap,
                size=max(progress.size, size),
                looked_at=datetime.now(UTC).isoformat(),
                oldest_unsealed_seconds=waited,
            )
        )
        if is_lap:
            self._walk = None
        return Step(looked, is_lap, findings)

    def close(self) -> None:
        """Let go of the connection; the next step connects again, and begins at the last tile."""
        self._walk = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _begun(self, position: int) -> TreeWalk:
        """A walk from there on; from the start when there is nothing any more."""
        walk = TreeWalk(StoredTree(self._connected))
        if position and self._places.has_any(position):
            walk.resume(position)
        return walk

    def _tell(self, findings: Sequence[Finding], waited: float | None) -> None:
        if findings and self._record.finding() is None:
            first = findings[0]
            _LOG.critical("the log is damaged", **asdict(first), findings=len(findings))
            self._record.tell(first)
        is_late = waited is not None and waited > _LATE_SECONDS
        if is_late and not self._is_late:
            _LOG.critical("an event waits for the sealer", seconds=waited)
        self._is_late = is_late

    def _connected(self) -> Connection[Any]:
        if self._connection is None or self._connection.closed:
            reader = role_conninfo(self._conninfo, "dossier_reader")
            self._connection = PatientConnection.connect(with_settings(reader, PLAN, application_name="dossier_reader"))
            self._connection.isolation_level = IsolationLevel.REPEATABLE_READ
            self._connection.read_only = True
        return self._connection


def _shrunk(was: int, size: int) -> Iterator[Finding]:
    if size < was:
        yield Finding("log", f"log index {size}", f"the log had {was} places, its last checkpoint covers {size}", size)


def _looked_at(walk: TreeWalk, chunk: Chunk) -> Iterator[Finding]:
    """What is wrong with places of the log that are next."""
    if leaf_hashes([entry for entry in chunk.entries if entry is not None]) != chunk.hashes:
        yield from _altered(chunk)
    if chunk.indexes != range(walk.size, walk.size + len(chunk.indexes)):
        yield from _missing(walk.size, chunk.indexes)
    yield from walk.take(chunk.indexes, chunk.hashes)


def _altered(chunk: Chunk) -> Iterator[Finding]:
    for idx, digest, entry in zip(*chunk, strict=True):
        if entry is None:
            yield Finding("log", f"log index {idx}", "its event is not there", idx)
        elif leaf_hash(entry) != digest:
            yield Finding("log", f"log index {idx}", "the hash is not that of the entry", idx)


def _missing(expected: int, indexes: Sequence[int]) -> Iterator[Finding]:
    for idx in indexes:
        if idx != expected:
            yield Finding("log", f"log index {expected}", "is missing from the log", expected)
        expected = idx + 1


def _ended(walk: TreeWalk, size: int) -> Iterator[Finding]:
    """What is wrong with the end of a log whose last checkpoint covers `size` places."""
    if walk.size < size:
        yield Finding("log", f"log index {walk.size}", "is missing from the log", walk.size)
    elif walk.size > size:
        yield Finding("checkpoint", f"log index {size}", "no checkpoint covers the log from here on", size)
    yield from walk.end(max(walk.size, size))
