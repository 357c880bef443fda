"""The eraser: carries out what PersonalDataErased events say, after they were committed.

    the event (the writer's)  ->  the keys  ->  the ciphertexts  ->  a row of ledger.erasure

In this order, so that whoever still holds a key meets the event's version and is refused, and nothing is deleted of
which it is not recorded that it was erased. Each step may be done again: if we die after any of them, the erasure is
still pending, and is carried out from the beginning by whoever runs next, which is also how it is carried out at all.

What must stay true: a key that another file still needs is kept (`keys_kept`), and only what its stream's own event
names is deleted. An event that cannot be opened erases nothing: it was not written by this service.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from threading import Event
from typing import Any, Final
from uuid import UUID

import structlog
from eventsourcing.persistence import StoredEvent

from db.queries import load
from domain.events import RecordedEvent
from domain.events.privacy import RECORDS_SUBJECT, PersonalDataErased
from ledger import codec
from ledger.errors import DataKeyMissing, KeyHeld, Unavailable, UnreadableEvent, translated
from ledger.frame import framed
from ledger.keys import CACHE_SECONDS, KeyStore
from ledger.pool import Pool

_QUERIES: Final = load(Path(__file__).parent, "eraser.sql")
_LOG: Final = structlog.get_logger("ledger.eraser")
_LOOK_SECONDS: Final = 1.0
_REST_SHARE: Final = 20.0
"""Rests so many times as long as it took: where very many were erased, a look for another one takes its time."""
_LONGEST_RETRY_SECONDS: Final = 30.0
_AT_ONCE: Final = 500
"""Parts deleted in one transaction."""

DONE_WITHIN_SECONDS: Final = 300.0
"""Much longer than an erasure takes: what is still pending then is a finding."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """What an erasure takes from its stream: whose keys, and which parts by version and number."""

    subjects: list[UUID]
    parts: list[tuple[int, int]]


class Eraser:
    """Reads and deletes through `pool`, whose role is dossier_eraser, and destroys keys through `keys`.

    `keys` leads to the key database with the same role. Two erasers at once do no harm.
    """

    def __init__(self, pool: Pool, keys: KeyStore) -> None:
        self._pool = pool
        self._keys = keys
        self._refused: set[tuple[UUID, int]] = set()

    def carry_out(self) -> int:
        """Carry out what is pending; how many erasures were. Raises ledger.errors."""
        done = 0
        for stored in self._pending():
            erasure = self._opened(stored)
            if erasure is not None:
                done += self._erase(erasure)
        return done

    def run(self, stop: Event) -> None:
        """Carry out erasures until `stop` is set, through every failure."""
        retry_seconds = _LOOK_SECONDS
        while not stop.is_set():
            began = time.monotonic()
            try:
                self.carry_out()
                retry_seconds = max(_LOOK_SECONDS, (time.monotonic() - began) * _REST_SHARE)
            except Unavailable as error:
                _LOG.warning("the eraser was interrupted", error=str(error), retry_in_seconds=retry_seconds)
                retry_seconds = min(retry_seconds * 2, _LONGEST_RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - shown and tried again, whatever it is
                _LOG.exception("an erasure was not carried out", retry_in_seconds=retry_seconds)
                retry_seconds = min(retry_seconds * 2, _LONGEST_RETRY_SECONDS)
            stop.wait(retry_seconds)

    def _pending(self) -> list[StoredEvent]:
        with translated(), self._pool.connection() as connection:
            rows = connection.execute(_QUERIES["pending"]).fetchall()
        found = []
        for (stream, version, stored_name, entry), group in groupby(rows, key=itemgetter(0, 1, 2, 3)):
            parts = [(row[4], row[5]) for row in group if row[4] is not None]
            found.append(StoredEvent(stream, version, stored_name, framed(entry, parts)))
        return found

    def _opened(self, stored: StoredEvent) -> RecordedEvent | None:
        """The event; None, told once, for one that the service did not write."""
        try:
            return codec.decode(stored, self._keys)
        except (UnreadableEvent, DataKeyMissing) as error:
            place = (UUID(str(stored.originator_id)), stored.originator_version)
            if place not in self._refused:
                self._refused.add(place)
                _LOG.critical(
                    "an erasure that cannot be opened", stream=str(place[0]), version=place[1], error=str(error)
                )
            return None

    def _erase(self, erasure: RecordedEvent) -> bool:
        payload, envelope = erasure.payload, erasure.envelope
        assert isinstance(payload, PersonalDataErased)  # noqa: S101 - its stored name was asked for
        scope = self._scope(envelope.customer_id, payload.subject)
        kept = [subject for subject in scope.subjects if not self._destroyed(subject, erasure)]
        # If we die here the parts can be opened by nobody who asks from now on, and are deleted by the next run.
        for first in range(0, len(scope.parts), _AT_ONCE):
            some = scope.parts[first : first + _AT_ONCE]
            self._execute("erase_parts", stream=envelope.customer_id, **_columns(some))
        # If we die here everything is done but that we know it.
        self._execute(
            "finish",
            stream=envelope.customer_id,
            version=envelope.version,
            cache_seconds=CACHE_SECONDS,
            keys_kept=kept,
        )
        _LOG.info("erased", stream=str(envelope.customer_id), version=envelope.version, parts=len(scope.parts))
        return True

    def _scope(self, stream: UUID, subject: UUID) -> _Scope:
        subjects, parts = {subject}, []
        for version, named in self._named(stream):
            for number, other in enumerate(named):
                if other == subject or (subject == stream and other != RECORDS_SUBJECT):
                    subjects.add(other)
                    parts.append((version, number))
        return _Scope(sorted(subjects), parts)

    def _named(self, stream: UUID) -> Iterator[tuple[int, list[UUID]]]:
        """Per event whose parts its entry names. An entry that cannot be read names nobody: verifying tells of it."""
        with (
            translated(),
            self._pool.connection() as connection,
            connection.transaction(),
            connection.cursor("erased_entries", binary=True) as cursor,
        ):
            for version, stored_name, entry in cursor.execute(_QUERIES["entries"], {"stream": stream}):
                try:
                    event = codec.checked(StoredEvent(stream, version, stored_name, entry))
                except UnreadableEvent:
                    continue
                yield version, [commitment.subject for commitment in event.commitments]

    def _destroyed(self, subject: UUID, erasure: RecordedEvent) -> bool:
        """Destroy a subject's key, unless another file needs it. Held ones are told of and stay, too."""
        stream = erasure.envelope.customer_id
        if self._execute("used_elsewhere", subject=subject, stream=stream) == (True,):
            _LOG.warning("a data key is kept, because another file uses it", subject=str(subject))
            return False
        try:
            self._keys.destroy(subject, erasure.envelope.event_id)
        except KeyHeld:
            _LOG.critical("a data key is held, although its subject was erased", subject=str(subject))
            return False
        return True

    def _execute(self, query: str, **parameters: Any) -> tuple[Any, ...] | None:
        with translated(), self._pool.connection() as connection:
            cursor = connection.execute(_QUERIES[query], parameters)
            return cursor.fetchone() if cursor.description else None


def _columns(parts: list[tuple[int, int]]) -> dict[str, list[int]]:
    return {"versions": [version for version, _ in parts], "parts": [number for _, number in parts]}
