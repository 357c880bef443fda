"""read.changes: the audit trail, per event and slot what it moved from and to.

Owns the table. Old and new are what showed at the event's own effective_from (Move has the fine print), as known
just before it and with it. An event that touches a slot has a row for it even where old and new are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from psycopg import Connection

from db.queries import load
from domain.facts import ABSENT, Fact
from domain.streams import StreamKind
from projections.long_texts import Shared, shared
from projections.moves import Move
from projections.projection import Batch

LATE_AFTER: Final = timedelta(days=1)
"""Recorded longer than this after it became effective, a fact is LATE; the rule book asks for a day (major events)."""

_QUERIES: Final = load("projections", "changes.sql")


class Changes:
    """The projection."""

    name = "changes"
    follows = StreamKind.CUSTOMER

    def apply(self, connection: Connection[Any], batch: Batch) -> None:
        if not (moved := placed(batch.moves.moves)):
            return
        places, moves = zip(*moved, strict=True)
        columns = {
            "customer_ids": [move.event.envelope.customer_id for move in moves],
            "versions": [move.event.envelope.version for move in moves],
            "slots": [move.slot for move in moves],
            "positions": [move.position for move in moves],
            "places": list(places),
            "kinds": [kind_of(move) for move in moves],
            "old_versions": [move.before.version if move.before else None for move in moves],
        }
        connection.execute(_QUERIES["insert"], columns)

    def forget(self, connection: Connection[Any], customer_id: UUID) -> None:
        connection.execute(_QUERIES["forget"], {"customer_id": customer_id})


def kind_of(move: Move) -> str:
    """CORRECTION: we were wrong. LATE: recorded more than LATE_AFTER after it was so, initial loads aside."""
    envelope = move.event.envelope
    if envelope.corrects or envelope.retracts:
        return "CORRECTION"
    start = envelope.effective_from
    if start is not None and not envelope.initial_load and start < envelope.recorded_at - LATE_AFTER:
        return "LATE"
    return "CHANGE"


def by_event(moves: Iterable[Move]) -> dict[int, list[Move]]:
    """What events at positions moved, in the order of the slots' names."""
    moved: dict[int, list[Move]] = {}
    for move in moves:
        moved.setdefault(move.position, []).append(move)
    for of_event in moved.values():
        of_event.sort(key=attrgetter("slot"))
    return moved


def placed(moves: Iterable[Move]) -> list[tuple[int, Move]]:
    """The same in one list, each with its place among those of its event, from 0."""
    return [numbered for of_event in by_event(moves).values() for numbered in enumerate(of_event)]


def changes_json(moves: Iterable[Move], data: bytes) -> Shared:
    """What one event of this content moved, as histories show it, but for a long text that stands in the content.

    `old` or `new` is left out where there was, or is, no value.
    """
    return shared(
        [
            {"path": move.slot, "kind": kind_of(move), **_value("old", move.before), **_value("new", move.after)}
            for move in moves
        ],
        data,
    )


def _value(name: str, fact: Fact | None) -> dict[str, Any]:
    return {} if fact is None or fact.value is ABSENT else {name: fact.value}


def approved_by(body: Mapping[str, Any]) -> str | None:
    """The staff id of who approved: whoever recorded what was proposed, or whom a tier reassignment names."""
    if body.get("proposed"):
        agreed: str = body["actor"]["id"]
        return agreed
    data = body["data"]
    while "replacement" in data:
        data = data["replacement"]
    approver: str | None = data.get("approver_id")
    return approver
