"""read.access and read.seen: who read what, and which customers were seen, as the read ledger's events tell.

Owns both tables: a row per view, and a row per customer seen in it, which is what there are very many of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection, Connection

from db import arrays
from db.queries import load
from domain.events import RecordedEvent
from domain.events.access import AccessPayload, Seen, View
from domain.streams import StreamKind
from ledger.plain import to_json
from projections.projection import Batch

_QUERIES: Final = load("projections", "access.sql")


class Access:
    """The projection of views."""

    name = "access"
    follows = StreamKind.ACCESS

    def apply(self, connection: Connection[Any], batch: Batch) -> None:
        rows = [
            (entry.position, entry.event, place, *told)
            for entry in batch.events
            for place, told in enumerate(views_in(entry.event), start=1)
        ]
        columns = {
            "streams": arrays.uuids([event.envelope.customer_id for _, event, *_ in rows]),
            "versions": arrays.bigints([event.envelope.version for _, event, *_ in rows]),
            "places": arrays.integers([place for _, _, place, *_ in rows]),
            "positions": arrays.bigints([position for position, *_ in rows]),
            "event_ids": arrays.uuids([event.envelope.event_id for _, event, *_ in rows]),
            "types": arrays.texts([event.payload.type for _, event, *_ in rows]),
            "since": arrays.timestamps([since for *_, since, _, _ in rows]),
            "until": arrays.timestamps([until for *_, until, _ in rows]),
            "principals": arrays.texts([view.principal for *_, view in rows]),
            "purposes": arrays.texts([purpose_of(view) for *_, view in rows]),
            "views": arrays.texts([view_json(view) for *_, view in rows]),
        }
        connection.execute(_QUERIES["insert_access"], columns)

    def forget(self, connection: Connection[Any], customer_id: UUID) -> None:
        """Of no customer is anything shown here."""


class SeenCustomers:
    """The projection of the customers seen."""

    name = "seen"
    follows = StreamKind.ACCESS

    def apply(self, connection: Connection[Any], batch: Batch) -> None:
        rows = [
            (entry.event.envelope.customer_id, entry.event.envelope.version, place, entry.position, seen)
            for entry in batch.events
            for place, (_, _, view) in enumerate(views_in(entry.event), start=1)
            for seen in seen_in(view)
        ]
        if not rows:
            return
        columns = {
            "streams": arrays.uuids([row[0] for row in rows]),
            "versions": arrays.bigints([row[1] for row in rows]),
            "places": arrays.integers([row[2] for row in rows]),
            "positions": arrays.bigints([row[3] for row in rows]),
            "customer_ids": arrays.uuids([row[4].customer_id for row in rows]),
            "times": arrays.bigints([row[4].times or 1 for row in rows]),
            "request_ids": arrays.texts([row[4].request_id for row in rows]),
        }
        connection.execute(_QUERIES["insert_seen"], columns)

    def forget(self, connection: Connection[Any], customer_id: UUID) -> None:
        """That somebody was seen is no value of theirs, and outlives their erasure."""


def views_in(event: RecordedEvent) -> Iterator[tuple[datetime, datetime, View]]:
    """The views that an event of the read ledger tells of, each with when it was."""
    payload = event.payload
    if isinstance(payload, AccessPayload):
        since, until = payload.since, payload.until
        yield from ((since, until, view) for view in payload.views)


def seen_in(view: View) -> Iterable[Seen]:
    """Whom a view shows, each once, whatever the event says."""
    return {seen.customer_id: seen for seen in view.seen}.values()


def purpose_of(view: View) -> str | None:
    return None if view.purpose is None else view.purpose.code.value


def view_json(view: View) -> str:
    """A view without the customers seen."""
    stated = {name: value for name, value in view.__dict__.items() if name != "seen" and value is not None}
    return to_json(stated).decode()


@dataclass(frozen=True, slots=True)
class AccessFilter:
    """Which accesses are wanted; `since` (inclusive) and `until` (exclusive): what may have been in between."""

    customer_id: UUID | None = None
    principal: str | None = None
    purpose: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AccessPlace(NamedTuple):
    """Where an access stands: the event's position, the view in it, the customer (all zeros: the view names none)."""

    position: int
    place: int
    customer_id: UUID


_NOBODY: Final = UUID(int=0)
_BEFORE_ALL: Final = AccessPlace(0, 0, _NOBODY)


async def accesses(
    connection: AsyncConnection[Any],
    position: int,
    wanted: AccessFilter,
    *,
    limit: int,
    after: AccessPlace = _BEFORE_ALL,
) -> Sequence[tuple[AccessPlace, dict[str, Any]]]:
    """A page of accesses up to `position` in the order of the log, each with its place; one per view and customer.

    Fewer than `limit` items are the last.
    """
    query = "of_all" if wanted.customer_id is None else "of_customer"
    params = {
        "customer_id": wanted.customer_id,
        "principal": wanted.principal,
        "purpose": wanted.purpose,
        "since": wanted.since,
        "until": wanted.until,
        "position": position,
        "after_position": after.position,
        "after_place": after.place,
        "after_customer": after.customer_id,
        "limit": limit,
    }
    # unprepared: planned for the filters that are there, not for all that could be
    cursor = await connection.execute(_QUERIES[query], params, prepare=False)
    return [(AccessPlace(row[0], row[1], row[9] or _NOBODY), _item(row)) async for row in cursor]


def _item(row: tuple[Any, ...]) -> dict[str, Any]:
    position, place, stream, version, event_id, stored_name, since, until, view, customer_id, times, request_id = row
    answered = view.pop("answered", None)
    return {
        "position": position,
        "stream": stream,
        "version": version,
        "place": place,
        "event_id": event_id,
        "type": stored_name,
        "since": since,
        "until": until,
        "customer_id": customer_id,
        "times": times,
        "request_id": request_id if answered is None else answered.pop("request_id", None),
        "principal_kind": "HUMAN",
        "on_behalf_of": None,
        "basis": None,
        "purpose": None,
        **view,
        "answered": answered,
    }
