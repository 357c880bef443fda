"""read.events: every event of the log, decrypted, and how a history shows it.

Owns the table. What must stay true: `read.event_json` of a row's columns is what `body_of` says of the event; no
column says what another one does, nor a long text twice (long_texts.py). What histories give out as it is, is kept as
the text that it is given out as.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import orjson
from psycopg import AsyncConnection, Connection
from psycopg.sql import SQL

from db import arrays
from db.queries import load
from domain.events import Envelope, RecordedEvent
from domain.masking import Mask, level_of_event
from domain.shown import highest_in
from domain.slots import Sensitivity
from domain.streams import StreamKind
from ledger.plain import says_something, to_json
from projections.changes import by_event, changes_json
from projections.long_texts import Span
from projections.moves import Move, Moves, Positioned
from projections.projection import Batch

_QUERIES: Final = load("projections", "events.sql")
_IN_COLUMNS: Final = frozenset(["customer_id", "version", "recorded_at", "effective_from", "effective_to", "event_id"])
"""The members of an envelope that have a column of their own."""
_Order = Literal["asc", "desc"]
_BEFORE_ALL: Final[Mapping[_Order, int]] = {"asc": 0, "desc": 2**63 - 1}


def _whole_pages(order: _Order, beyond: Literal["<", ">"], last: Literal["min", "max"]) -> str:
    statement = SQL(_QUERIES["whole_pages"])
    return statement.format(beyond=SQL(beyond), direction=SQL(order), last=SQL(last)).as_string()


_WHOLE_PAGES: Final[Mapping[_Order, str]] = {
    "asc": _whole_pages("asc", ">", "max"),
    "desc": _whole_pages("desc", "<", "min"),
}


class Events:
    """The projection."""

    name = "events"
    follows = StreamKind.CUSTOMER

    def apply(self, connection: Connection[Any], batch: Batch) -> None:
        envelopes = [entry.event.envelope for entry in batch.events]
        payloads = [entry.event.payload for entry in batch.events]
        told = texts_of(batch.events, batch.moves)
        columns = {
            "customer_ids": [envelope.customer_id for envelope in envelopes],
            "versions": [envelope.version for envelope in envelopes],
            "positions": [entry.position for entry in batch.events],
            "recorded_at": [envelope.recorded_at for envelope in envelopes],
            "effective_from": [envelope.effective_from for envelope in envelopes],
            "effective_to": [envelope.effective_to for envelope in envelopes],
            "event_ids": [envelope.event_id for envelope in envelopes],
            "decisions": [payload.decision for payload in payloads],
            "types": [payload.type for payload in payloads],
            "actors": [envelope.actor.id for envelope in envelopes],
            "envelopes": [texts.envelope for texts in told],
            "data": [texts.data for texts in told],
            "changes": [texts.changes for texts in told],
            "shared_from": [texts.shared and texts.shared.start for texts in told],
            "shared_length": [texts.shared and texts.shared.length for texts in told],
            "may_be_sensitive": [texts.may_be_sensitive for texts in told],
        }
        connection.execute(_QUERIES["insert"], columns)

    def forget(self, connection: Connection[Any], customer_id: UUID) -> None:
        connection.execute(_QUERIES["forget"], {"customer_id": customer_id})


class Texts(NamedTuple):
    """What a row says in JSON: what was stated in the envelope and has no column of its own, content, moved slots.

    `shared`: where in the content the text is that is left out of the moved slots, if one is.
    """

    envelope: str
    data: str
    changes: str
    shared: Span | None

    @property
    def may_be_sensitive(self) -> bool:
        """Whether anything SENSITIVE may be in them, for the record of who saw the event."""
        return highest_in(f"{self.envelope}{self.data}{self.changes}".encode()) is Sensitivity.SENSITIVE


def texts_of(entries: Iterable[Positioned], moves: Moves) -> list[Texts]:
    """The texts of events, of which `moves` tells what they did to slots."""
    moved = by_event(moves.moves)
    return [_texts(entry.event, moved.get(entry.position, ())) for entry in entries]


def _texts(event: RecordedEvent, moved: Iterable[Move]) -> Texts:
    data = to_json(event.payload)
    return Texts(to_json(_stated(event.envelope, _IN_COLUMNS)).decode(), data.decode(), *changes_json(moved, data))


def body_of(position: int, event: RecordedEvent) -> bytes:
    """The JSON of an event as histories show it: envelope, position, type and, below `data`, its own content.

    Of the envelope what nobody stated is left out, but for the times.
    """
    envelope, payload = event.envelope, event.payload
    own = {"position": position, "type": payload.type, "decision": payload.decision, "data": payload}
    times = {"effective_from": envelope.effective_from, "effective_to": envelope.effective_to}
    return to_json({**_stated(envelope), **times, **own})


def _stated(envelope: Envelope, but_for: Collection[str] = ()) -> dict[str, Any]:
    return {name: value for name, value in envelope.__dict__.items() if name not in but_for and says_something(value)}


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """What of a history is wanted. `type` may end in `*`; `path` is a slot or what slots begin with.

    `since` (inclusive) and `until` (exclusive) are about recorded_at.
    """

    type: str | None = None
    path: str | None = None
    actor: str | None = None
    from_position: int = 0
    since: datetime | None = None
    until: datetime | None = None

    def parameters(self) -> dict[str, Any]:
        is_prefix = self.type is not None and self.type.endswith("*")
        return {
            "type": None if is_prefix else self.type,
            "type_prefix": self.type.removesuffix("*") if self.type is not None and is_prefix else None,
            "path": self.path.rstrip("/") if self.path else None,
            "actor": self.actor,
            "from_position": self.from_position,
            "since": self.since,
            "until": self.until,
        }


async def history(
    connection: AsyncConnection[Any],
    customer_id: UUID,
    position: int,
    wanted: HistoryFilter,
    *,
    order: _Order = "asc",
    limit: int,
    after: int = 0,
) -> list[dict[str, Any]]:
    """A page of the customer's events up to `position`, behind the event at position `after` in that order.

    Each item is the event's body and `changes`. Fewer than `limit` items are the last.
    """
    query = "history_ascending" if order == "asc" else "history_descending"
    page = {"customer_id": customer_id, "position": position, "after": after, "limit": limit}
    # unprepared: planned for the filters that are there, not for all that could be
    cursor = await connection.execute(_QUERIES[query], {**page, **wanted.parameters()}, prepare=False)
    return [_item(body, changes) async for _, body, changes in cursor]


async def items_of(connection: AsyncConnection[Any], places: Sequence[tuple[UUID, int]]) -> list[dict[str, Any]]:
    """Some events, by customer and version, as a history shows them, in the order given."""
    params = {
        "customer_ids": [customer_id for customer_id, _ in places],
        "versions": [version for _, version in places],
    }
    cursor = await connection.execute(_QUERIES["items"], params)
    return [_item(body, changes) async for body, changes in cursor]


def _item(body: str, changes: str) -> dict[str, Any]:
    return {**orjson.loads(body), "changes": orjson.loads(changes)}


async def bodies_of(
    connection: AsyncConnection[Any], wanted: Iterable[tuple[UUID, int]], mask: Mask | None = None
) -> dict[UUID, dict[int, dict[str, Any]]]:
    """The bodies of some customers' events, by customer and version, without what `mask` hides."""
    keys = sorted(set(wanted))
    params = {"customer_ids": [key[0] for key in keys], "versions": [key[1] for key in keys]}
    bodies: dict[UUID, dict[int, dict[str, Any]]] = {}
    for customer_id, version, body in await (await connection.execute(_QUERIES["by_versions"], params)).fetchall():
        bodies.setdefault(customer_id, {})[version] = _seen(orjson.loads(body), mask)
    return bodies


def _seen(body: dict[str, Any], mask: Mask | None) -> dict[str, Any]:
    return body if mask is None else mask.event(body, level_of_event(body["type"], body["data"]))


class PageAsked(NamedTuple):
    """Which page of all of a customer's events: up to `position` (None: the latest), behind the event at `after`."""

    customer_id: UUID
    position: int | None
    order: _Order
    limit: int
    after: int | None = None


class WholePage(NamedTuple):
    """A page of all of a customer's events up to `position`: `number` items, whose JSON is `items`, commas between.

    `last` is the position of the last of them; None when there is none, be it that the read models are behind.
    `may_be_sensitive`: whether anything of that class may be among the items.
    """

    position: int
    number: int
    last: int | None
    may_be_sensitive: bool
    items: bytes

    @property
    def sensitivity(self) -> Sensitivity:
        """The highest class of all that is told, for the record of who saw it."""
        return Sensitivity.SENSITIVE if self.may_be_sensitive else Sensitivity.CONFIDENTIAL


async def whole_pages(connection: AsyncConnection[Any], asked: Collection[PageAsked]) -> dict[PageAsked, WholePage]:
    """What `history` answers without a filter, made into text by the server."""
    pages: dict[PageAsked, WholePage] = {}
    for order, statement in _WHOLE_PAGES.items():
        wanted = [one for one in asked if one.order == order]
        if not wanted:
            continue
        params = {
            "customer_ids": arrays.uuids([one.customer_id for one in wanted]),
            "positions": arrays.bigints([one.position for one in wanted]),
            "after": arrays.bigints([one.after or _BEFORE_ALL[order] for one in wanted]),
            "limits": arrays.bigints([one.limit for one in wanted]),
        }
        cursor = await connection.cursor(binary=True).execute(statement, params)
        for place, position, number, last, is_sensitive, items in await cursor.fetchall():
            pages[wanted[place - 1]] = WholePage(position, number, last, bool(is_sensitive), items or b"")
    return pages


class FirstKnown(NamedTuple):
    """Where a customer's stream begins."""

    position: int
    recorded_at: datetime


async def first_known(connection: AsyncConnection[Any], customer_id: UUID) -> FirstKnown | None:
    """Since when the customer is known; None for a customer that is not in the read models."""
    cursor = await connection.execute(_QUERIES["first_known"], {"customer_id": customer_id})
    row = await cursor.fetchone()
    return FirstKnown(*row) if row else None
