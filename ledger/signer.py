"""The signer: vouches for the log with the key of its origin, after a look at every entry.

What must stay true: nothing is signed that does not go on from what was signed before, as a memory outside of
PostgreSQL has it; every leaf is hashed anew from its entry; and what is given out is remembered first. The primary key
of ledger.signature fences off a second signer, which would sign the same or nothing. A refusal ends nothing but the
signing: events are recorded and sealed on, and the look is taken again, a while later, by whoever has the turn then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, Final, NamedTuple

import psycopg
import structlog
from psycopg import Connection

from db.pool import connect_for_turn
from db.queries import load
from ledger.checkpoint import Checkpoint
from ledger.leaves import frontier_at, require_root, take
from ledger.log_errors import (
    AnotherNote,
    LogError,
    LogRefused,
    MemoryAhead,
    MemoryMissing,
    OriginChanged,
    RootMismatch,
    SizeShrank,
)
from ledger.merkle import Frontier
from ledger.notes import Note, SigningKey, new_note
from ledger.refusal_file import RefusalFile
from ledger.signer_memory import SignerMemory

_QUERIES: Final = load(Path(__file__).parent, "signer.sql")
_LOG: Final = structlog.get_logger("ledger.signer")

_LOOK_SECONDS: Final = 0.25
"""How often the signer looks for a new checkpoint, and so how often it signs at most: a note costs two writes that are
waited for, and whoever wants a proof of an event waits for the next one."""
_COMPARE_SECONDS: Final = 60.0
"""How often what was signed is compared with the log though that has not grown."""
_MOST_LEAVES: Final = 20_000
"""So many entries are looked at for one note: a log that was not signed for long is signed piece by piece."""
_TURN_SECONDS: Final = 1.0
_FIRST_RETRY_SECONDS: Final = 0.1
_LONGEST_RETRY_SECONDS: Final = 5.0
_REFUSED_SECONDS: Final = 10.0
_SAID_SECONDS: Final = 60.0
"""How often a refusal that goes on is logged again."""


class _Stand(NamedTuple):
    """How long the log is, the newest checkpoint (without root in rows from before the tree), and the newest note."""

    sealed: int
    size: int | None
    root: bytes | None
    note: str | None


class Signer:
    """Signs the log of the database of `conninfo`, up to `most_leaves` new entries with a note.

    One thread at a time. While `run` refuses, `refusals` says why. `clock` counts seconds and never goes back.
    """

    def __init__(
        self,
        conninfo: str,
        key: SigningKey,
        memory: SignerMemory,
        refusals: RefusalFile,
        *,
        clock: Callable[[], float] = time.monotonic,
        most_leaves: int = _MOST_LEAVES,
    ) -> None:
        self._conninfo = conninfo
        self._key = key
        self._memory = memory
        self._refusals = refusals
        self._clock = clock
        self._most_leaves = most_leaves
        self._compare_at = clock()
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._said: tuple[str, int | None] | None = None
        self._say_at = clock()
        self._connection: Connection[Any] | None = None

    def sign_once(self) -> bool:
        """Sign the newest checkpoint if there is something new; whether a note was given out.

        Raises LogRefused, psycopg.Error, or OSError when the memory's disk is in the way.
        """
        stand = self._stand()
        remembered = self._remembered(stand)
        if stand.size is None or stand.root is None:
            return False  # the sealer has not written a root yet
        newest = self._newest(stand, remembered)
        _require_all_there(stand, remembered, newest)
        is_idle = newest is not None and newest.size == remembered.size == stand.size
        if is_idle and self._clock() < self._compare_at:
            return False
        seen = self._seen(remembered, newest, Checkpoint(self._key.name, stand.size, stand.root))
        self._compare_at = self._clock() + _COMPARE_SECONDS
        note = new_note(seen.text, self._key)
        if not self._memory.keep(note):
            return False  # another signer on this machine was faster
        # If we died before this, nothing was given out: the next look is taken from what is remembered now, and gives
        # it out. After it there is nothing left to do.
        return newest != seen and self._publish(seen, note)

    def run(self, stop: Event) -> None:
        """Sign until `stop` is set, then what is sealed; one signer at a time, through failures and refusals."""
        while not stop.is_set():
            try:
                if self._take_turn():
                    self._sign_until(stop)
                else:
                    stop.wait(_TURN_SECONDS)
            except LogRefused as refusal:
                self._refuse(refusal)
                stop.wait(_REFUSED_SECONDS)
            except Exception as error:  # noqa: BLE001 - a fault of the signer may not end the sealer, its neighbour
                tell = _LOG.warning if isinstance(error, psycopg.Error | OSError) else _LOG.exception
                tell("the signer was interrupted", error=str(error), retry_in_seconds=self._retry_seconds)
                self.close()
                stop.wait(self._retry_seconds)
                self._retry_seconds = min(self._retry_seconds * 2, _LONGEST_RETRY_SECONDS)
        self.close()

    def close(self) -> None:
        """Let go of the connection, and with it of the turn; the next call connects again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _sign_until(self, stop: Event) -> None:
        while not stop.is_set():
            self.sign_once()
            self._refusals.remove()
            self._retry_seconds = _FIRST_RETRY_SECONDS
            stop.wait(_LOOK_SECONDS)
        self.sign_once()

    def _refuse(self, refusal: LogRefused) -> None:
        said = (refusal.reason, refusal.idx)
        if said != self._said or self._clock() >= self._say_at:
            _LOG.critical("the log is not signed", reason=refusal.reason, index=refusal.idx, detail=str(refusal))
            self._said, self._say_at = said, self._clock() + _SAID_SECONDS
        self.close()  # and with it the turn: another machine's signer may remember better
        self._refusals.tell(refusal.reason, refusal.idx)

    # --- what is there ----------------------------------------------------------------------------------------------

    def _stand(self) -> _Stand:
        (row,) = self._connected().execute(_QUERIES["stand"]).fetchall()
        return _Stand(*row)

    def _remembered(self, stand: _Stand) -> Checkpoint:
        """What was signed last, at first the empty log."""
        remembered = self._memory.recall()
        if remembered is not None:
            return remembered
        if stand.note is not None:
            raise MemoryMissing(f"the log was signed before, and {self._memory} is not there")
        return Checkpoint.empty(self._key.name)

    def _newest(self, stand: _Stand, remembered: Checkpoint) -> Checkpoint | None:
        """What was given out last: remembered, or not yet, or signed on another machine by the same key.

        A log that goes on under a new origin has notes of the old one up to where it began.
        """
        if stand.note is None:
            return None
        try:
            note = Note.parse(stand.note.encode())
            newest = Checkpoint.from_text(note.text)
            if newest.origin == self._key.name:
                note.verified([self._key.verifier])
        except LogError as error:
            raise AnotherNote(f"the newest note in the database is none of ours: {error}") from error
        if newest.origin != self._key.name and newest.size > remembered.size:
            raise OriginChanged(f"the log was signed as {newest.origin!r}, our key's is {self._key.name!r}")
        if newest.size == remembered.size and newest.origin == remembered.origin and newest != remembered:
            raise AnotherNote(f"the note of size {newest.size} in the database has another root than was signed")
        return newest

    # --- what is signed ---------------------------------------------------------------------------------------------

    def _seen(self, remembered: Checkpoint, newest: Checkpoint | None, head: Checkpoint) -> Checkpoint:
        """What can be vouched for after a look at the entries behind what is remembered: the head, or a part of it."""
        connection = self._connected()
        frontier = frontier_at(connection, remembered.size)
        require_root(frontier, remembered)
        size = min(head.size, remembered.size + self._most_leaves)
        if newest is not None and remembered.size < newest.size <= size:
            _grow(connection, frontier, newest.size)
            require_root(frontier, newest)
        _grow(connection, frontier, size)
        if size == head.size and frontier.root != head.root:
            raise RootMismatch(f"the checkpoint of size {size} has another root than the entries of the log")
        return Checkpoint(head.origin, size, frontier.root)

    def _publish(self, seen: Checkpoint, note: Note) -> bool:
        connection = self._connected()
        given_out = {"size": seen.size, "note": bytes(note).decode()}
        if connection.execute(_QUERIES["publish"], given_out).rowcount:
            return True
        ((there,),) = connection.execute(_QUERIES["note_of"], given_out).fetchall()
        if there != given_out["note"] and _origin_of(there) == seen.origin:
            raise AnotherNote(f"another note of size {seen.size} was given out than the one that we sign")
        return False  # another signer was faster, or one under an earlier origin

    def _take_turn(self) -> bool:
        return self._connected().execute(_QUERIES["take_turn"]).fetchone() == (True,)

    def _connected(self) -> Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect_for_turn(self._conninfo, "dossier_signer")
        return self._connection


def _require_all_there(stand: _Stand, remembered: Checkpoint, newest: Checkpoint | None) -> None:
    """Nothing that was signed is gone."""
    if stand.sealed < remembered.size:
        raise MemoryAhead(
            f"the log ends at {stand.sealed}, and {remembered.size} places of it were signed", idx=stand.sealed
        )
    signed = max(remembered.size, newest.size if newest is not None else 0)
    if stand.size is not None and stand.size < signed:
        raise SizeShrank(f"the newest checkpoint is of size {stand.size}, and {signed} were signed", idx=stand.size)


def _grow(connection: Connection[Any], frontier: Frontier, size: int) -> None:
    while frontier.size < size:
        take(connection, frontier, size)


def _origin_of(note: str) -> str:
    return note.partition("\n")[0]
