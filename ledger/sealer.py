"""The sealer: gives committed events their place in the log, in batches, after the fact.

An append takes no lock and draws its queue ids before its commit, so ids become visible out of order. What waits in
ledger.unsealed is therefore a set that is emptied, never a cursor that is followed: a late commit is in a later
batch. What must stay true: the log is dense, each event is in it once, a stream's events stand in order, and
`known_at` never goes back, ticks included. The primary key of ledger.log fences off a second sealer.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any, Final, NamedTuple

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from db.pool import connect
from db.queries import load
from ledger.recorder import QUERIES, Appended, LedgerRecorder, keys_of

_QUERIES: Final = load(Path(__file__).parent, "sealer.sql")
_LOG: Final = structlog.get_logger("ledger.sealer")

_NO_FLOOR: Final = -1
_FLOOR_SECONDS: Final = 5.0
"""Nearly every append has committed by then; what has not is found by the next full sweep. The rows sealed since are
dead but still looked at, so a longer time costs: with 60 s, sealing took half of all server time of an import."""
_SWEEP_SECONDS: Final = 10.0
_FIRST_TICK_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 60.0
_SHORTEST_PAUSE_SECONDS: Final = 0.01
_LONGEST_PAUSE_SECONDS: Final = 0.05
_TURN_SECONDS: Final = 1.0
_LONGEST_RETRY_SECONDS: Final = 5.0
_EVERYTHING: Final = 2**31 - 1


class _Sealing(NamedTuple):
    """What the statement `seal` did."""

    events: int
    dropped: int
    overtaking: int
    highest_id: int | None
    checkpoints: int


class Floor:
    """Which queue ids need not be looked at: an old snapshot keeps their dead rows alive and slow to pass.

    It is the highest id sealed more than FLOOR_SECONDS ago; a full sweep every SWEEP_SECONDS takes stragglers.
    """

    def __init__(self) -> None:
        self._floor = _NO_FLOOR
        self._sealed: deque[tuple[float, int]] = deque()
        self._swept_at = float("-inf")

    def at(self, now: float) -> int:
        """The ids to look above at `now` (monotonic seconds); -1 when it is time for a full sweep."""
        while self._sealed and self._sealed[0][0] <= now - _FLOOR_SECONDS:
            self._floor = max(self._floor, self._sealed.popleft()[1])
        if now - self._swept_at >= _SWEEP_SECONDS:
            self._swept_at = now
            return _NO_FLOOR
        return self._floor

    def note(self, now: float, highest_id: int) -> None:
        """Remember the highest id of a batch sealed at `now`."""
        self._sealed.append((now, highest_id))

    def sweep_next(self) -> None:
        """Make the next look a full sweep."""
        self._swept_at = float("-inf")


class Sealer:
    """Seals what the database of `conninfo` has in its queue, up to `batch` events in a transaction.

    One thread at a time; `clock` counts seconds and never goes back.
    """

    def __init__(self, conninfo: str, *, batch: int = 1000, clock: Callable[[], float] = time.monotonic) -> None:
        self._conninfo = conninfo
        self._batch = batch
        self._clock = clock
        self._floor = Floor()
        self._tick_at = clock() + _FIRST_TICK_SECONDS
        self._connection: Connection[TupleRow] | None = None

    def seal_once(self) -> int:
        """Seal one batch and return how many events it had. Raises psycopg.Error."""
        now = self._clock()
        try:
            sealing = self._seal(self._floor.at(now))
        except psycopg.errors.UniqueViolation as error:
            self._floor.sweep_next()
            if error.diag.constraint_name == "log_stream_version_key":
                self._drop_strays()
            # Otherwise another sealer was faster; what it took is not in the queue any more.
            return 0
        # If we died before the commit, the queue is as it was; after it, the log has the events and the queue not.
        if sealing.overtaking:
            self._floor.sweep_next()
            return 0
        if sealing.dropped:
            _LOG.critical("queue rows without an event", rows=sealing.dropped)
        if sealing.highest_id is not None:
            self._floor.note(now, sealing.highest_id)
        if sealing.events:
            self._tick_at = now + _FIRST_TICK_SECONDS
        return sealing.events

    def tick(self) -> None:
        """Write a checkpoint of a log that did not grow."""
        self._connected().execute(_QUERIES["tick"])
        self._tick_at = self._clock() + _TICK_SECONDS

    def run(self, stop: Event) -> None:
        """Seal until `stop` is set, one sealer at a time per database, through lost connections."""
        retry_seconds = _SHORTEST_PAUSE_SECONDS
        while not stop.is_set():
            try:
                if self._take_turn():
                    retry_seconds = _SHORTEST_PAUSE_SECONDS
                    self._seal_until(stop)
                else:
                    stop.wait(_TURN_SECONDS)
            except psycopg.Error as error:
                _LOG.warning("the sealer was interrupted", error=str(error), retry_in_seconds=retry_seconds)
                self.close()
                stop.wait(retry_seconds)
                retry_seconds = min(retry_seconds * 2, _LONGEST_RETRY_SECONDS)
        self.close()

    def close(self) -> None:
        """Let go of the connection, and with it of the turn; the next call connects again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _seal_until(self, stop: Event) -> None:
        pause_seconds = _SHORTEST_PAUSE_SECONDS
        while not stop.is_set():
            sealed = self.seal_once()
            if sealed == self._batch:
                continue
            if sealed:
                pause_seconds = _SHORTEST_PAUSE_SECONDS
            elif self._clock() >= self._tick_at:
                self.tick()
            stop.wait(pause_seconds)
            pause_seconds = min(pause_seconds * 1.5, _LONGEST_PAUSE_SECONDS)

    def _seal(self, floor: int) -> _Sealing:
        connection = self._connected()
        with connection.transaction() as transaction:
            sealing = seal(connection, floor, self._batch)
            if sealing.overtaking:
                raise psycopg.Rollback(transaction)
        return sealing

    def _drop_strays(self) -> None:
        dropped = self._connected().execute(_QUERIES["drop_strays"]).rowcount
        _LOG.critical("queue rows of events that are sealed already", rows=dropped)

    def _take_turn(self) -> bool:
        return self._connected().execute(_QUERIES["take_turn"]).fetchone() == (True,)

    def _connected(self) -> Connection[TupleRow]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._conninfo, "dossier_sealer", autocommit=True)
        return self._connection


class SealingRecorder(LedgerRecorder):
    """Seals inside the append and returns positions, as the eventsourcing library expects of its recorders.

    Appends wait for each other here, so no service uses it. The login must be allowed to append and to seal.
    """

    def _complete(
        self, connection: Connection[TupleRow], appended: Sequence[Appended], **kwargs: Any
    ) -> Sequence[int] | None:
        super()._complete(connection, appended, **kwargs)
        connection.execute(_QUERIES["wait_for_turn"])
        seal(connection, _NO_FLOOR, _EVERYTHING)
        positions = connection.execute(QUERIES["select_positions"], keys_of(appended)).fetchall()
        return [position for (position,) in positions]


def seal(connection: Connection[TupleRow], floor: int, most: int) -> _Sealing:
    """Seal up to `most` events with a queue id above `floor`, in the caller's transaction."""
    row = connection.execute(_QUERIES["seal"], {"floor": floor, "most": most}).fetchone()
    assert row is not None  # noqa: S101 - an aggregate without groups has one row
    return _Sealing(*row)
