"""The sealer: gives committed events their place in the log, in batches, after the fact.

An append takes no lock and draws its queue ids before its commit, so ids become visible out of order. What waits in
ledger.unsealed is therefore a set that is emptied, never a cursor that is followed: a late commit is in a later
batch. What must stay true: the log is dense, each event is in it once, a stream's events stand in order, `known_at`
never goes back, ticks included, and each batch is one transaction with its nodes of the tree and the new root. The
primary key of ledger.log fences off a second sealer.

The tree's frontier is kept in memory. It is taken up anew when the log has another size than it: another sealer has
been at work, or a commit of ours did not arrive.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any, Final, NamedTuple

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from db.pool import connect_for_turn
from db.queries import load
from ledger.errors import TreeDamaged
from ledger.floor import FROM_THE_START, Floor, Look, Seen
from ledger.frontier import add_nodes, fill_in, load_frontier, split
from ledger.merkle import Frontier
from ledger.recorder import QUERIES, Appended, LedgerRecorder, keys_of

_QUERIES: Final = load(Path(__file__).parent, "sealer.sql")
_LOG: Final = structlog.get_logger("ledger.sealer")

_FIRST_TICK_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 60.0
_SHORTEST_PAUSE_SECONDS: Final = 0.025
"""A batch costs about as much as sixty of its events: who seals more often spends a core on few events."""
_LONGEST_PAUSE_SECONDS: Final = 0.05
_TURN_SECONDS: Final = 1.0
_FIRST_RETRY_SECONDS: Final = 0.01
_LONGEST_RETRY_SECONDS: Final = 5.0
_EVERYTHING: Final = 2**31 - 1


class _Sealing(NamedTuple):
    """What the statement `seal` did."""

    size: int
    """Of the log before it."""
    hashes: bytes | None
    events: int
    dropped: int
    overtaking: int
    highest_id: int | None
    found: int
    xid: int | None
    oldest_open: int
    open: list[int]


class Sealer:
    """Seals what the database of `conninfo` has in its queue, up to `batch` events in a transaction.

    One thread at a time; `clock` counts seconds and never goes back.
    """

    def __init__(self, conninfo: str, *, batch: int = 1000, clock: Callable[[], float] = time.monotonic) -> None:
        self._conninfo = conninfo
        self._batch = batch
        self._clock = clock
        self._floor = Floor()
        self._frontier: Frontier | None = None  # as of the last commit that we know of
        self._tick_at = clock() + _FIRST_TICK_SECONDS
        self._connection: Connection[TupleRow] | None = None
        self._retry_seconds = _FIRST_RETRY_SECONDS

    def seal_once(self) -> int:
        """Seal one batch and return how many events it had. Raises psycopg.Error or TreeDamaged."""
        now = self._clock()
        try:
            sealing = self._seal(now)
        except psycopg.errors.UniqueViolation as error:
            self._floor = Floor()
            if error.diag.constraint_name == "log_stream_version_key":
                self._drop_strays()
            # Otherwise another sealer was faster; what it took is not in the queue any more.
            return 0
        # If we died before the commit, the queue is as it was; after it, the log has the events and the queue not.
        if sealing is None or sealing.overtaking:
            self._floor = Floor()
            return 0
        if sealing.dropped:
            _LOG.critical("queue rows without an event", rows=sealing.dropped)
        seen = Seen(sealing.highest_id, sealing.xid, sealing.oldest_open, tuple(sealing.open))
        self._floor.note(now, seen, full=sealing.found == self._batch)
        if sealing.events:
            self._tick_at = now + _FIRST_TICK_SECONDS
        return sealing.events

    def tick(self) -> None:
        """Write a checkpoint of a log that did not grow. Raises psycopg.Error or TreeDamaged."""
        frontier = self._taken_up()
        self._connected().execute(_QUERIES["tick"], {"size": frontier.size, "root": frontier.root})
        self._tick_at = self._clock() + _TICK_SECONDS

    def run(self, stop: Event) -> None:
        """Seal until `stop` is set, one sealer at a time per database, through lost connections.

        Whoever has the turn then seals what is committed by that time, so that a service leaves nothing behind.
        """
        while not stop.is_set():
            try:
                if self._take_turn():
                    self._seal_until(stop)
                else:
                    stop.wait(_TURN_SECONDS)
            except TreeDamaged as error:
                # The turn is kept: nobody else could do better. Writes go on, and are sealed when it has been repaired.
                _LOG.critical("the sealer does not build on a damaged log", error=str(error))
                self._back_off(stop)
            except psycopg.Error as error:
                _LOG.warning("the sealer was interrupted", error=str(error), retry_in_seconds=self._retry_seconds)
                self.close()
                self._back_off(stop)
        self.close()

    def close(self) -> None:
        """Let go of the connection, and with it of the turn; the next call connects again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _back_off(self, stop: Event) -> None:
        stop.wait(self._retry_seconds)
        self._retry_seconds = min(self._retry_seconds * 2, _LONGEST_RETRY_SECONDS)

    def _seal_until(self, stop: Event) -> None:
        pause_seconds = _SHORTEST_PAUSE_SECONDS
        while not stop.is_set():
            sealed = self.seal_once()
            if not sealed and self._clock() >= self._tick_at:
                self.tick()
            # Only now: a turn is had on a full disk as well, and may not make us try a hundred times a second.
            self._retry_seconds = _FIRST_RETRY_SECONDS
            if sealed == self._batch:
                continue
            if sealed:
                pause_seconds = _SHORTEST_PAUSE_SECONDS
            stop.wait(pause_seconds)
            pause_seconds = min(pause_seconds * 1.5, _LONGEST_PAUSE_SECONDS)
        while self.seal_once() == self._batch:
            pass

    def _seal(self, now: float) -> _Sealing | None:
        """One batch; None, and nothing is written, when other sealers are at work."""
        self._connected()
        look = self._floor.look(now)
        sealing = self._sealed_behind(self._frontier or self._taken_up(), look)
        return sealing or self._sealed_behind(self._taken_up(), look)

    def _sealed_behind(self, frontier: Frontier, look: Look) -> _Sealing | None:
        """One transaction; None, and nothing is written, when the frontier is not that of the log."""
        connection = self._connected()
        grown, self._frontier = frontier.copy(), None
        try:
            # BEGIN and COMMIT by hand, for three round trips in all. COMMIT stands alone because the server does not
            # count a session as idle whose last word was a pipeline's: a sealer that is held still would keep its turn.
            with connection.pipeline():
                connection.execute("BEGIN")
                sealing = seal(connection, grown, look, self._batch)
            connection.execute("COMMIT")
        except psycopg.Error:
            if not connection.closed:
                connection.rollback()
            raise
        if sealing.size != frontier.size:
            return None
        self._frontier = grown
        return sealing

    def _taken_up(self) -> Frontier:
        """The frontier as the database has it; the tree is completed first."""
        connection = self._connected()
        if lacked := fill_in(connection):
            _LOG.warning("the log's tree lacked nodes", added=lacked)
        self._frontier = load_frontier(connection)
        return self._frontier

    def _drop_strays(self) -> None:
        dropped = self._connected().execute(_QUERIES["drop_strays"]).rowcount
        _LOG.critical("queue rows of events that are sealed already", rows=dropped)

    def _take_turn(self) -> bool:
        return self._connected().execute(_QUERIES["take_turn"]).fetchone() == (True,)

    def _connected(self) -> Connection[TupleRow]:
        if self._connection is None or self._connection.closed:
            self._connection = connect_for_turn(self._conninfo, "dossier_sealer")
            self._floor, self._frontier = Floor(), None  # it may have led to another server
        return self._connection


class SealingRecorder(LedgerRecorder):
    """Seals inside the append and returns positions, as the eventsourcing library expects of its recorders.

    Appends wait for each other here, so no service uses it. The login must be allowed to append and to seal.
    """

    _completes = True

    def _complete(
        self, connection: Connection[TupleRow], appended: Sequence[Appended], **kwargs: Any
    ) -> Sequence[int] | None:
        super()._complete(connection, appended, **kwargs)
        connection.execute(_QUERIES["wait_for_turn"])
        seal(connection, load_frontier(connection), FROM_THE_START, _EVERYTHING)
        positions = connection.execute(QUERIES["select_positions"], keys_of(appended)).fetchall()
        return [position for (position,) in positions]


def seal(connection: Connection[TupleRow], frontier: Frontier, look: Look, most: int) -> _Sealing:
    """Seal up to `most` events in the caller's transaction, and let the frontier grow by them.

    Nothing is done when the log had another size than the frontier, or when some of the events overtake others.
    """
    parameters = {
        "size": frontier.size,
        "floor": look.floor,
        "settled": look.settled,
        "named": list(map(str, look.named)),
        "most": most,
    }
    with connection.cursor(binary=True) as cursor:
        row = cursor.execute(_QUERIES["seal"], parameters).fetchone()
    assert row is not None  # noqa: S101 - an aggregate without groups has one row
    sealing = _Sealing(*row)
    if sealing.events:
        if nodes := frontier.extend(split(sealing.hashes)):
            add_nodes(connection, nodes)
        connection.execute(_QUERIES["checkpoint"], {"size": frontier.size, "root": frontier.root})
    return sealing
