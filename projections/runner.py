"""The runner: keeps every read model that follows the log up with it, one batch in one transaction.

What must stay true: a projection's rows and its position are committed together, so each event is projected once;
one runner works at a time (an advisory lock elects it, and moving a position from where it was read fences off
another); and nothing is ever skipped. A customer of whom an event of the batch erased something is projected anew, from
the first event to the last one of the batch. On a failure the position stands, the error is logged and shown in
`status`, and the same batch is tried again, ever more slowly, until it goes through.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

import structlog
from psycopg import Connection, Cursor

from db.pool import connect_for_turn
from db.queries import load
from domain.slots import forget_slots
from domain.streams import StreamKind, stream_kind
from ledger.keys import KeyStore
from ledger.pool import Pool
from projections.access import Access, SeenCustomers
from projections.approvals import Approvals
from projections.changes import Changes
from projections.errors import AnotherRunner, ProjectionFailed
from projections.events import Events
from projections.facts import Facts, load_open
from projections.log import LogReader, Stretch
from projections.moves import Moves, Positioned
from projections.portfolio.tallies import Tallies
from projections.projection import Batch, Projection
from projections.purge import erased_customers, whole

_QUERIES: Final = load("projections", "runner.sql")
_LOG: Final = structlog.get_logger("projections.runner")

_TURN_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.2
_REST_SHARE: Final = 3.0
_LONGEST_REST_SECONDS: Final = 0.2
"""After a batch that was not full the runner rests three times as long as that took, so that under load the next one is
worth its round trips, and those who write have the processors."""
_FIRST_RETRY_SECONDS: Final = 0.1
_LONGEST_RETRY_SECONDS: Final = 5.0
"""What was in the way may be an outage, whose end is to show soon."""

# Rectangles are made when the rows of their events are there (see Facts).
EVERY_PROJECTION: Final[tuple[Projection, ...]] = (
    Events(),
    Facts(),
    Changes(),
    Access(),
    SeenCustomers(),
    Approvals(),
)


@dataclass(frozen=True, slots=True)
class Status:
    """`position`: what all projections have passed. `error`: why they do not go on, None while they do."""

    position: int
    error: str | None = None


class Runner:
    """Follows the log of the database of `conninfo`; `pool` (of the same role) is what the log is read through.

    One thread at a time; `status` may be read from any. Through another `cursor_factory` it keeps up a shadow's tables
    instead of the live ones (see shadow.py).
    """

    def __init__(
        self,
        conninfo: str,
        pool: Pool,
        keys: KeyStore,
        projections: Sequence[Projection] = EVERY_PROJECTION,
        *,
        batch: int = 1000,
        cursor_factory: type[Cursor[Any]] = Cursor,
    ) -> None:
        self._conninfo = conninfo
        self._log = LogReader(pool, keys)
        self._projections = projections
        self._batch = batch
        self._cursor_factory = cursor_factory
        self._connection: Connection[Any] | None = None
        self._tallies = Tallies()
        self.status = Status(0)

    def step(self, up_to: int | None = None) -> int:
        """Project one batch, at most up to a position, and return how many places it passed; 0 at the end of the log.

        Raises ProjectionFailed, EventUnreadable, ledger.errors or psycopg.Error, with nothing done.
        """
        connection = self._connected()
        positions = self._positions(connection)
        position = min(positions.values())
        ahead = [other for other in positions.values() if other > position]
        ends = ahead if up_to is None else [*ahead, max(up_to, position)]
        limit = min([self._batch, *(end - position for end in ends)])
        stretch = self._log.after(position, limit)
        entries, reached = stretch.entries, stretch.reached
        if reached > position:
            due = [each for each in self._projections if positions[each.name] == position]
            self._project(connection, due, position, stretch)
        # If we died before the commit, rows and positions are as before and the batch comes again; after it, both
        # have moved.
        self.status = Status(reached)
        if erased_customers(entries):
            forget_slots()
        return reached - position

    def catch_up(self, up_to: int | None = None) -> None:
        """Project all that is sealed, or up to a position. Raises what `step` raises."""
        while self.step(up_to):
            pass

    def run(self, stop: Event) -> None:
        """Follow the log until `stop` is set, then to its end; one runner at a time, through every failure."""
        retry_seconds = _FIRST_RETRY_SECONDS
        while not stop.is_set():
            before = self.status.position
            try:
                if not self._take_turn():
                    stop.wait(_TURN_SECONDS)
                    continue
                self._follow(stop)
            except Exception as error:  # noqa: BLE001 - shown and tried again, whatever it is; nothing is skipped
                if self.status.position > before:
                    retry_seconds = _FIRST_RETRY_SECONDS
                self.status = Status(self.status.position, str(error))
                _LOG.exception("read models stand still", position=before, retry_in_seconds=retry_seconds)
                self.close()
                stop.wait(retry_seconds)
                retry_seconds = min(retry_seconds * 2, _LONGEST_RETRY_SECONDS)
        self.close()

    def close(self) -> None:
        """Let go of the connection, and with it of the turn; the next call connects again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _follow(self, stop: Event) -> None:
        connection = self._connected()
        connection.execute("LISTEN dossier_sealed")
        while not stop.is_set():
            began = time.monotonic()
            events = self.step()
            if not events:
                self._make_tally(connection)
                for _ in connection.notifies(timeout=_LOOK_SECONDS, stop_after=1):
                    pass
            elif events < self._batch:
                stop.wait(min((time.monotonic() - began) * _REST_SHARE, _LONGEST_REST_SECONDS))
        while self.step() == self._batch:
            pass

    def _make_tally(self, connection: Connection[Any]) -> None:
        """Have one tally made that is missing; while we hold the position nobody replaces what it counts."""
        with connection.transaction():
            connection.execute(_QUERIES["hold"], {"names": [Facts.name]})
            self._tallies.make_one(connection, self._positions(connection)[Facts.name])

    def _project(
        self,
        connection: Connection[Any],
        due: Sequence[Projection],
        position: int,
        stretch: Stretch,
    ) -> None:
        entries, reached = stretch.entries, stretch.reached
        names = [projection.name for projection in due]
        with connection.transaction():
            # First of all: here waits who meets a rebuild that switches tables, and then finds the new ones.
            connection.execute(_QUERIES["hold"], {"names": names})
            purged = erased_customers(entries)
            others = [entry for entry in entries if entry.event.originator_id not in purged]
            batches = [Batch(others, self._moves(connection, position, others))] if others else []
            batches += [whole(stream) for stream in self._log.streams(purged, reached)] if purged else []
            for projection in due:
                of_customers = projection.follows is StreamKind.CUSTOMER
                try:
                    for customer_id in purged if of_customers else ():
                        projection.forget(connection, customer_id)
                    for batch in batches if of_customers else _of_service(stretch, projection):
                        projection.apply(connection, batch)
                except Exception as error:
                    raise ProjectionFailed(projection.name, position + 1, reached, str(error)) from error
            moved = connection.execute(
                _QUERIES["advance"], {"names": names, "position": reached, "from_position": position}
            )
            if moved.rowcount != len(names):
                raise AnotherRunner(position)

    def _moves(self, connection: Connection[Any], position: int, entries: Sequence[Positioned]) -> Moves:
        firsts: dict[Any, int] = {}
        for entry in entries:
            firsts.setdefault(entry.event.originator_id, entry.event.originator_version)
        taking_back = {
            entry.event.originator_id
            for entry in entries
            if entry.event.envelope.corrects or entry.event.envelope.retracts
        }
        histories = self._log.histories((customer_id, firsts[customer_id]) for customer_id in taking_back)
        moves = Moves(load_open(connection, position, entries, histories), histories)
        for entry in entries:
            moves.take(entry)
        return moves

    def _positions(self, connection: Connection[Any]) -> dict[str, int]:
        names = {"names": [projection.name for projection in self._projections]}
        return dict(connection.execute(_QUERIES["positions"], names).fetchall())

    def _connected(self) -> Connection[Any]:
        if self._connection is None:
            self._connection = connect_for_turn(self._conninfo, "dossier_projector")
            self._connection.cursor_factory = self._cursor_factory
            self._connection.execute(_QUERIES["prefer_indexes"])
            self._connection.execute(_QUERIES["enter"], {"names": [each.name for each in self._projections]})
        return self._connection

    def _take_turn(self) -> bool:
        row = self._connected().execute(_QUERIES["take_turn"]).fetchone()
        return row == (True,)


def _of_service(stretch: Stretch, projection: Projection) -> list[Batch]:
    """What a projection of the service's own streams is given of a stretch."""
    followed = [entry for entry in stretch.of_service if stream_kind(entry.event.payload.type) is projection.follows]
    return [Batch(followed, Moves())] if followed else []
