"""Erasures after a restore: what was erased stays erased, whatever an old backup has brought back.

Three things can have come back. A key that an event in the restored ledger has erased, from an older archive of keys;
the eraser destroys it again, because what it had carried out is not restored. A key that was erased later than both
archives, known from a list (erasure_list.py); it is destroyed here. And a ledger that does not know of the event that
erased somebody, because it is older: then the key is gone and nothing says why. So the erasure is recorded once more.

What must stay true: all of this is done before anybody can read or write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from psycopg import Connection
from uuid_utils.compat import uuid7

from db.pool import sync_pool
from db.queries import load
from domain.events import Actor, Envelope, RecordedEvent
from domain.events.envelope import ActorKind, Reason
from domain.events.privacy import EVERYTHING, RECORDS_SUBJECT, LegalBasis, PersonalDataErased
from domain.policy import first_edition
from domain.slots import pointer
from ledger import codec
from ledger.application import Ledger
from ledger.eraser import Eraser
from ledger.erasure_list import Destroyed
from ledger.errors import UnreadableEvent
from ledger.kek import KeyEncryptionKey
from ledger.keys import KeyStore
from ledger.pool import pool_of_keys
from ledger.streams import OF_CUSTOMERS

RESTORER: Final = Actor(id="dossier-restore", kind=ActorKind.SYSTEM)

_QUERIES: Final = load("ledger", "replay.sql")
_BATCH: Final = 2000


class _Unknown(NamedTuple):
    """An erasure that its stream does not tell of, and where the stream ends."""

    stream: UUID
    subject: UUID
    by: UUID
    last_version: int
    not_before: datetime


def destroy_listed(keys: Connection[Any], listed: Sequence[Destroyed]) -> int:
    """Destroy the keys of a list; how many had come back, or would yet have been made."""
    params = {"subjects": [each.subject for each in listed], "by": [each.by for each in listed]}
    return keys.execute(_QUERIES["destroy"], params).rowcount


def record_unknown(
    ledger: Connection[Any],
    keys: Connection[Any],
    kek: KeyEncryptionKey,
    conninfo: str,
    keys_conninfo: str | None = None,
) -> int:
    """Record an erasure in each stream that names a subject whose key is destroyed and does not say why; how many.

    `ledger` and `keys` are connections to `conninfo` and `keys_conninfo`. Raises ledger.errors, psycopg.Error.
    """
    destroyed = dict(keys.execute(_QUERIES["destroyed"]).fetchall())
    if not destroyed:
        return 0
    unknown = list(_unknown(ledger, destroyed))
    with (
        sync_pool(conninfo, "dossier_app", min_size=1, max_size=1, autocommit=True) as pool,
        pool_of_keys(keys_conninfo, "dossier_app", pool) as keys_pool,
    ):
        store = KeyStore(keys_pool, kek)
        store.ensure([RECORDS_SUBJECT])
        for _, erasures in groupby(unknown, key=itemgetter(0)):
            Ledger(pool, store).save(*_events(list(erasures)))
    return len(unknown)


def erase_again(conninfo: str, kek: KeyEncryptionKey, keys_conninfo: str | None = None) -> int:
    """Carry out every erasure that the ledger tells of; how many. Raises ledger.errors."""
    with (
        sync_pool(conninfo, "dossier_eraser", min_size=1, max_size=2, autocommit=True) as pool,
        pool_of_keys(keys_conninfo, "dossier_eraser", pool) as keys_pool,
    ):
        return Eraser(pool, KeyStore(keys_pool, kek)).carry_out()


def _unknown(ledger: Connection[Any], destroyed: Mapping[UUID, UUID]) -> Iterator[_Unknown]:
    with ledger.transaction(), ledger.cursor("entries", binary=True) as cursor:
        cursor.itersize = _BATCH
        for stream, rows in groupby(cursor.execute(_QUERIES["entries"], OF_CUSTOMERS), key=itemgetter(0)):
            yield from _unknown_of(stream, rows, destroyed)


def _unknown_of(
    stream: UUID, rows: Iterable[tuple[UUID, int, str, bytes, datetime]], destroyed: Mapping[UUID, UUID]
) -> Iterator[_Unknown]:
    events, named, last, not_before = list[codec.Checked](), set[UUID](), 0, None
    for _, version, stored_name, entry, now in rows:
        last, not_before = version, max(now, not_before or now)
        try:
            event = codec.checked(StoredEvent(stream, version, stored_name, entry))
        except UnreadableEvent:  # verification tells of it
            continue
        events.append(event)
        named |= event.subjects
        not_before = max(not_before, datetime.fromisoformat(event.entry["recorded_at"]))
    known = codec.erasures_in(events)
    if stream in known or not_before is None:
        return
    # Of a customer that was erased as a whole, that says it of everybody.
    gone = [stream] if stream in destroyed else sorted((named & destroyed.keys()) - known.keys() - {RECORDS_SUBJECT})
    for subject in gone:
        yield _Unknown(stream, subject, destroyed[subject], last, not_before)


def _events(erasures: Sequence[_Unknown]) -> Iterator[RecordedEvent]:
    for version, erasure in enumerate(erasures, start=erasures[0].last_version + 1):
        whole = erasure.subject == erasure.stream
        yield RecordedEvent(
            Envelope(
                event_id=uuid7(),
                customer_id=erasure.stream,
                version=version,
                recorded_at=erasure.not_before,
                effective_from=None,
                actor=RESTORER,
                reason=Reason(text=f"erased by event {erasure.by}, which the restored backup did not hold"),
                policy_version=first_edition().version,
            ),
            PersonalDataErased(
                subject=erasure.subject,
                legal_basis=LegalBasis.ERASED_BEFORE,
                fields=(EVERYTHING,) if whole else (pointer("contacts", erasure.subject),),
                request_id=erasure.by,
                approver_id=RESTORER.id,
            ),
        )
