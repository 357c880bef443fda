"""What must hold of a stream that has erased something: nothing of it is left once the eraser has had its time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from psycopg import Connection

from db.queries import load
from domain.events.privacy import RECORDS_SUBJECT
from ledger import codec
from ledger.codec import Checked
from ledger.eraser import DONE_WITHIN_SECONDS
from ledger.errors import UnreadableEvent
from ledger.findings import Finding, place_of
from ledger.snapshot_keys import SnapshotKeys

_ERASER: Final = load("ledger", "eraser.sql")
_VERIFY: Final = load("ledger", "verify.sql")


def erasure_findings(
    connection: Connection[Any],
    events: Sequence[StoredEvent],
    keys: SnapshotKeys,
    *,
    time_to_erase: timedelta = timedelta(seconds=DONE_WITHIN_SECONDS),
) -> Iterator[Finding]:
    """What a stream has erased longer ago than that takes, and what is still there of it, key or ciphertext."""
    if not codec.erasures_in(events):
        return
    ((now,),) = connection.execute(_VERIFY["now"]).fetchall()
    readable = list(_readable(events))
    erasures = [event for event in readable if "erases" in event.entry]
    for erasure in erasures:
        if _recorded_at(erasure, now) < now - time_to_erase:
            yield from _left(connection, erasure, readable, keys)


def _recorded_at(event: Checked, otherwise: datetime) -> datetime:
    try:
        return datetime.fromisoformat(event.entry["recorded_at"])
    except ValueError:  # no such day; reading the event says so
        return otherwise


def _readable(events: Sequence[StoredEvent]) -> Iterator[Checked]:
    for stored in events:
        try:
            yield codec.checked(stored)
        except UnreadableEvent:  # which is told of where the events are read
            continue


def _left(
    connection: Connection[Any], erasure: Checked, events: Sequence[Checked], keys: SnapshotKeys
) -> Iterator[Finding]:
    subject = UUID(erasure.entry["erases"])
    subjects = {subject}
    for event in events:
        for number, commitment in enumerate(event.commitments):
            if commitment.subject == subject or (subject == event.stream and commitment.subject != RECORDS_SUBJECT):
                subjects.add(commitment.subject)
                if number in event.ciphertexts:
                    place = place_of(event.stream, event.version)
                    yield Finding("erasure", f"{place} part {number}", f"was erased by version {erasure.version}")
    for other in sorted(filter(keys.is_there, subjects)):
        parameters = {"subject": other, "stream": erasure.stream}
        if connection.execute(_ERASER["used_elsewhere"], parameters).fetchone() != (True,):
            place = place_of(erasure.stream, erasure.version)
            yield Finding("erasure", place, f"the data key of subject {other} is still there")
