"""What must hold of the log: dense, each place the hash of its entry, its time a running maximum, checkpoints true.

Walks the log once in its order, and beside it the checkpoints and the tree (verify_tree.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from psycopg import Connection

from db.queries import load
from ledger import codec
from ledger.errors import UnreadableEvent
from ledger.findings import Finding, place_of
from ledger.merkle import leaf_hashes
from ledger.verify_tree import StoredTree, TreeWalk

_QUERIES: Final = load("ledger", "verify.sql")
_BATCH: Final = 2000
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
_STEP: Final = timedelta(microseconds=1)


class _Place(NamedTuple):
    """A row of the log, and its event's entry where there is one."""

    idx: int
    stream: UUID
    version: int
    digest: bytes
    known_at: datetime | None
    stored_name: str | None
    entry: bytes | None
    is_genuine: bool
    """Whether the entry is there, and the digest is its hash."""

    def __str__(self) -> str:
        return place_of(self.stream, self.version, self.idx)

    @property
    def recorded_at(self) -> datetime | None:
        """What the entry says; None when it cannot be read."""
        if self.entry is None or self.stored_name is None:
            return None
        try:
            said = codec.recorded_at_in(StoredEvent(self.stream, self.version, self.stored_name, self.entry))
            return datetime.fromisoformat(said)
        except (UnreadableEvent, ValueError):
            return None


class _Checkpoint(NamedTuple):
    size: int
    made_at: datetime | None


def log_findings(connection: Connection[Any], size: int, advance: Callable[[int], None]) -> Iterator[Finding]:
    """What does not hold of a log that ends before index `size`; `advance` is told of places passed."""
    with (
        connection.cursor("verified_log", binary=True) as rows,
        connection.cursor("verified_checkpoints", binary=True) as checkpoints,
    ):
        checkpoints.itersize = _BATCH
        rows.execute(_QUERIES["log"])
        checkpoints.execute(_QUERIES["checkpoints"])
        walk = _Walk(size, map(_Checkpoint._make, checkpoints))
        tree = TreeWalk(StoredTree(lambda: connection))
        while places := _places(rows.fetchmany(_BATCH)):
            for place in places:
                yield from walk.take(place)
            yield from tree.take([place.idx for place in places], [place.digest for place in places])
            advance(len(places))
        yield from walk.end()
        yield from tree.end(size)


def _places(rows: Sequence[tuple[Any, ...]]) -> list[_Place]:
    hashes = leaf_hashes(row[-1] or b"" for row in rows)
    genuine = [row[-1] is not None and row[3] == digest for row, digest in zip(rows, hashes, strict=True)]
    return [_Place._make((*row, is_genuine)) for row, is_genuine in zip(rows, genuine, strict=True)]


@dataclass
class _Walk:
    """Where the walk stands in a log that ends before index `size`."""

    size: int
    checkpoints: Iterator[_Checkpoint]
    expected: int = 0
    """The next index."""
    latest: datetime = _BEGINNING
    """The time that is known by now, ticks included."""
    covered: int = 0
    """What the greatest checkpoint so far covers."""
    last_made_at: datetime = _BEGINNING
    _ahead: _Checkpoint | None = None

    def take(self, place: _Place) -> Iterator[Finding]:
        """The next row of the log, and before it the checkpoints of the log without it."""
        yield from self._checkpoints_up_to(place.idx)
        yield from self._index(place)
        if place.entry is None:
            yield Finding("log", str(place), "its event is not there", place.idx)
        elif not place.is_genuine:
            yield Finding("log", str(place), "the hash is not that of the entry", place.idx)
        yield from self._time(place)

    def end(self) -> Iterator[Finding]:
        """What remains of the checkpoints; the newest one covers the whole log."""
        yield from self._checkpoints_up_to(self.size)
        if self.covered < self.size:
            yield Finding(
                "checkpoint", f"log index {self.covered}", "no checkpoint covers the log from here on", self.covered
            )

    def _index(self, place: _Place) -> Iterator[Finding]:
        if place.idx > self.expected:
            last = place.idx - 1
            missing = "is missing from the log" + (f", as are all up to {last}" if last > self.expected else "")
            yield Finding("log", f"log index {self.expected}", missing, self.expected)
        elif place.idx < self.expected:
            yield Finding("log", str(place), "stands in the log twice", place.idx)
        self.expected = place.idx + 1

    def _time(self, place: _Place) -> Iterator[Finding]:
        recorded_at = place.recorded_at if place.is_genuine else None
        if place.known_at is None:
            yield Finding("known_at", str(place), "is no time at which anything was recorded", place.idx)
        elif recorded_at is None:
            # What cannot be recomputed is believed: one altered entry must not move the time of all after it.
            if place.known_at < self.latest:
                yield Finding("known_at", str(place), "goes back", place.idx)
            recorded_at = place.known_at
        elif place.known_at != max(self.latest, recorded_at):
            yield Finding("known_at", str(place), "is not the latest time recorded up to there", place.idx)
        self.latest = max(self.latest, recorded_at or self.latest)

    def _checkpoints_up_to(self, idx: int) -> Iterator[Finding]:
        while checkpoint := self._ahead or next(self.checkpoints, None):
            self._ahead = checkpoint
            if idx < checkpoint.size <= self.size:
                return
            self._ahead = None
            yield from self._checkpoint(*checkpoint)

    def _checkpoint(self, size: int, made_at: datetime | None) -> Iterator[Finding]:
        if made_at is None:
            yield Finding("checkpoint", f"checkpoint of size {size}", "was made at no time at which anything was")
            return
        place = f"checkpoint of size {size} made at {made_at.isoformat()}"
        if size > self.size:
            # Its time is not counted: what it covers was sealed after everything that is left.
            yield Finding("checkpoint", place, f"covers more than the log, which has {self.size} places")
            return
        if size < self.covered:
            yield Finding("checkpoint", place, f"covers less than one before it, of size {self.covered}")
        elif size > self.covered and made_at != max(self.latest, self.last_made_at + _STEP):
            # One that covers new events was made with them; only a tick carries a time of its own.
            yield Finding("checkpoint", place, "does not carry the time of the last event that it covers")
        self.covered = max(self.covered, size)
        self.latest = max(self.latest, made_at)
        self.last_made_at = made_at
