"""A customer's stream replayed from the evidence: each event, what it did to the file, and whether the log holds.

Reads no read model. What must stay true: what is answered needs memory for the facts of one file and for one chunk of
events, however long the stream; and what cannot be read is told and leaves the state as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from eventsourcing.persistence import StoredEvent
from psycopg import AsyncConnection

from db.queries import load
from domain.events import RecordedEvent
from domain.masking import Mask, level_of_payload
from domain.replay import Replay, Step
from ledger import codec
from ledger.codec import DataKeys, Erasures
from ledger.errors import DataKeyMissing, UnreadableEvent
from ledger.frame import framed
from projections.events import body_of

MOST_PROBLEMS: Final = 100
"""Told in the summary; a stream of many thousand damaged events gets the first ones."""

_QUERIES: Final = load("projections", "replay.sql")


class Sealed(NamedTuple):
    """An event's place in the log and its hash there; `stored` is None where the event itself is gone."""

    version: int
    position: int
    leaf_hash: bytes
    stored: StoredEvent | None
    entry: bytes


async def sealed_events(
    connection: AsyncConnection[Any], customer_id: UUID, after: int, up_to: int, limit: int
) -> list[Sealed]:
    """The next `limit` events of the stream after a version, up to another; fewer are the last."""
    params = {"customer_id": customer_id, "after": after, "up_to": up_to, "limit": limit}
    cursor = await connection.cursor(binary=True).execute(_QUERIES["steps"], params)
    rows = await cursor.fetchall()
    return [_sealed(customer_id, list(parts)) for _, parts in groupby(rows, key=itemgetter(0))]


async def erased_of(connection: AsyncConnection[Any], customer_id: UUID) -> dict[UUID, UUID]:
    """What was erased of the stream by now, to be left out of all its events (codec.Erasures)."""
    cursor = await connection.cursor(binary=True).execute(_QUERIES["erasures"], {"customer_id": customer_id})
    return codec.erasures_in([StoredEvent(customer_id, *row) for row in await cursor.fetchall()])


def _sealed(customer_id: UUID, rows: Sequence[tuple[Any, ...]]) -> Sealed:
    version, position, leaf_hash, event_type, entry, *_ = rows[0]
    if entry is None:
        return Sealed(version, position, leaf_hash, None, b"")
    parts = [(number, ciphertext) for *_, number, ciphertext in rows if number is not None]
    stored = StoredEvent(customer_id, version, event_type, framed(entry, parts))
    return Sealed(version, position, leaf_hash, stored, entry)


@dataclass(slots=True)
class Replaying:
    """Makes the lines of a replay from the events of a stream, all of them in order, and in the end the summary.

    Lines are made from `first` on; the events before are taken in for the state that they leave. `erased` is left out
    of all of them, and what `mask` hides.
    """

    first: int
    keys: DataKeys
    mask: Mask | None = None
    erased: Erasures = field(default_factory=dict)
    _replay: Replay = field(init=False)
    _lines: int = 0
    _version: int = 0
    _position: int = 0
    _problems: list[dict[str, Any]] = field(default_factory=list)
    _is_ok: bool = True

    def __post_init__(self) -> None:
        self._replay = Replay(self.mask)

    def lines(self, events: Iterable[Sealed]) -> Iterator[bytes]:
        """The lines of the next events. Blocks while keys are read. Raises KeyEncryptionError, Unavailable."""
        for sealed in events:
            self._check_place(sealed)
            line = self._line(sealed)
            if sealed.version >= self.first:
                self._lines += 1
                yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)

    def summary(self, last: int) -> bytes:
        """The last line, of a stream up to `last`. `log_ok`: nothing of it is missing, altered or unreadable."""
        if self._version != last:
            self._tell(last, "is missing, as is what may be between it and the last line")
        told = {
            "events": self._lines,
            "final_hash": self._replay.state_hash(),
            "log_ok": self._is_ok,
            "problems": self._problems,
        }
        return orjson.dumps({"summary": told}, option=orjson.OPT_APPEND_NEWLINE)

    def _check_place(self, sealed: Sealed) -> None:
        if sealed.version != self._version + 1:
            self._tell(self._version + 1, f"is missing before version {sealed.version}")
        if sealed.position <= self._position:
            self._tell(sealed.version, "has its place in the log before an earlier event of the stream")
        if sealed.stored is not None and codec.entry_hash(sealed.entry) != sealed.leaf_hash:
            self._tell(sealed.version, "is not what the log has the hash of")
        self._version, self._position = sealed.version, sealed.position

    def _line(self, sealed: Sealed) -> dict[str, Any]:
        """Where the event cannot be read, `event` is null and the state stays as it was."""
        event, body = self._decoded(sealed), None
        if event is None:
            known = self._replay.state_hash()
            step = Step(known, known, [])
        else:
            step = self._replay.take(event)
            body = self._body(sealed.position, event) if sealed.version >= self.first else None
        return {
            "n": sealed.version,
            "position": sealed.position,
            "type": None if sealed.stored is None else sealed.stored.topic,
            "event": body,
            "state_hash_before": step.before,
            "state_hash_after": step.after,
            "changed": step.changed,
        }

    def _body(self, position: int, event: RecordedEvent) -> Any:
        body = body_of(position, event)
        if self.mask is None:
            return orjson.Fragment(body)
        return self.mask.event(orjson.loads(body), level_of_payload(event.payload))

    def _decoded(self, sealed: Sealed) -> RecordedEvent | None:
        if sealed.stored is None:
            self._tell(sealed.version, "is in the log but not there")
            return None
        try:
            return codec.decode(sealed.stored, self.keys, self.erased)
        except UnreadableEvent as error:
            self._tell(sealed.version, error.detail)
        except DataKeyMissing as error:
            self._tell(sealed.version, str(error))
        return None

    def _tell(self, version: int, detail: str) -> None:
        self._is_ok = False
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append({"version": version, "detail": detail})
